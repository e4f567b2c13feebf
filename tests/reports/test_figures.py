"""The pictures show every period and every request, say what they measure, and tell what is there
to who points at them."""

import re
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.figure import Figure

from reports.figures import inside, p_sla, periods
from reports.figures.latency import Counts, latency
from reports.figures.panel import POINTS_PER_INCH, Panel, as_data, blank
from reports.figures.recovery import around, recovery
from reports.folder import (
    broken_counts,
    broken_periods,
    period_values,
    read_results,
    used_share,
)
from reports.image import house_style, inline_svg, on_page, svg
from reports.panels import course_data, median_of, panels_of, worst_first
from reports.tables import shown
from scenarios.objectives import parse_objective
from tests.reports.conftest import PERIODS, make_run

TTFT, ERRORS = parse_objective("ttft p95 <= 500ms"), parse_objective("error_rate <= 0.1%")
GOODPUT = parse_objective("goodput >= 99%")
COUNTS = pd.DataFrame({"time_s": [1.0, 2.0, 3.0, np.inf], "count": [1, 1, 1, 1]})


def all_panels(write_folder: Any) -> dict[str, Panel]:
    results = read_results(write_folder())
    found = panels_of(results, period_values(results))
    return {panel.name: panel for section in found.values() for panel in section}


def test_every_picture_says_what_it_shows_and_measures(write_folder: Any) -> None:
    panels = all_panels(write_folder)
    assert {"p_sla", "latency_ttft", "periods_0", "timeline_waiting", "heat_map"} <= set(panels)
    assert "recovery" in panels
    for name, panel in panels.items():
        assert panel.figure.texts[0].get_text(), name
        assert panel.alt.startswith(panel.figure.texts[0].get_text()[:12]), name
        assert re.search(r"\((ms|s|min|%|replicas)\)", panel.axes.get_xlabel()), name
        assert panel.marks, name


def test_marks_are_where_the_picture_has_them(write_folder: Any) -> None:
    """Every mark lies inside the axes' box of the drawing, and at its datum."""
    for name, panel in all_panels(write_folder).items():
        data = as_data(panel)
        left, top, right, bottom = data["box"]
        width, height = panel.figure.get_size_inches() * POINTS_PER_INCH
        assert 0 < left < right < width and 0 < top < bottom < height, name
        for x, y, *_ in data["marks"]:
            assert x is None or left - 1 <= x <= right + 1, name
            assert y is None or top - 1 <= y <= bottom + 1, name


def test_a_linear_mark_is_at_its_place() -> None:
    figure, axes = blank("title", "up", "right")
    axes.set(xlim=(0, 10), ylim=(0, 2))
    with house_style():
        panel = Panel("a", figure, "title", "", [inside.Mark(5.0, 0.5, "here", 3)])
        data = as_data(panel)
    left, top, right, bottom = data["box"]
    (mark,) = data["marks"]
    assert mark[0] == pytest.approx((left + right) / 2, abs=0.1)
    assert mark[1] == pytest.approx(bottom - (bottom - top) / 4, abs=0.1)
    assert mark[2:] == ["here", 3]


def test_p_sla_shows_every_size_and_the_promise(write_folder: Any) -> None:
    panel = p_sla.p_sla(read_results(write_folder()).answer)
    lines = panel.axes.get_lines()
    at = {float(x) for line in lines for x in np.atleast_1d(line.get_xdata())}
    assert {1.0, 2.0, 3.0} <= at
    assert any(list(line.get_ydata()) == [0.95, 0.95] for line in lines)
    assert panel.axes.get_ylim()[0] <= 0.3
    assert "2 replicas: undecided, 6 of 8 periods kept, P(SLA) in 30% to 97%" in panel.alt


@pytest.mark.parametrize("sizes", [0, 1, 12])
def test_p_sla_draws_any_number_of_sizes(write_folder: Any, sizes: int) -> None:
    plan = read_results(write_folder()).answer
    size = plan["sizes"][0] | {"status": "rejected", "interval": [0.0, 0.4]}
    plan["sizes"] = [size | {"replicas": 1 + i} for i in range(sizes)]
    plan["fleet"]["replicas"] = plan["one_fewer"] = None
    panel = p_sla.p_sla(plan)
    assert panel.figure.texts[0].get_text() == "No fleet of up to 16 replicas is certified"


