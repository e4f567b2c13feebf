"""What a drill found as one HTML page that needs nothing else, and its picture."""

import os
from pathlib import Path
from typing import Any

import jinja2

from reports import image
from reports.drill_figures import drill_picture
from reports.drill_lines import fleet_text, incident_text, kill_text, table, verdicts
from reports.tables import counted
from reports.trace_lines import duration

TEMPLATES = Path(__file__).parent / "templates"
PICTURE, PAGE = "drill.png", "drill.html"


def write_drill(data: dict[str, Any], folder: Path) -> Path:
    """Write drill.png and drill.html into `folder`; the page's path. Same data, same bytes."""
    with image.house_style():
        figure = drill_picture(data)
        image.write_png(figure, folder / PICTURE)
        # The layout is found by now; finding it again would take as long again.
        figure.set_layout_engine("none")
        drawing = image.inline_svg(figure, "drill")
    path = folder / PAGE
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(render(data, drawing), encoding="utf-8")
    os.replace(temporary, path)
    return path


def render(data: dict[str, Any], drawing: str) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    header, *rows = table(data)
    return environment.get_template("drill.html").render(
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
