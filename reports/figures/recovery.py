"""The picture of recovery: what the queue does around a fault, over all faults that struck."""

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from reports.figures.inside import time_unit
from reports.figures.panel import Mark, Panel, blank, put_legend
from reports.image import BLUE, INK, ORANGE
from reports.tables import counted, number

Floats = NDArray[np.float64]

BEFORE = 0.1
"""Of the period, drawn before the fault ..."""
AFTER = 0.5
"""... and after it."""


def recovery(rows: pd.DataFrame, incidents: pd.DataFrame) -> Panel | None:
    """Requests waiting before and after a fault: median and middle 90 % over all faults that took
    a replica and began in a period; None where none did.

    Faults are seen for as long as their period lasts, so the right part rests on fewer of them."""
    struck = incidents[(incidents["begin_s"] >= 0) & (incidents["replicas"].map(len) > 0)]
    last_s = float(rows["time_s"].max())
    if struck.empty:
        return None
    curves, lags_s = around(rows, struck, last_s)
    unit, per_unit_s = time_unit(last_s)
    seen = np.isfinite(curves).sum(axis=0)
    known = seen > 0
    low, middle, high = np.nanquantile(curves[:, known], [0.05, 0.5, 0.95], axis=0)
    x = lags_s[known] / per_unit_s
    peak = int(np.argmax(middle))
    title = (
        f"After a fault: the median queue peaks at {number(float(middle[peak]))} waiting "
        f"({counted(len(struck), 'fault')})"
    )
    figure, axes = blank(
        title, "requests waiting in the whole fleet", f"time since the fault ({unit})",
        legend_rows=1,
    )  # fmt: skip
    axes.fill_between(x, low, high, color=BLUE, alpha=0.2, linewidth=0, label="9 of 10 faults")
    axes.plot(x, middle, color=BLUE, label="median fault")
    axes.axvline(0.0, color=ORANGE, linewidth=1.4)
    repair_s = (struck["end_s"] - struck["begin_s"]).median()
    if np.isfinite(repair_s) and repair_s <= lags_s[-1]:
        axes.axvline(
            repair_s / per_unit_s, color=INK, linewidth=1.0, linestyle=":", label="median repair"
        )
    axes.set_ylim(0, max(float(high.max()), 1.0) * 1.06)
    axes.set_xlim(x[0], max(x[-1], x[0] + 1e-9))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    put_legend(figure, 3)
    return Panel(
        "recovery",
        figure,
        alt=f"{title}.",
        caption="All faults that took a replica, laid over one another at the instant they struck. "
        "One that comes late in its period is seen for less long.",
        marks=[
            Mark(
                float(at), None,
                f"{at:+.3g} {unit}\nmedian {number(float(mid))} waiting\n"
                f"9 of 10 faults: {number(float(lo))} to {number(float(hi))}\n"
                f"{counted(int(count), 'fault')} seen",
            )
            for at, mid, lo, hi, count in zip(x, middle, low, high, seen[known], strict=True)
        ],
        zooms=True,
    )  # fmt: skip


def around(
    rows: pd.DataFrame, struck: pd.DataFrame, last_s: float
) -> tuple[NDArray[np.float64], Floats]:
    """(faults, lags) requests waiting at each lag, NaN beyond the period; and the lags, seconds."""
    lags_s = np.linspace(-BEFORE * last_s, AFTER * last_s, 121)
    curves = np.full((len(struck), lags_s.size), np.nan)
    own = {replication: run for replication, run in rows.groupby("replication")}
    pairs = zip(struck["replication"], struck["begin_s"], strict=True)
    for row, (replication, begin_s) in enumerate(pairs):
        run = own[replication]
        times_s = run["time_s"].to_numpy(dtype=float)
        at_s = begin_s + lags_s
        inside = (at_s >= times_s[0]) & (at_s <= times_s[-1])
        before = np.searchsorted(times_s, at_s[inside], side="right") - 1
        curves[row, inside] = run["waiting"].to_numpy(dtype=float)[before]
    return curves, lags_s