# --- latency -------------------------------------------------------------------------------------


def test_share_slower_counts_what_is_above() -> None:
    grid = np.array([0.5, 1.0, 3.0, 9.0])
    assert Counts(COUNTS).slower(grid).tolist() == [1.0, 0.75, 0.25, 0.25]


@given(times=st.lists(st.integers(1, 20), min_size=1, max_size=60), percent=st.integers(1, 99))
def test_the_time_that_a_share_keeps_is_that_of_objectives(times: list[int], percent: int) -> None:
    """At most floor((1 - share) n) are slower, and at any shorter time more are."""
    rows = pd.Series(times).value_counts().rename_axis("time_s").rename("count").reset_index()
    share = Fraction(percent, 100)
    within = Counts(rows).within_s(share)
    allowed = len(times) * (100 - percent) // 100
    assert sum(time > within for time in times) <= allowed
    assert sum(time >= within for time in times) > allowed


def test_a_request_that_never_completes_keeps_the_curve_up(write_folder: Any) -> None:
    """2 of 320 requests are lost: the pooled curve ends at 2/320, not at zero."""
    axes = all_panels(write_folder)["latency_ttft"].axes
    pooled = next(line for line in axes.get_lines() if line.get_label() == "all requests")
    assert pooled.get_ydata()[-1] == pytest.approx(2 / 320)


def test_groups_have_curves_and_so_have_classes_of_several_groups() -> None:
    rows = pd.DataFrame({"replication": 0, "metric": "ttft", "time_s": [0.1, 0.2, 0.3], "count": 5})
    rows["group"] = ["a", "b", "c"]
    (panel,) = latency(rows, {"a": "gold", "b": "gold", "c": "free"}, [TTFT])
    named = [line.get_label() for line in panel.axes.get_lines()]
    assert named[:5] == ["all requests", "group a", "group b", "group c", "class gold"]
    assert "class gold: 50%" in panel.marks[0].text.replace("100%", "50%")


def test_nothing_completed_still_draws() -> None:
    never = {"replication": [0, 0], "metric": "ttft", "group": "a", "time_s": np.inf, "count": 1}
    (panel,) = latency(pd.DataFrame(never), {"a": ""}, [TTFT])
    assert panel.figure.texts[0].get_text() == "TTFT: 95% of requests within never"
    assert panel.marks[0].text.splitlines()[1] == "all: 100%"


# --- periods -------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=15, deadline=None)
@given(
    values=st.lists(st.floats(0, 1), min_size=1, max_size=40),
    never=st.integers(0, 3),
    objective=st.sampled_from([TTFT, ERRORS, GOODPUT, parse_objective("error_rate <= 0%")]),
)
def test_the_histogram_loses_no_period(values: list[float], never: int, objective: Any) -> None:
    """Every period is in some bar, however far out it is, and told by a mark."""
    column = pd.Series(values + [np.inf] * (never if objective.is_latency else 0))
    panel = periods.period_panel(0, column, objective)
    assert sum(bar.get_height() for bar in panel.axes.patches) == column.size
    told = [re.search(r": ([\d,]+) periods?\n", mark.text) for mark in panel.marks]
    assert sum(int(one[1]) for one in told if one) == column.size
    low, high = panel.axes.get_xlim()
    assert low <= objective.limit <= high


def test_values_of_periods_are_those_of_the_planner(write_folder: Any) -> None:
    results = read_results(write_folder())
    values = period_values(results)
    assert set(values.columns) >= {TTFT.text, ERRORS.text}
    assert values[ERRORS.text].tolist() == [2 / 40] + [0.0] * 7
    # p95 of 40 requests: at most two may be slower.
    assert values[TTFT.text][3] == np.sort(make_run(3).ttft_s)[-3]
    assert broken_counts(values, [TTFT, ERRORS])[ERRORS.text] == 1
    assert broken_periods(values, [TTFT, ERRORS]) == {0}
    assert worst_first(results, values)[0] == 0


