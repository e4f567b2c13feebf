"""Result sets side by side as one HTML page that needs nothing else, and its pictures."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import jinja2
from matplotlib.figure import Figure

from planner.comparing import ALPHA
from planner.comparison import Comparison, Finding
from planner.result_set import ResultSet
from reports import image
from reports.comparison import (
    conclusion,
    differs,
    finding_text,
    left_out_text,
    name_text,
    pairing_text,
    trend,
    value_texts,
)
from reports.comparison_figures import latencies, p_sla, period_differences
from reports.comparison_lines import LABELS, cards, changed
from reports.differences import Change, text
from reports.tables import percent

TEMPLATES = Path(__file__).parent / "templates"
PAGE = "comparison.html"


def write_comparison(
    sets: Sequence[ResultSet], comparisons: Sequence[Comparison], folder: Path
) -> Path:
    """Write comparison.html and a PNG per figure into `folder`; the page's path. The same sets give
    the same bytes."""
    drawings = draw(sets, comparisons, folder)
    path = folder / PAGE
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(render(sets, comparisons, drawings), encoding="utf-8")
    os.replace(temporary, path)
    return path


def draw(
    sets: Sequence[ResultSet], comparisons: Sequence[Comparison], folder: Path
) -> dict[str, str]:
    """The <svg> of each figure there is something for, by the name of its PNG."""
    figure_of: dict[str, Callable[[], Figure | None]] = {
        "p_sla": partial(p_sla, sets),
        "latencies": partial(latencies, sets),
    }
    for label, one in zip(LABELS[1:], comparisons, strict=False):
        figure_of[f"differences-{label}"] = partial(period_differences, one, label)
    drawings = {}
    for name in ("p_sla", "latencies", *(f"differences-{label}" for label in LABELS[1:])):
        # A picture of an earlier comparison in this folder must not pass for one of this.
        (folder / f"{name}.png").unlink(missing_ok=True)
        if name not in figure_of:
            continue
        with image.house_style():
            if (figure := figure_of[name]()) is not None:
                image.write_png(figure, folder / f"{name}.png")
                # The layout is found by now; finding it again would take as long again.
                figure.set_layout_engine("none")
                drawings[name] = image.inline_svg(figure, name)
    return drawings


def render(
    sets: Sequence[ResultSet], comparisons: Sequence[Comparison], drawings: dict[str, str]
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("comparison.html").render(
        cards=cards(sets),
        manifests=[one.manifest for one in sets],
        conclusion=conclusion(comparisons),
        differs=differs(comparisons),
        alpha=percent(ALPHA),
        comparisons=[
            {
                "label": label,
                "pairing": pairing_text(one),
                "paired": one.paired,
                "left_out": left_out_text(one),
                "changed": changed_rows(one),
                "rows": [finding_row(finding, one.paired) for finding in one.findings],
                "picture": drawings.get(f"differences-{label}"),
            }
            for label, one in zip(LABELS[1:], comparisons, strict=False)
        ],
        drawings=drawings,
    )


def changed_rows(one: Comparison) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """(what, [(key, value in A, value in the other)])."""
    groups = changed(one.a, one.b)._asdict()
    return [(name, [change_row(change) for change in group]) for name, group in groups.items()]


def change_row(change: Change) -> tuple[str, str, str]:
    values = ["–" if value is None else text(value) for value in (change.a, change.b)]
    return change.key, values[0], values[1]


def finding_row(finding: Finding, in_pairs: bool) -> tuple[str, str, str, str, str]:
    """(figure, value in A, value in the other, what may be said, class of the row)."""
    looks = {1: "yes", -1: "no", 0: "undecided" if finding.verdict == "differs" else "soft"}
    a, b = value_texts(finding)
    return name_text(finding), a, b, finding_text(finding, in_pairs), looks[trend(finding)]
