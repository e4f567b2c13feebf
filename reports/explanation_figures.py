"""Figures of an explanation: what the answer hangs on, and what each size promises for its price.
Draw inside `image.house_style()`."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from reports.image import BLUE, BROAD, GREEN, GREY, INK, NARROW, ORANGE
from reports.tables import counted, percent

Data = dict[str, Any]

USED_MAX = 2.0
"""Bars end here: far beyond the limit is far enough."""


def tornado(data: Data) -> Figure:
    """How much of the tightest objective's allowance the median period uses with each input a step
    smaller and larger, the heaviest on top."""
    sensitivity = data["explanation"]["sensitivity"]
    inputs = sensitivity["inputs"][::-1]
    figure = Figure(figsize=(BROAD[0], 1.1 + 0.36 * len(inputs)), layout="constrained")
    axes = figure.add_subplot()
    base = used(sensitivity["as_it_is"])
    step = percent(sensitivity["step"])
    at = np.arange(len(inputs))
    for side, colour, sign in (("less", BLUE, "-"), ("more", ORANGE, "+")):
        reach = np.array([used(one[side]) - base for one in inputs])
        axes.barh(at, reach, left=base, color=colour, height=0.62, label=f"{sign}{step}")
    axes.axvline(base, color=GREY, linewidth=1.0)
    axes.axvline(1.0, color=INK, linestyle="--", linewidth=1.2)
    axes.annotate(
        "limit", (1.0, 1.0), xycoords=("data", "axes fraction"), xytext=(3, -10),
        textcoords="offset points", fontsize=8.5,
    )  # fmt: skip
    axes.set_yticks(at, [one["input"] for one in inputs])
    axes.set_xlim(left=0.0)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: percent(x)))
    axes.set_xlabel("allowance of the tightest objective that the median period uses")
    axes.legend(loc="lower right")
    fleet = counted(data["fleet"]["replicas"], "replica")
    axes.set_title(f"What {fleet} hang on: each input {step} smaller and larger")
    return figure


def used(side: Data) -> float:
    """Within what is drawn; a period that never came to its end is at the edge."""
    return USED_MAX if side["used"] is None else min(float(side["used"]), USED_MAX)


def frontier(data: Data) -> Figure:
    """P(SLA) of the chosen size and its neighbours against what they cost."""
    points = [p for p in data["explanation"]["frontier"] if p["usd_per_month"] is not None]
    figure = Figure(figsize=NARROW, layout="constrained")
    axes = figure.add_subplot()
    promised, chosen = data["certificate"]["probability"], data["fleet"]["replicas"]
    x = np.array([point["usd_per_month"] for point in points])
    kept = np.array([point["kept"] / point["runs"] for point in points])
    low, high = np.array([point["interval"] for point in points]).T
    reach = np.maximum([kept - low, high - kept], 0.0)
    axes.axhline(promised, color=INK, linestyle="--", linewidth=1.2)
    axes.errorbar(
        x, kept, reach, fmt="o-", color=GREY, markersize=5, capsize=5, elinewidth=2.0,
        linewidth=1.0, clip_on=False,
    )  # fmt: skip
    for point, cost, share in zip(points, x, kept, strict=True):
        answer = point["replicas"] == chosen
        axes.plot(
            [cost], [share], "o", color=GREEN if answer else GREY, markersize=9 if answer else 6,
            clip_on=False, zorder=3,
        )  # fmt: skip
        axes.annotate(
            counted(point["replicas"], "replica"), (cost, share), (9, -30 if share > 0.5 else 10),
            textcoords="offset points", fontsize=8.5,
        )  # fmt: skip
    axes.annotate(
        f"promised {percent(promised)}", (0.0, promised), xycoords=("axes fraction", "data"),
        xytext=(4, -11), textcoords="offset points", fontsize=8.5,
    )  # fmt: skip
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
    axes.set_xlabel("USD per month")
    axes.set_ylabel("periods that keep the SLA")
    axes.margins(x=0.12)
    axes.set_title("What more money buys: P(SLA) of the neighbouring sizes")
    return figure