def test_used_share_is_one_at_the_limit() -> None:
    assert used_share(0.5, TTFT) == 1.0
    assert used_share(0.98, GOODPUT) == pytest.approx(2.0)
    assert used_share(0.0, parse_objective("error_rate <= 0%")) == 0.0
    assert used_share(0.1, parse_objective("error_rate <= 0%")) == np.inf


# --- inside a period -----------------------------------------------------------------------------


def test_arrivals_become_a_rate() -> None:
    rows = pd.DataFrame({"time_s": [0.0, 2.0, 4.0], "arrivals": [0, 10, 30]})
    assert inside.per_second(rows)["arrivals"].tolist() == [5.0, 5.0, 15.0]


def test_the_timeline_shades_the_worst_period_and_marks_all(write_folder: Any) -> None:
    results = read_results(write_folder())

    def drawn(worst: int) -> Any:
        panels = inside.timeline(results.timeline, inside.Shown(1, worst), results.incidents)
        return panels[-1].axes

    shaded, plain = drawn(4), drawn(3)
    spans = [patch.get_extents().transformed(shaded.transData.inverted()) for patch in
             shaded.patches]  # fmt: skip
    assert [(round(s.x0), round(s.x1)) for s in spans] == [(60, 110), (120, 180)]
    assert [text.get_text() for text in shaded.texts] == ["replica", "replica"]
    assert not plain.patches and not plain.texts
    for axes in (shaded, plain):
        (ticks,) = (line for line in axes.get_lines() if line.get_marker() == "|")
        assert list(ticks.get_xdata()) == [60, 120]


def test_the_queue_around_a_fault_is_aligned_with_it() -> None:
    rows = pd.DataFrame({"replication": 0, "time_s": np.arange(0.0, 101.0), "waiting": 0.0})
    rows.loc[rows["time_s"] >= 40, "waiting"] = 7.0
    struck = pd.DataFrame(
        {"replication": [0], "begin_s": [40.0], "end_s": [60.0], "replicas": [[1]]}
    )
    curves, lags_s = around(rows, struck, 100.0)
    assert curves[0][lags_s < 0].max() == 0.0 and curves[0][lags_s >= 0].min() == 7.0
    late = struck.assign(begin_s=90.0)
    assert np.isnan(around(rows, late, 100.0)[0][0][lags_s > 10.5]).all()
    assert recovery(rows, struck[:0]) is None


def test_the_course_of_every_period_can_be_chosen(write_folder: Any) -> None:
    results = read_results(write_folder())
    values = period_values(results)
    order = worst_first(results, values)
    assert sorted(order) == list(range(PERIODS)) and order[0] == 0  # two requests were lost
    assert median_of(order) == order[4] and median_of([3]) is None
    course = course_data(results, values)
    assert course is not None and course["replications"] == order
    assert course["labels"][0] == "0: broken, the worst"
    at = order.index(4)
    assert course["facts"][at].endswith("faults: replica at 60 s, replica at 120 s")
    assert f"{TTFT.text}: {shown('ttft', values[TTFT.text][4])}" in course["facts"][at]
    up = course["series"]["replicas_up"][at]
    assert up[0] == 3 and up[-1] == 2 and len(up) == len(course["times"]) == 13


# --- drawing -------------------------------------------------------------------------------------


def test_an_svg_is_named_by_its_title() -> None:
    figure = Figure()
    figure.add_subplot().axis("off")
    figure.suptitle('"a" < b')
    assert 'aria-label="&quot;a&quot; &lt; b"' in inline_svg(figure, "a")


def test_a_drawing_takes_the_colours_of_its_page() -> None:
    with house_style():
        figure, axes = blank("title", "up", "right")
        axes.plot([0, 1], [0, 1], color="#0072B2")
        drawing = svg(figure, "a")
    assert "#0072b2" in drawing and 'id="axis-x"' in drawing
    shown_on_page = on_page(drawing, "alt")
    assert "var(--blue)" in shown_on_page and "#0072b2" not in shown_on_page
    assert 'class="axis-x"' in shown_on_page and shown_on_page.startswith("<svg viewBox")
