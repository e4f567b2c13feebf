"""The picture of a drill: TTFT, replicas and queue over time, with and without the incident. Draw
inside `image.house_style()`."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator
from numpy.typing import NDArray

from reports.drill_lines import EFFECTS
from reports.image import BLUE, GREY, INK, PALE, VERMILLION

Data = dict[str, Any]
Floats = NDArray[np.float64]

SIZE = (9.6, 7.2)
SIDES = (("without", BLUE, "without"), ("with", VERMILLION, "with the incident"))
MINUTE_S = 60.0


def drill_picture(data: Data) -> Figure:
    """TTFT p95 of the latest requests, replicas up, requests waiting."""
    figure = Figure(figsize=SIZE, layout="constrained")
    panels = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1.4, 1.6))
    draw_ttft(panels[0], data)
    draw_lines(panels[1], data["series"]["replicas_up"], "replicas up")
    draw_lines(panels[2], data["series"]["waiting"], "requests waiting")
    for axes in panels:
        mark(axes, data)
    panels[-1].set_xlabel("minutes in the period")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4)
    first = data["kills"][0]
    more = f" (and {len(data['kills']) - 1} more)" if len(data["kills"]) > 1 else ""
    title = f"{data['name']}: {first['component']} {EFFECTS[first['effect']]}{more}"
    figure.suptitle(title.replace("$", r"\$"), x=0.01, ha="left")
    return figure


def numbers(values: list[float | None]) -> Floats:
    """What JSON has as null was infinite, or nothing."""
    return np.array([np.nan if value is None else value for value in values], dtype=float)


def draw_ttft(axes: Axes, data: Data) -> None:
    """Logarithmic: an incident is a matter of factors. Where more than 5 % never get an answer the
    line is at the top."""
    line = data["series"]["ttft_p95"]
    minutes = numbers(line["time_s"]) / MINUTE_S
    finite = np.concatenate([numbers(line[side]["median"]) for side, _, _ in SIDES])
    finite = finite[np.isfinite(finite) & (finite > 0)]
    top_s = float(finite.max()) * 2.0 if finite.size else 1.0
    lost = False
    for side, colour, label in SIDES:
        low, middle, high = (numbers(line[side][key]) for key in ("low", "median", "high"))
        axes.fill_between(
            minutes, np.minimum(low, top_s), np.minimum(high, top_s), color=colour, alpha=0.18,
            linewidth=0,
        )  # fmt: skip
        axes.plot(minutes, np.minimum(middle, top_s), color=colour, label=label)
        lost |= bool(np.isinf(middle).any())
    axes.set_yscale("log")
    axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    title = "TTFT p95 of the latest requests"
    axes.set_title(title + (", at the top: more than 5 % never answered" if lost else ""))
    axes.set_ylabel("seconds")


def draw_lines(axes: Axes, line: Data, name: str) -> None:
    minutes = numbers(line["time_s"]) / MINUTE_S
    for side, colour, _ in SIDES:
        low, middle, high = (numbers(line[side][key]) for key in ("low", "median", "high"))
        axes.fill_between(minutes, low, high, color=colour, alpha=0.18, linewidth=0, step="post")
        axes.step(minutes, middle, where="post", color=colour)
    axes.set_ylim(bottom=0)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    axes.set_title(name)


def mark(axes: Axes, data: Data) -> None:
    """The time from each kill to its repair."""
    end_min = data["period_s"] / MINUTE_S
    for place, kill in enumerate(data["kills"]):
        begin = kill["at_s"] / MINUTE_S
        lasts_s = kill["lasts_s"]
        end = end_min if lasts_s is None else min(begin + lasts_s / MINUTE_S, end_min)
        axes.axvspan(begin, end, color=PALE, alpha=0.5, linewidth=0, zorder=0,
                     label="_" * bool(place) + "broken")  # fmt: skip
        axes.axvline(begin, color=INK, linewidth=1.0, linestyle="--")
    axes.set_xlim(0, end_min)
    axes.tick_params(colors=GREY)
