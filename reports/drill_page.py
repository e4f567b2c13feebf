"""What a drill found as one HTML page that needs nothing else, and its picture."""

from pathlib import Path
from typing import Any

from reports import image
from reports.drill_figures import drill_picture
from reports.drill_lines import fleet_text, incident_text, kill_text, table, verdicts
from reports.rendering import render, write_page
from reports.tables import counted
from reports.trace_lines import duration

PICTURE, PAGE = "drill.png", "drill.html"


def write_drill(data: dict[str, Any], folder: Path) -> Path:
    """Write drill.png and drill.html into `folder`; the page's path. Same data, same bytes."""
    with image.house_style():
        figure = drill_picture(data)
        image.write_png(figure, folder / PICTURE)
        # The layout is found by now; finding it again would take as long again.
        figure.set_layout_engine("none")
        drawing = image.inline_svg(figure, "drill")
    return write_page(page(data, drawing), folder / PAGE)


def page(data: dict[str, Any], drawing: str) -> str:
    header, *rows = table(data)
    return render(
        "drill.html",
        data=data,
        title=f"Drill of {data['name']}: {fleet_text(data)}",
        kills=[kill_text(kill) for kill in data["kills"]],
        incident=incident_text(data),
        header=header,
        rows=rows,
        verdicts=list(verdicts(data)),
        replications=counted(data["replications"], "replication"),
        period=duration(data["period_s"]),
        drawing=drawing,
    )
