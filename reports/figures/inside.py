"""The pictures of what happens inside a period: traffic, queue, batch, KV cache, replicas, faults;
over time, and for every period at once."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.figures.panel import Mark, Panel, blank, put_legend
from reports.image import BLUE, GREEN, INK, LIGHT, ORANGE, VERMILLION
from reports.tables import counted, number, percent

NAMES = {
    "arrivals": "Traffic",
    "waiting": "Requests waiting",
    "running": "Requests running",
    "kv_used": "KV cache in use",
    "replicas_up": "Replicas up",
}
MEANINGS = {
    "arrivals": "requests per second that arrive",
    "waiting": "in the queues of the whole fleet",
    "running": "in the batches of the whole fleet",
    "kv_used": "share of the blocks of live replicas",
    "replicas_up": "that serve",
}
INSTANTS_MAX = 150
"""Of a period that are told to who points at it."""
LABELLED_MAX = 6
"""With more incidents than that their names would cover each other."""
CLOSE = 0.03
"""Of the period: names of faults nearer than that would."""


class Shown(NamedTuple):
    """The two periods that are drawn one by one."""

    median: int | None
    worst: int | None


def per_second(rows: pd.DataFrame) -> pd.DataFrame:
    """The timeline with arrivals as a rate: those since the sample before, at the first sample
    those until the next."""
    times_s = np.unique(rows["time_s"].to_numpy(dtype=float))
    if times_s.size < 2:
        return rows.assign(arrivals=0.0)
    since_s = dict(zip(times_s[1:], np.diff(times_s), strict=True))
    rate = rows["arrivals"] / rows["time_s"].map(since_s)
    return rows.assign(arrivals=rate.bfill())


def timeline(rows: pd.DataFrame, shown: Shown, incidents: pd.DataFrame) -> list[Panel]:
    """A panel per column of the timeline: median and middle 90 % of the periods at each instant,
    the median period and the worst one, whose incidents are shaded; the faults of all periods are
    ticks below the replicas.

    rows: replication, time_s and the columns of NAMES, arrivals per second; incidents: columns
    replication, fault, begin_s, end_s (NaN: not repaired)."""
    return [column_panel(rows, column, shown, incidents) for column in NAMES]


def column_panel(rows: pd.DataFrame, column: str, shown: Shown, incidents: pd.DataFrame) -> Panel:
    last_s = float(rows["time_s"].max())
    unit, per_unit_s = time_unit(last_s)
    most = text_of(column, float(rows[column].max()))
    least = text_of(column, float(rows[column].min()))
    title = f"{NAMES[column]}: {least} to {most} in all periods"
    own_faults = incidents[incidents["replication"] == shown.worst]
    figure, axes = blank(
        title, MEANINGS[column], f"time in the period ({unit})", height_in=2.75,
        legend_rows=2 if len(incidents) else 1,
    )  # fmt: skip
    spread = rows.groupby("time_s")[column].quantile(np.array([0.05, 0.5, 0.95])).unstack()
    x = spread.index.to_numpy(dtype=float) / per_unit_s
    axes.fill_between(
        x, spread[0.05], spread[0.95], color=BLUE, alpha=0.2, linewidth=0, label="9 of 10 periods"
    )
    looks = ((shown.median, GREEN, "median period"), (shown.worst, VERMILLION, "worst period"))
    for replication, colour, name in looks:
        if replication is not None:
            own = rows[rows["replication"] == replication]
            axes.plot(
                own["time_s"] / per_unit_s, own[column], color=colour, linewidth=1.0,
                label=f"{name} ({replication})",
            )  # fmt: skip
    # Whichever period the reader chooses fits in.
    axes.set_ylim(0, max(float(rows[column].max()), 0.01 if column == "kv_used" else 1.0) * 1.06)
    if column == "kv_used":
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
    else:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    shade(axes, own_faults, per_unit_s, last_s)
    if column == "replicas_up":
        name_faults(axes, own_faults, per_unit_s, last_s)
        mark_faults(axes, incidents, per_unit_s)
    put_legend(figure, 3)
    return Panel(
        f"timeline_{column}",
        figure,
        alt=f"{title} ({MEANINGS[column]}), over {x[-1]:.3g} {unit}.",
        caption="",
        marks=instant_marks(spread, rows, column, shown, per_unit_s, unit),
        zooms=True,
        column=column,
    )


def time_unit(last_s: float) -> tuple[str, float]:
    """
    >>> time_unit(300.0), time_unit(86400.0)
    (('s', 1.0), ('h', 3600.0))
    """
    if last_s <= 600.0:
        return "s", 1.0
    return ("min", 60.0) if last_s <= 3 * 3600.0 else ("h", 3600.0)


def text_of(column: str, value: float) -> str:
    """
    >>> text_of("kv_used", 0.1234), text_of("arrivals", 59.96), text_of("waiting", 3.0)
    ('12.3%', '60/s', '3')
    """
    if column == "kv_used":
        return percent(round(value, 3))
    return f"{number(value)}/s" if column == "arrivals" else number(value)


def instant_marks(
    spread: pd.DataFrame, rows: pd.DataFrame, column: str, shown: Shown, per_unit_s: float,
    unit: str,
) -> list[Mark]:  # fmt: skip
    """What each instant was like."""
    singles = {
        name: rows[rows["replication"] == replication].set_index("time_s")[column]
        for name, replication in (("median period", shown.median), ("worst period", shown.worst))
        if replication is not None
    }
    marks = []
    for time_s in instants(spread.index.to_numpy(dtype=float)):
        low, high = spread.loc[time_s, [0.05, 0.95]].tolist()
        lines = [
            f"at {time_s / per_unit_s:.4g} {unit}",
            f"9 of 10 periods: {text_of(column, low)} to {text_of(column, high)}",
        ]
        lines += [
            f"{name}: {text_of(column, float(own[time_s]))}"
            for name, own in singles.items()
            if time_s in own.index
        ]
        marks.append(Mark(time_s / per_unit_s, None, "\n".join(lines)))
    return marks


def instants(times_s: np.ndarray) -> np.ndarray:
    """At most INSTANTS_MAX of the samples, evenly."""
    return np.asarray(times_s[:: -(-times_s.size // INSTANTS_MAX)])


def shade(axes: Axes, incidents: pd.DataFrame, per_unit_s: float, last_s: float) -> None:
    """From each fault to its repair, or to the end of the period."""
    begins_s = incidents["begin_s"].clip(lower=0.0)
    ends_s = incidents["end_s"].fillna(last_s).clip(upper=last_s)
    for index, (begin_s, end_s) in enumerate(zip(begins_s, ends_s, strict=True)):
        label = "" if index else "its faults, until repaired"
        axes.axvspan(
            begin_s / per_unit_s, end_s / per_unit_s, color=ORANGE, alpha=0.18, linewidth=0,
            label=label,
        )  # fmt: skip
        axes.axvline(begin_s / per_unit_s, color=ORANGE, linewidth=0.8)


def name_faults(axes: Axes, incidents: pd.DataFrame, per_unit_s: float, last_s: float) -> None:
    """Along the lines where they begin; one close behind another stands higher."""
    if len(incidents) > LABELLED_MAX:
        return
    before, high = -last_s, False
    begins_s = incidents["begin_s"].clip(lower=0.0)
    for begin_s, fault in zip(begins_s, incidents["fault"], strict=True):
        high = not high and begin_s - before < CLOSE * last_s
        before = begin_s
        axes.annotate(
            fault, (begin_s / per_unit_s, 0.35 if high else 0.04), (3, 0),
            xycoords=("data", "axes fraction"), textcoords="offset points", rotation=90,
            fontsize=7.5, color=INK,
        )  # fmt: skip


def mark_faults(axes: Axes, incidents: pd.DataFrame, per_unit_s: float) -> None:
    """A tick at the foot of the panel for each fault of any period that began in it."""
    begins_s = incidents["begin_s"][incidents["begin_s"] >= 0].to_numpy(dtype=float)
    if begins_s.size:
        axes.plot(
            begins_s / per_unit_s, np.full(begins_s.size, 0.012), "|", color=INK, markersize=6,
            transform=axes.get_xaxis_transform(), label="faults of all periods",
        )  # fmt: skip


# --- every period at once ------------------------------------------------------------------------


def heat_map(rows: pd.DataFrame, order: list[int], broken: set[int]) -> Panel:
    """Requests waiting in every period: time goes right, a row is a period, the worst on top.

    order: replications, the worst first; broken: those that broke an objective."""
    last_s = float(rows["time_s"].max())
    unit, per_unit_s = time_unit(last_s)
    table = rows.pivot(index="replication", columns="time_s", values="waiting").reindex(order)
    most = rows.groupby("replication")["waiting"].max()
    title = f"Every period, the worst on top: at most {number(float(most.max()))} waiting"
    height_in = min(2.2 + 0.03 * len(order), 4.6)
    figure, axes = blank(
        title, "periods; colour: requests waiting", f"time in the period ({unit})",
        height_in=height_in,
    )  # fmt: skip
    ceiling = max(float(most.max()), 1.0)
    image = axes.imshow(
        table.to_numpy(dtype=float), aspect="auto", cmap="cividis", interpolation="nearest",
        vmin=0.0, vmax=ceiling, extent=(0.0, last_s / per_unit_s, len(order), 0.0),
    )  # fmt: skip
    bar = figure.colorbar(
        image, cax=axes.inset_axes((0.78, 1.025, 0.16, 0.03)), orientation="horizontal"
    )
    bar.set_ticks([])
    for x, text, side in ((0.77, "0", "right"), (0.95, number(ceiling), "left")):
        axes.text(x, 1.04, text, transform=axes.transAxes, ha=side, va="center", fontsize=8.0)
    axes.grid(visible=False)
    axes.set_yticks([])
    if broken:
        axes.axhline(len(broken), color=LIGHT, linewidth=1.0, linestyle="--")
    return Panel(
        "heat_map",
        figure,
        alt=f"{title}; {len(broken)} of {counted(len(order), 'period')} broke an objective.",
        caption="One row per period, dark where no request waits. Vertical stripes are traffic "
        "that all periods share, single bright streaks are one period's bad luck."
        + (" Above the dashed line: periods that broke an objective." if broken else ""),
        marks=[
            Mark(
                None, row + 0.5,
                f"replication {replication}: {'broken' if replication in broken else 'kept'}\n"
                f"at most {number(float(most[replication]))} waiting",
                replication,
            )
            for row, replication in enumerate(order)
        ],
    )  # fmt: skip
