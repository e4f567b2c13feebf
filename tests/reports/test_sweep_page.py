"""The page and the pictures of a sweep, from data made by hand."""

import json
import re
from pathlib import Path

import pytest

from reports.image import house_style
from reports.sweep_figures import sweep_figure
from reports.sweep_lines import sweep_lines
from reports.sweep_maps import layout_of, luminance
from reports.sweep_page import write_sweep_page
from reports.sweep_table import headline, outcome, short_keys
from reports.sweep_values import quantities
from scenarios.loading import load
from simulator.estimates import share_estimate

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
        "step_time": [{"pool": "main", "origin": "given", "rests_on": "given by the scenario"}],
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


def write(folder, data):
    scenario = load(EXAMPLE).as_yaml_data()
    manifest = {"scenario": scenario, "scenario_hash": "cd" * 32, "seed": 7,
                "versions": {"python": "3"}, "asked": "fleetcast sweep chat.yaml"}  # fmt: skip
    (folder / "sweep.json").write_text(json.dumps(data))
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return write_sweep_page(folder)


def words_of(data, name="p_sla"):
    """All that stands in a picture, axis by axis."""
    quantity = next(each for each in quantities(data) if each.name == name)
    with house_style():
        figure = sweep_figure(data, quantity)
    return figure, [[text.get_text() for text in axes.texts] for axes in figure.axes]


# --- the page -------------------------------------------------------------------------------------


def test_the_page_says_what_the_data_say_and_needs_nothing_else(tmp_path):
    page = write(tmp_path, two_keys()).read_text()
    assert "6 of 8 cells kept the SLA as often as is promised" in page
    assert "The cheapest of them: replicas 4, rate 20/s, 1,000 USD/month. 1 cell cannot be." in page
    assert "replica: &lt;b&gt;too small" in page
    assert page.count("<svg") == 3 and page.count('role="img" aria-label="') == 3
    assert not re.search(r'(src|href)="(?!#|data:)', page) and len(page) < 2_500_000
    assert {path.name for path in tmp_path.glob("*.png")} == {
        "p_sla.png", "objective-1.png", "objective-2.png",
    }  # fmt: skip


def test_the_same_folder_is_the_same_page_and_nothing_of_another_sweep_stays(tmp_path):
    (tmp_path / "objective-7.png").write_bytes(b"of another sweep")
    first = write(tmp_path, two_keys()).read_bytes()
    files = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert "objective-7.png" not in files
    assert write(tmp_path, two_keys()).read_bytes() == first
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == files


# --- the pictures ---------------------------------------------------------------------------------


def test_two_keys_are_a_heat_map_whose_words_are_the_data():
    _, (words, *_) = words_of(two_keys())
    assert words[:4] == ["100%", "[83%, 100%]", "95%", "[75%, 100%]"]
    assert words[-1] == "cannot be" and words.count("15%") == 2
    _, (words, *_) = words_of(two_keys(), "objective-1")
    assert words[:6] == ["20%", "100 ms", "80%", "400 ms", "never", "never"]


def test_words_on_tiles_can_be_read():
    """WCAG: a contrast of 4.5 and more between words and their tile."""
    figure, _ = words_of(two_keys())
    tiles = iter(figure.axes[0].patches)
    centres = {}
    for tile in tiles:
        x, y = tile.get_x() + tile.get_width() / 2, tile.get_y() + tile.get_height() / 2
        centres[round(x), round(y)] = luminance(tile.get_facecolor())
    for text in figure.axes[0].texts:
        light = sorted(
            (luminance(text.get_color()), centres[tuple(map(round, text.get_position()))])
        )
        assert (light[1] + 0.05) / (light[0] + 0.05) >= 4.5


def test_three_keys_are_small_multiples_and_what_is_left_out_is_told(tmp_path):
    figure, _ = words_of(three_keys())
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["rate 20/s", "rate 30/s"]
    many = make_sweep(list(KEYS), three_keys(2)["cells"])
    layout = layout_of(many)
    assert len(layout.panels) == 2 and layout.others == ["replica.precision"]
    page = write(tmp_path, three_keys(3)).read_text()
    assert "left out" not in page


@pytest.mark.parametrize("design", ["list", "latin", "random"])
def test_other_designs_have_a_mark_per_cell_and_intervals(design):
    data = two_keys() | {"design": design}
    figure, _ = words_of(data)
    panels = 1 if design == "list" else 2
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == panels
    marks = sum(len(container.lines[0].get_xdata()) for container in shown[0].containers)
    assert marks == 8


def test_one_key_is_a_curve_at_its_numbers_and_what_is_beyond_is_named():
    cells = [
        make_cell(1, {"fleet.replicas": "2"}, None, 0),
        make_cell(2, {"fleet.replicas": "4"}, 2.0, 5),
        make_cell(3, {"fleet.replicas": "8"}, 0.3, 20),
    ]
    data = make_sweep(["fleet.replicas"], cells)
    figure, (words, *_) = words_of(data, "objective-1")
    assert words == ["never", "400%"]
    assert figure.axes[0].containers[0].lines[0].get_xdata().tolist() == [8.0]


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
