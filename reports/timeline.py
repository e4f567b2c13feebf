"""The figure of what happens inside a period: queue, batch, KV cache, replicas, and faults."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports.image import BLUE, BROAD, INK, ORANGE, VERMILLION
from reports.tables import counted, percent

NAMES = {
    "waiting": "requests waiting (whole fleet)",
    "running": "requests running (whole fleet)",
    "kv_used": "KV cache in use (share of live pools)",
    "replicas_up": "replicas up",
}
LABELLED_MAX = 6
"""With more incidents than that their names would cover each other."""
CLOSE = 0.03
"""Of the period: names of faults nearer than that would."""


def timeline(
    rows: pd.DataFrame, worst: int | None, horizon_text: str, incidents: pd.DataFrame
) -> Figure:
    """Queue, batch, KV cache and replicas over the period: median, 5..95 % and the worst period,
    whose incidents are shaded; those of all periods are ticks below the replicas.

    incidents: columns replication, fault, begin_s, end_s (NaN: not repaired)."""
    figure = Figure(figsize=BROAD, layout="constrained")
    panels = figure.subplots(2, 2, sharex=True).flat
    long = rows["time_s"].max() > 600.0
    unit, per_unit_s = ("min", 60.0) if long else ("s", 1.0)
    for axes, (column, name) in zip(panels, NAMES.items(), strict=True):
        spread = rows.groupby("time_s")[column].quantile(np.array([0.05, 0.5, 0.95])).unstack()
        x = spread.index.to_numpy(dtype=float) / per_unit_s
        axes.fill_between(
            x, spread[0.05], spread[0.95], color=BLUE, alpha=0.2, linewidth=0,
            label="9 of 10 periods",
        )  # fmt: skip
        axes.plot(x, spread[0.5], color=BLUE, label="median period")
        if worst is not None:
            own = rows[rows["replication"] == worst]
            axes.plot(
                own["time_s"] / per_unit_s, own[column], color=VERMILLION, linewidth=0.9,
                label=f"worst period (replication {worst})",
            )  # fmt: skip
        axes.set_title(name)
        axes.update_datalim([(0.0, 0.0), (0.0, 1.0 if column != "kv_used" else 0.01)])
        axes.autoscale_view()
        axes.set_ylim(0, axes.get_ylim()[1] * 1.04)
        if column == "kv_used":
            axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
        else:
            axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    last_s = float(rows["time_s"].max())
    for axes in figure.axes:
        shade(axes, incidents[incidents["replication"] == worst], per_unit_s, last_s)
    mark(figure.axes[-1], incidents, per_unit_s)
    for axes in figure.axes[2:]:
        axes.set_xlabel(f"time in the period ({unit})")
    handles, labels = figure.axes[-1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5)
    waiting = counted(int(rows["waiting"].max()), "request")
    title = f"Inside a period of {horizon_text}: at most {waiting} seen waiting, KV cache at most "
    figure.suptitle(f"{title}{rows['kv_used'].max():.0%} full", x=0.01, ha="left")
    return figure


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
    if axes.get_title(loc="left") == NAMES["replicas_up"] and len(incidents) <= LABELLED_MAX:
        name_faults(axes, begins_s / per_unit_s, incidents["fault"], last_s / per_unit_s)


def name_faults(axes: Axes, begins: pd.Series, faults: pd.Series, last: float) -> None:
    """Along the lines where they begin; one close behind another stands higher."""
    before, high = -last, False
    for begin, fault in zip(begins, faults, strict=True):
        high = not high and begin - before < CLOSE * last
        before = begin
        axes.annotate(
            fault, (begin, 0.35 if high else 0.04), (3, 0), xycoords=("data", "axes fraction"),
            textcoords="offset points", rotation=90, fontsize=7.5, color=INK,
        )  # fmt: skip


def mark(axes: Axes, incidents: pd.DataFrame, per_unit_s: float) -> None:
    """A tick at the foot of the panel for each fault of any period that began in it."""
    begins_s = incidents["begin_s"][incidents["begin_s"] >= 0].to_numpy(dtype=float)
    if begins_s.size:
        axes.plot(
            begins_s / per_unit_s, np.full(begins_s.size, 0.012), "|", color=INK, markersize=6,
            transform=axes.get_xaxis_transform(), label="faults of all periods",
        )  # fmt: skip
