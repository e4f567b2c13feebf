"""The figures show every period and every request, and their axes say what they measure."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from reports import figures
from reports.folder import (
    broken_counts,
    period_values,
    read_results,
    used_share,
    worst_period,
)
from reports.image import house_style, inline_svg
from reports.latencies import latency
from reports.timeline import timeline
from scenarios.objectives import parse_objective

TTFT, ERRORS = parse_objective("ttft p95 <= 500ms"), parse_objective("error_rate <= 0.1%")
GOODPUT = parse_objective("goodput >= 99%")


def drawn(write_folder: Any, name: str) -> Figure:
    results = read_results(write_folder())
    values = period_values(results)
    with house_style():
        match name:
            case "p_sla":
                return figures.p_sla(results.plan)
            case "latency":
                return latency(results.latencies, [TTFT])
            case "timeline":
                return timeline(results.timeline, 4, "3 min", results.incidents)
            case _:
                return figures.periods(values, [TTFT, ERRORS])


@pytest.mark.parametrize("name", ["p_sla", "latency", "timeline", "periods"])
def test_figures_have_titles_and_labelled_axes(write_folder: Any, name: str) -> None:
    figure = drawn(write_folder, name)
    assert all(axes.get_title(loc="left") for axes in figure.axes)
    lowest = figure.axes[2:] if name == "timeline" else figure.axes
    units = ("(ms)", "(s)", "(%)", "(%); the", "(ms); the", "(replicas)")
    assert all(any(unit in axes.get_xlabel() for unit in units) for axes in lowest)


def test_p_sla_shows_every_size_and_the_promise(write_folder: Any) -> None:
    axes = drawn(write_folder, "p_sla").axes[0]
    shown = {float(x) for line in axes.get_lines() for x in np.atleast_1d(line.get_xdata())}
    assert {1.0, 2.0, 3.0} <= shown
    assert any(list(line.get_ydata()) == [0.95, 0.95] for line in axes.get_lines())
    assert axes.get_ylim()[0] <= 0.3


def test_a_request_that_never_completes_keeps_the_curve_up(write_folder: Any) -> None:
    """2 of 320 requests are lost: the pooled curve ends at 2/320, not at zero."""
    figure = drawn(write_folder, "latency")
    pooled = next(line for line in figure.axes[0].get_lines() if line.get_label() == "all requests")
    assert pooled.get_ydata()[-1] == pytest.approx(2 / 320)


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    never=st.integers(0, 3),
    objective=st.sampled_from([TTFT, ERRORS, GOODPUT, parse_objective("error_rate <= 0%")]),
)
def test_the_histogram_loses_no_period(values: list[float], never: int, objective: Any) -> None:
    """Every period is in some bar, however far out it is."""
    periods = np.array(values + [np.inf] * (never if objective.is_latency else 0))
    figure = Figure()
    axes = figure.add_subplot()
    figures.draw_periods(axes, periods, objective)
    assert sum(bar.get_height() for bar in axes.patches) == periods.size
    low, high = axes.get_xlim()
    assert low <= objective.limit <= high


def test_values_of_periods_are_those_of_the_planner(write_folder: Any) -> None:
    results = read_results(write_folder())
    values = period_values(results)
    assert set(values.columns) >= {TTFT.text, ERRORS.text}
    assert values[ERRORS.text].tolist() == [2 / 40] + [0.0] * 7
    bins = results.latencies.query("replication == 3 and metric == 'ttft'")
    # p95 of 40 requests: at most two may be slower.
    third = np.sort(np.repeat(bins["time_s"], bins["count"]))[-3]
    assert values[TTFT.text][3] == pytest.approx(third, rel=0.004)
    assert broken_counts(values, [TTFT, ERRORS])[ERRORS.text] == 1
    assert worst_period(values, [TTFT, ERRORS]) == 0


def test_used_share_is_one_at_the_limit() -> None:
    assert used_share(0.5, TTFT) == 1.0
    assert used_share(0.98, GOODPUT) == pytest.approx(2.0)
    assert used_share(0.0, parse_objective("error_rate <= 0%")) == 0.0
    assert used_share(0.1, parse_objective("error_rate <= 0%")) == np.inf


def test_nothing_completed_still_draws() -> None:
    bins = [{"metric": metric, "time_s": np.inf} for metric in ("ttft", "tpot", "e2e")]
    never = pd.DataFrame(bins).assign(replication=0, group="a", count=2)
    figure = latency(never, [TTFT])
    for axes in figure.axes:
        assert axes.texts[0].get_text() == "nothing completed"
    assert figure.axes[0].get_title() == "TTFT: 95% of requests within never"


def test_an_svg_is_named_by_its_title() -> None:
    figure = Figure()
    figure.add_subplot().axis("off")
    figure.suptitle('"a" < b')
    assert 'aria-label="&quot;a&quot; &lt; b"' in inline_svg(figure, "a")


@pytest.mark.parametrize("sizes", [0, 1, 12])
def test_p_sla_draws_any_number_of_sizes(write_folder: Any, sizes: int) -> None:
    plan = read_results(write_folder()).plan
    size = plan["sizes"][0] | {"status": "rejected", "interval": [0.0, 0.4]}
    plan["sizes"] = [size | {"replicas": 1 + i} for i in range(sizes)]
    plan["fleet"]["replicas"] = plan["one_fewer"] = None
    axes = figures.p_sla(plan).axes[0]
    assert axes.get_title(loc="center") == "No fleet of up to 16 replicas is certified"
