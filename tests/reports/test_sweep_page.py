"""The page and the pictures of a sweep, from data made by hand."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from reports.figures.sweep_map import colours_of, draw_tile, luminance
from reports.folder import OtherResults
from reports.sweep_lines import sweep_lines
from reports.sweep_page import write_sweep_page
from reports.sweep_panels import layout_of, sweep_panels
from reports.sweep_table import details, headline, outcome, short_keys
from reports.sweep_values import USED_MAX, Seen, quantities
from scenarios.loading import load
from simulator.estimates import share_estimate
from simulator.provenance import step_times
from simulator.tables import RESULTS_VERSION

EXAMPLE = Path(__file__).parents[2] / "scenarios" / "examples" / "chat.yaml"
TTFT, ERRORS = "ttft p95 <= 500ms", "error_rate <= 0.1%"
KEYS = {"fleet.replicas": "", "traffic.chat.arrivals.rate": "/s", "replica.precision": None}


def make_cell(number, asked, ttft_s=0.2, kept=20, runs=20):
    """A cell of 20 periods; None of TTFT: most requests never got an answer."""
    values = {
        key: text if KEYS[key] is None else float(text.removesuffix("/s"))
        for key, text in asked.items()
    }
    objective = {"value": ttft_s, "low": ttft_s, "high": None, "replications": runs}
    errors = {"value": 0.0, "low": 0.0, "high": 0.0005, "replications": runs}
    return {
        "cell": number, "asked": asked, "values": values, "fate": "simulated", "why_not": "",
        "scenario_hash": "ab" * 32, "replicas": 2, "gpus": 2, "promised": 0.95,
        "replications": runs, "kept": kept, "p_sla": share_estimate(kept, runs)._asdict(),
        "objectives": [
            {"objective": TTFT, "limit": 0.5, "used": None} | objective,
            {"objective": ERRORS, "limit": 0.001, "used": 0.0} | errors,
        ],
        "usd_per_month": 1000.0 * number,
    }  # fmt: skip


def make_impossible(number, asked):
    gone = dict.fromkeys(("scenario_hash", "replicas", "gpus", "promised", "kept", "p_sla"))
    cell = make_cell(number, asked) | gone | {"objectives": [], "usd_per_month": None}
    return cell | {"fate": "impossible", "replications": 0, "why_not": "replica: <b>too small"}


def make_sweep(keys, cells, design="grid"):
    asked = [{"key": key, "asked": "...", "unit": KEYS[key]} for key in keys]
    return {
        "name": "chat", "scenario_hash": "cd" * 32, "seed": 7, "versions": {}, "design": design,
        "keys": asked, "replications": 20, "cells": cells,
        "step_time": step_times(load(EXAMPLE)),
    }  # fmt: skip


def two_keys():
    cells = []
    for replicas in ("4", "5", "6"):
        for rate, ttft_s, kept in (("20/s", 0.1, 20), ("30/s", 0.4, 19), ("40/s", None, 3)):
            asked = {"fleet.replicas": replicas, "traffic.chat.arrivals.rate": rate}
            cells.append(make_cell(len(cells) + 1, asked, ttft_s, kept))
    cells[8] = make_impossible(9, cells[8]["asked"])
    return make_sweep(list(KEYS)[:2], cells)


def three_keys(number=3):
    cells = [
        make_cell(1, dict(zip(KEYS, (replicas, rate, f"p{precision}"), strict=True)))
        for replicas in "45"
        for rate in ("20/s", "30/s")
        for precision in range(number)
    ]
    return make_sweep(list(KEYS), cells)


def many_maps():
    """Thirteen precisions, and more of the other two keys."""
    cells = [
        make_cell(
            number, dict(zip(KEYS, (f"{number}", f"{number}/s", f"p{number % 13}"), strict=True))
        )
        for number in range(1, 16)
    ]
    return make_sweep(list(KEYS), [cell | {"objectives": []} for cell in cells])


def write(folder, data):
    scenario = load(EXAMPLE).as_yaml_data()
    manifest = {"scenario": scenario, "scenario_hash": "cd" * 32, "seed": 7,
                "versions": {"python": "3"}, "asked": "fleetcast sweep chat.yaml",
                "results_version": RESULTS_VERSION}  # fmt: skip
    (folder / "sweep.json").write_text(json.dumps(data))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return write_sweep_page(folder)


def panels(data):
    """The pictures by name."""
    return {panel.name: panel for group in sweep_panels(data) for panel in group}


def words_of(panel):
    return [text.get_text() for text in panel.axes.texts]


# --- words ---------------------------------------------------------------------------------------


def test_the_cheapest_is_named_where_all_that_varies_is_ours():
    cells = [make_cell(number, {"fleet.replicas": f"{number}"}) for number in (4, 5)]
    assert details(make_sweep(["fleet.replicas"], cells)) == (
        "The cheapest of them: replicas 4, 4,000 USD/month."
    )
    assert details(two_keys()) == "1 cell cannot be."


# --- the page -------------------------------------------------------------------------------------


def test_the_page_says_what_the_data_say_and_needs_nothing_else(tmp_path):
    page = write(tmp_path, two_keys()).read_text()
    assert "6 of 8 cells kept the SLA as often as is promised" in page
    assert "1 cell cannot be." in page
    assert "replica: &lt;b&gt;too small" in page
    assert page.count("<svg") == 3 and page.count('role="img" aria-label="') == 3
    assert not re.search(r'(src|href)="(?!#|data:)', page) and len(page) < 2_500_000
    names = {"p_sla", "objective-1", "objective-2"}
    for ending in ("png", "svg"):
        assert {path.stem for path in tmp_path.glob(f"*.{ending}")} == names


def test_a_damaged_sweep_or_one_of_another_version_is_one_message(tmp_path):
    write(tmp_path, two_keys())
    (tmp_path / "manifest.json").write_text('{"results_version": 0}')
    with pytest.raises(OtherResults, match="results of version 0"):
        write_sweep_page(tmp_path)
    (tmp_path / "sweep.json").write_text("{")
    with pytest.raises(OtherResults, match=r"sweep.json is missing or damaged"):
        write_sweep_page(tmp_path)


def test_the_same_folder_is_the_same_page_and_nothing_of_another_sweep_stays(tmp_path):
    (tmp_path / "report.html").write_text('<div data-panel="objective-7"></div>')
    (tmp_path / "objective-7.png").write_bytes(b"of another sweep")
    (tmp_path / "holiday.png").write_bytes(b"of somebody")
    write(tmp_path, two_keys())
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert "objective-7.png" not in files and "holiday.png" in files
    write(tmp_path, two_keys())
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


# --- the pictures ---------------------------------------------------------------------------------


def test_two_keys_are_a_heat_map_whose_words_are_the_data():
    drawn = panels(two_keys())
    words = words_of(drawn["p_sla"])
    assert words[:4] == ["100%", "[83%, 100%]", "95%", "[75%, 100%]"]
    assert words[-1] == "–" and words.count("15%") == 2
    words = words_of(drawn["objective-1"])
    assert words[:6] == ["20%", "100 ms", "80%", "400 ms", "never", "never"]
    tip = drawn["p_sla"].marks[1]
    assert (tip.x, tip.y) == (0, 1) and tip.text == (
        "replicas 4, rate 30/s\nP(SLA): 95%, [75%, 100%]\nttft p95 <= 500ms: 80%, 400 ms\n"
        "error_rate <= 0.1%: 0%, 0%\n2,000 USD per month"
    )
    assert drawn["p_sla"].alt == (
        "P(SLA): 15% to 100% over 8 cells, 6 of them within what is promised."
    )


@pytest.mark.parametrize("kind", ["p_sla", "used"])
def test_words_on_tiles_can_be_read(kind):
    """WCAG: a contrast of 4.5 and more between words and their tile, whatever its value."""
    quantity = next(one for one in quantities(two_keys()) if one.kind == kind)
    for value in np.linspace(0.0, USED_MAX if kind == "used" else 1.0, 41):
        axes = Figure().add_subplot()
        seen = Seen(value, value, value, "100%", "", True)
        draw_tile(axes, (0, 0), seen, colours_of(quantity), 1.0)
        shades = (axes.texts[0].get_color(), axes.patches[0].get_facecolor())
        dark, light = sorted(map(luminance, shades))
        assert (light + 0.05) / (dark + 0.05) >= 4.5


def test_three_keys_are_small_multiples_of_which_twelve_are_shown(tmp_path):
    layout = layout_of(three_keys(2))
    assert layout.others == ["replica.precision"] and layout.held == [("p0",), ("p1",)]
    drawn = panels(three_keys(2))
    assert list(drawn)[:3] == ["p_sla", "p_sla-2", "objective-1"]
    assert drawn["p_sla-2"].alt.startswith("P(SLA), precision p1: ")
    assert drawn["p_sla"].caption and not drawn["p_sla-2"].caption
    page = write(tmp_path, many_maps()).read_text()
    assert "1 more picture of each kind left out" in page
    assert len(list(tmp_path.glob("p_sla*.png"))) == 12


@pytest.mark.parametrize("design", ["list", "latin", "random"])
def test_other_designs_have_a_mark_per_cell_and_intervals(design):
    drawn = panels(two_keys() | {"design": design})
    assert len(drawn) == (3 if design == "list" else 6)
    bars = drawn["p_sla"].axes.containers
    assert sum(len(bar.lines[0].get_xdata()) for bar in bars) == 8
    assert len(drawn["p_sla"].marks) == 9


def test_one_key_is_a_curve_at_its_numbers_and_what_is_beyond_is_named():
    cells = [
        make_cell(1, {"fleet.replicas": "2"}, None, 0),
        make_cell(2, {"fleet.replicas": "4"}, 2.0, 5),
        make_cell(3, {"fleet.replicas": "8"}, 0.3, 20),
    ]
    panel = panels(make_sweep(["fleet.replicas"], cells))["objective-1"]
    assert words_of(panel) == ["never", "400%"]
    assert list(panel.axes.containers[0].lines[0].get_xdata()) == [8.0]
    assert [mark.x for mark in panel.marks] == [2.0, 4.0, 8.0]


# --- words ----------------------------------------------------------------------------------------


def test_the_table_in_the_terminal_has_a_row_per_cell():
    data = two_keys()
    lines = sweep_lines(data)
    assert lines[0] == headline(data) == "chat: 9 cells of 20 periods, every combination"
    assert lines[1].split()[:3] == ["cell", "replicas", "rate"] and len(lines) == 13
    assert "cannot be: replica: <b>too small (cell 9)" in lines[11]
    assert outcome(data) in lines[12]


def test_keys_are_shortened_as_far_as_they_differ():
    assert short_keys(["a.b", "c.b", "x.y.z"]) == ["a.b", "c.b", "z"]
    assert short_keys(["b", "c.b"]) == ["b", "c.b"]
