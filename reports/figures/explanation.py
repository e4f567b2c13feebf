"""The pictures of an explanation: what the answer hangs on, and what each size promises for its
price."""

from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter

from reports.figures.panel import Mark, Panel, blank, put_legend
from reports.image import BLUE, GREEN, GREY, INK, ORANGE
from reports.tables import counted, percent, usd

Data = dict[str, Any]

USED_MAX = 2.0
"""Bars end here: far beyond the limit is far enough."""


def tornado(data: Data) -> Panel:
    """How much of the tightest objective's allowance the median period uses with each input a step
    smaller and larger, the heaviest on top."""
    sensitivity = data["explanation"]["sensitivity"]
    inputs = sensitivity["inputs"][::-1]
    fleet, step = counted(data["fleet"]["replicas"], "replica"), percent(sensitivity["step"])
    verb = "hangs" if data["fleet"]["replicas"] == 1 else "hang"
    title = f"What {fleet} {verb} on: each input {step} smaller and larger"
    figure, axes = blank(
        title, "", "allowance of the tightest objective that the median period uses",
        height_in=1.1 + 0.27 * len(inputs), legend_rows=1, left_in=1.75,
    )  # fmt: skip
    base = used(sensitivity["as_it_is"])
    at = np.arange(len(inputs))
    for side, colour, sign in (("less", BLUE, "-"), ("more", ORANGE, "+")):
        reach = np.array([used(one[side]) - base for one in inputs])
        axes.barh(at, reach, left=base, color=colour, height=0.62, label=f"{sign}{step}")
    axes.axvline(base, color=GREY, linewidth=1.0)
    axes.axvline(1.0, color=INK, linestyle="--", linewidth=1.2)
    axes.annotate(
        "limit", (1.0, 0.0), xycoords=("data", "axes fraction"), xytext=(3, 4),
        textcoords="offset points", fontsize=8.0,
    )  # fmt: skip
    axes.set_yticks(at, [one["input"] for one in inputs])
    axes.set_xlim(left=0.0)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: percent(x)))
    put_legend(figure, 2)
    heaviest = inputs[-1]["input"] if inputs else "nothing"
    return Panel(
        "tornado",
        figure,
        alt=f"{title}. The heaviest: {heaviest}.",
        caption="The chosen fleet on the same periods, with one input smaller or larger. Beyond "
        "the dashed line the median period breaks an objective.",
        marks=[Mark(None, float(y), lever_text(one, step)) for y, one in enumerate(inputs)],
    )


def used(side: Data) -> float:
    """Within what is drawn; a period that never came to its end is at the edge."""
    return USED_MAX if side["used"] is None else min(float(side["used"]), USED_MAX)


def lever_text(one: Data, step: str) -> str:
    sides = [
        f"{sign}{step}: {side_text(one[side])}" for side, sign in (("less", "-"), ("more", "+"))
    ]
    return "\n".join([one["input"], *sides])


def side_text(side: Data) -> str:
    """
    >>> side_text({"kept": 4, "runs": 20, "used": 1.234})
    '4 of 20 periods kept, 123.4% used'
    >>> side_text({"kept": 0, "runs": 2, "used": None})
    '0 of 2 periods kept, more used than is shown'
    """
    share = "more" if side["used"] is None else percent(round(side["used"], 3))
    beyond = " than is shown" if side["used"] is None else ""
    return f"{side['kept']} of {side['runs']} periods kept, {share} used{beyond}"


def frontier(data: Data) -> Panel | None:
    """P(SLA) of the chosen size and its neighbours against what they cost; None without prices."""
    points = [p for p in data["explanation"]["frontier"] if p["usd_per_month"] is not None]
    if len(points) < 2:
        return None
    title = "What more money buys: the risk of the neighbouring sizes"
    figure, axes = blank(title, "periods that keep the SLA", "USD per month")
    promised, chosen = data["certificate"]["probability"], data["fleet"]["replicas"]
    x = np.array([point["usd_per_month"] for point in points])
    kept = np.array([point["kept"] / point["runs"] for point in points])
    low, high = np.array([point["interval"] for point in points]).T
    reach = np.maximum([kept - low, high - kept], 0.0)
    axes.axhline(promised, color=INK, linestyle="--", linewidth=1.2)
    axes.errorbar(
        x, kept, reach, fmt="o-", color=GREY, markersize=5, capsize=4, elinewidth=2.0,
        linewidth=1.0, clip_on=False,
    )  # fmt: skip
    for point, cost, share in zip(points, x, kept, strict=True):
        answer = point["replicas"] == chosen
        axes.plot(
            [cost], [share], "o", color=GREEN if answer else GREY, markersize=8 if answer else 6,
            clip_on=False, zorder=3,
        )  # fmt: skip
        axes.annotate(
            str(point["replicas"]), (cost, share), (0, 7), textcoords="offset points",
            ha="center", fontsize=8.5, fontweight="bold" if answer else "normal",
        )  # fmt: skip
    axes.annotate(
        f"promised {percent(promised)}", (0.0, promised), xycoords=("axes fraction", "data"),
        xytext=(4, -10), textcoords="offset points", fontsize=8.0,
    )  # fmt: skip
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: percent(y)))
    axes.margins(x=0.12)
    axes.set_ylim(top=1.0 + 0.12 * (1.0 - axes.get_ylim()[0]))
    texts = [point_text(point) for point in points]
    return Panel(
        "frontier",
        figure,
        alt=f"{title}. {'. '.join(texts)}.".replace("\n", ", "),
        caption="Numbers are replicas, the green one is the answer. All sizes on the periods of "
        "the certificate; bars are confidence sequences. A period that a smaller fleet kept is "
        "taken to be kept by a larger one, where the router allows it.",
        marks=[
            Mark(float(cost), float(share), text)
            for cost, share, text in zip(x, kept, texts, strict=True)
        ],
    )


def point_text(point: Data) -> str:
    low, high = point["interval"]
    return (
        f"{counted(point['replicas'], 'replica')}: {usd(point['usd_per_month'], 0)}/month\n"
        f"{point['kept']} of {point['runs']} periods kept, "
        f"P(SLA) in {percent(round(low, 4))} to {percent(round(high, 4))}"
    )
