"""The picture of a trace: its rate, how it varies, how long requests are. Draw inside
`image.house_style()`."""

from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from calibration.traffic.figures.traffic import TrafficFigures
from reports.image import BLUE, GREY, ORANGE, VERMILLION
from reports.tables import counted
from reports.trace_lines import duration

SIZE = (9.6, 6.6)
HOUR_S, DAY_S = 3600.0, 86_400.0


def trace_picture(name: str, found: TrafficFigures) -> Figure:
    """Rate over time, dispersion by scale, gaps, lengths."""
    figure = Figure(figsize=SIZE, layout="constrained")
    panels = figure.subplots(2, 2)
    draw_rate(panels[0, 0], found)
    draw_dispersion(panels[0, 1], found)
    draw_gaps(panels[1, 0], found)
    draw_lengths(panels[1, 1], found)
    figure.suptitle(f"{name}: {counted(found.requests, 'request')}")
    return figure


def needs_arrivals(draw: Callable[[Axes, TrafficFigures], None]) -> Callable[..., None]:
    """A panel that says so where there are no arrivals on one clock."""

    def draw_or_say(axes: Axes, found: TrafficFigures) -> None:
        draw(axes, found)
        if found.arrivals is None:
            axes.set_axis_off()
            axes.text(
                0.5, 0.5, "no arrivals on one clock", transform=axes.transAxes, ha="center",
                color=GREY,
            )  # fmt: skip

    return draw_or_say


@needs_arrivals
def draw_rate(axes: Axes, found: TrafficFigures) -> None:
    axes.set_title("Rate")
    axes.set_ylabel("requests per second")
    if found.arrivals is None:
        return
    starts_s, rates = found.curves.rate
    unit, unit_s = time_unit(found.span_s)
    axes.step(starts_s / unit_s, rates, where="post", color=BLUE, linewidth=1.2)
    axes.set_ylim(bottom=0)
    width = f" (bins of {duration(starts_s[1] - starts_s[0])})" if starts_s.size > 1 else ""
    axes.set_xlabel(f"{unit} since the first request{width}")


def time_unit(span_s: float) -> tuple[str, float]:
    if span_s >= 2 * DAY_S:
        return "days", DAY_S
    return ("hours", HOUR_S) if span_s >= 3 * HOUR_S else ("seconds", 1.0)


@needs_arrivals
def draw_dispersion(axes: Axes, found: TrafficFigures) -> None:
    axes.set_title("Index of dispersion")
    axes.set_xlabel("length of the bins, seconds")
    axes.set_ylabel("variance / mean of counts")
    if found.arrivals is None or not found.arrivals.dispersion:
        return
    scales_s, indices = zip(*found.arrivals.dispersion, strict=True)
    axes.axhline(1.0, color=GREY, linestyle="--", linewidth=1.2, label="Poisson")
    axes.plot(scales_s, indices, "o-", color=BLUE, markersize=5)
    axes.set_xscale("log")
    if min(indices) > 0:
        axes.set_yscale("log")
    axes.legend()


@needs_arrivals
def draw_gaps(axes: Axes, found: TrafficFigures) -> None:
    axes.set_title("Gaps between requests")
    axes.set_xlabel("seconds")
    axes.set_ylabel("share of gaps that are longer")
    seconds, beyond = found.curves.gaps
    if found.arrivals is None or not seconds.size:
        return
    axes.plot(seconds, beyond, color=VERMILLION)
    axes.set_xscale("log")
    axes.set_yscale("log")


def draw_lengths(axes: Axes, found: TrafficFigures) -> None:
    axes.set_title("Lengths")
    sides = (("input", found.curves.input_tokens, BLUE), ("output", found.curves.output_tokens,
             ORANGE))  # fmt: skip
    for label, (tokens, shares), colour in sides:
        axes.step([tokens[0], *tokens], [0.0, *shares], where="post", color=colour, label=label)
    axes.set_xscale("log")
    axes.set_ylim(0, 1.02)
    axes.set_xlabel("tokens")
    axes.set_ylabel("share of requests up to that")
    axes.legend()
