"""The picture of certainty: P(SLA) over fleet sizes."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.figures.panel import Mark, Panel, blank, put_legend, rows_of
from reports.image import GREEN, GREY, INK, ORANGE, VERMILLION
from reports.tables import counted, percent

Data = dict[str, Any]

STATUS_LOOKS = {
    "certified": (GREEN, "o", "certified"),
    "rejected": (VERMILLION, "s", "rejected"),
    "undecided": (ORANGE, "D", "undecided"),
}
LABELLED_SIZES_MAX = 5


def p_sla(plan: Data) -> Panel:
    """Share of periods that keep the SLA, with its confidence sequence, against the fleet size."""
    promised, sizes = plan["certificate"]["probability"], plan["sizes"]
    run = [size for size in sizes if size["runs"]]
    known = {size["replicas"] for size in run}
    only_screened = [row for row in plan["screened"] if row["replicas"] not in known]
    kinds = len({size["status"] for size in run}) + len({row["passed"] for row in only_screened})
    figure, axes = blank(
        p_sla_title(plan), "periods that keep the SLA", "fleet size (replicas)",
        legend_rows=rows_of(kinds, 3),
    )  # fmt: skip
    axes.axhline(promised, color=INK, linestyle="--", linewidth=1.2)
    for status, (colour, marker, label) in STATUS_LOOKS.items():
        rows = [size for size in run if size["status"] == status]
        if rows:
            draw_intervals(axes, rows, colour, marker, label, len(run) <= LABELLED_SIZES_MAX)
    low = min([promised, *(size["interval"][0] for size in run)])
    bottom = max(0.0, low - 0.25 * (1.0 - low) - 0.01)
    axes.set_ylim(bottom, 1.0 + 0.06 * (1.0 - bottom))
    draw_screened(axes, only_screened)
    seen = [row["replicas"] for row in [*sizes, *plan["screened"]]] or [plan["figures_of"]]
    axes.set_xlim(min(seen) - 0.6, max(seen) + 0.9)
    axes.annotate(
        f"promised {percent(promised)}", (0.0, promised), xycoords=("axes fraction", "data"),
        xytext=(4, -10), textcoords="offset points", fontsize=8.0,
    )  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1, nbins=10))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
    axes.grid(axis="x", visible=False)
    put_legend(figure, 3)
    return Panel(
        "p_sla",
        figure,
        alt=f"{p_sla_title(plan)}. {' '.join(size_text(size) + '.' for size in run)}",
        caption="Points: share of simulated periods that keep the SLA, with their counts. Bars: "
        "confidence sequences, which hold at every look. The exact test that certifies is sharper, "
        "so the bar of a certified size may still cross the dashed line. Triangles: sizes "
        "that rough screening alone looked at, to choose where to begin.",
        marks=[Mark(size["replicas"], kept_share(size), size_text(size)) for size in run]
        + [Mark(row["replicas"], None, screened_text(row)) for row in only_screened],
    )


def p_sla_title(plan: Data) -> str:
    certificate, replicas = plan["certificate"], plan["fleet"]["replicas"]
    if replicas is None:
        return f"No fleet of up to {counted(plan['search']['last'], 'replica')} is certified"
    verb = "keeps" if replicas == 1 else "keep"
    return (
        f"{counted(replicas, 'replica')} {verb} the SLA in at least "
        f"{percent(certificate['probability'])} of periods "
        f"({percent(certificate['confidence'])} confidence)"
    )


def kept_share(size: Data) -> float:
    return 1.0 - float(size["failed"] / size["runs"])


def size_text(size: Data) -> str:
    """
    >>> size_text({"replicas": 4, "runs": 2, "failed": 2, "interval": [0, 0.86],
    ...            "status": "rejected"})
    '4 replicas: rejected, 0 of 2 periods kept, P(SLA) in 0% to 86%'
    """
    low, high = size["interval"]
    return (
        f"{counted(size['replicas'], 'replica')}: {size['status']}, "
        f"{size['runs'] - size['failed']} of {size['runs']} periods kept, "
        f"P(SLA) in {percent(low)} to {percent(high)}"
    )


def screened_text(row: Data) -> str:
    return (
        f"{counted(row['replicas'], 'replica')}: screened, looked "
        f"{'good' if row['passed'] else 'bad'}"
    )


def draw_intervals(
    axes: Axes, rows: list[Data], colour: str, marker: str, label: str, with_counts: bool
) -> None:
    x = np.array([row["replicas"] for row in rows])
    kept = np.array([kept_share(row) for row in rows])
    low, high = np.array([row["interval"] for row in rows]).T
    reach = np.maximum([kept - low, high - kept], 0.0)
    axes.errorbar(
        x, kept, reach, fmt=marker, color=colour, markersize=7, capsize=4, elinewidth=2.0,
        label=label, clip_on=False,
    )  # fmt: skip
    if not with_counts:
        return
    for row, y in zip(rows, kept, strict=True):
        text = f"{row['runs'] - row['failed']}/{row['runs']}"
        axes.annotate(text, (row["replicas"], y), (9, 2), textcoords="offset points", fontsize=8.0)


def draw_screened(axes: Axes, screened: list[Data]) -> None:
    """Screened sizes have no probability: they are marked at the foot of the figure."""
    looks = ((True, "^", "screened: good"), (False, "v", "screened: bad"))
    for passed, marker, label in looks:
        x = [row["replicas"] for row in screened if row["passed"] is passed]
        if x:
            axes.plot(
                x, [0.05] * len(x), marker, transform=axes.get_xaxis_transform(),
                markersize=6, markerfacecolor="white", markeredgecolor=GREY, label=label,
            )  # fmt: skip
