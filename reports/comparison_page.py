"""Result sets side by side as one HTML page that needs nothing else, and its pictures."""

from collections.abc import Sequence
from pathlib import Path

from planner.comparing import ALPHA
from planner.comparison import Comparison, Finding
from planner.result_set import ResultSet
from reports.comparison import (
    conclusion,
    differs,
    finding_text,
    name_text,
    notes,
    pairing_text,
    trend,
    value_texts,
)
from reports.comparison_lines import LABELS, cards, changed
from reports.differences import Change, text
from reports.figures import comparison as pictures
from reports.image import house_style
from reports.rendering import put_pictures, remove_stale, render, script_data, write_page
from reports.tables import percent

PAGE = "comparison.html"


def write_comparison(
    sets: Sequence[ResultSet], comparisons: Sequence[Comparison], folder: Path
) -> Path:
    """Write comparison.html, and a PNG and an SVG per picture, into `folder`; the page's path. The
    same sets give the same bytes."""
    labelled = list(zip(LABELS[1:], comparisons, strict=False))
    with house_style():
        certainty, latencies = pictures.p_sla(sets), pictures.latencies(sets)
        periods = {label: pictures.periods(one, label) for label, one in labelled}
    drawn = [*certainty, *latencies, *(panel for panels in periods.values() for panel in panels)]
    drawings = put_pictures(drawn, folder)
    remove_stale(folder / PAGE, drawings)
    page = render(
        "comparison.html",
        cards=cards(sets),
        manifests=[one.manifest for one in sets],
        conclusion=conclusion(comparisons),
        differs=differs(comparisons),
        alpha=percent(ALPHA),
        certainty=certainty,
        latencies=latencies,
        comparisons=[
            {
                "label": label,
                "pairing": pairing_text(one),
                "notes": notes(one),
                "changed": changed_rows(one),
                "rows": [finding_row(finding, one.paired) for finding in one.findings],
                "panels": periods[label],
            }
            for label, one in labelled
        ],
        drawings=drawings,
        script_data=script_data(drawn),
    )
    return write_page(page, folder / PAGE)


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
