"""The report in a Chromium, as people see it: alone, at once, at any width, with keys and without
JavaScript."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reports.figures.p_sla import size_text
from reports.tables import fleet_text, one_fewer_line, usd
from tests.browser import WIDTHS, Opened, chromium

pytestmark = pytest.mark.slow

PAGE_BYTES_MAX = 2_500_000
FIRST_SCREEN_PX = 600


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def report(finished: Path) -> Path:
    return finished / "report.html"


@pytest.fixture(scope="module")
def plan(finished: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((finished / "plan.json").read_text())
    return found


def test_it_opens_alone_and_complains_of_nothing(browser: Any, report: Path) -> None:
    with Opened(browser, report) as opened:
        assert opened.asked == [report.as_uri()]
        assert opened.complaints == []
    assert report.stat().st_size < PAGE_BYTES_MAX


@pytest.mark.parametrize("width", WIDTHS.values(), ids=WIDTHS.keys())
def test_the_answer_is_on_the_first_screen_at_any_width(
    browser: Any, report: Path, plan: dict[str, Any], width: int
) -> None:
    with Opened(browser, report, width) as opened:
        for text in (fleet_text(plan["fleet"]), "P(SLA) ≥ 0.95", usd(12744.0, 0) + "/month"):
            box = opened.page.get_by_text(text).first.bounding_box()
            assert box and box["y"] + box["height"] <= FIRST_SCREEN_PX, text
        wide = opened.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= width, "the page itself does not scroll sideways"


def test_its_figures_are_those_of_plan_json(
    browser: Any, report: Path, plan: dict[str, Any]
) -> None:
    with Opened(browser, report) as opened:
        text = opened.page.locator("main").inner_text()
    assert fleet_text(plan["fleet"]) in text and one_fewer_line(plan) in text
    assert plan["statement"] in text and plan["scenario_hash"] in text
    assert usd(plan["cost"]["usd_per_month"], 0) in text
    tried = re.findall(r"^(\d+)\t(\d+)\t([\d,]+)\t(\d+)\t(\d+)\t(\d+)\t", text, re.MULTILINE)
    told = [(size["replicas"], size["runs"], size["failed"]) for size in plan["sizes"]]
    assert [(int(row[0]), int(row[3]), int(row[5])) for row in tried] == told


def test_pointing_tells_what_is_there(browser: Any, report: Path, plan: dict[str, Any]) -> None:
    with Opened(browser, report) as opened:
        assert opened.tip == ""
        told = {opened.point("p_sla", 0.02 * step, 0.2) for step in range(50)}
        assert {size_text(size) for size in plan["sizes"]} <= told
        assert re.match(r"slower than .* m?s\nall: ", opened.point("latency_ttft", 0.5, 0.5))
        assert "9 of 10 periods" in opened.point("timeline_waiting", 0.5, 0.5)
        opened.page.mouse.move(1, 1)
        assert opened.tip == ""


def test_keys_do_what_the_pointer_does(browser: Any, report: Path) -> None:
    with Opened(browser, report) as opened:
        opened.plot("latency_ttft").focus()
        opened.page.keyboard.press("ArrowRight")
        first = opened.tip
        opened.page.keyboard.press("ArrowRight")
        assert first.startswith("slower than") and opened.tip.startswith("slower than")
        assert opened.tip != first
        opened.page.keyboard.press("Escape")
        assert opened.tip == ""


def test_a_period_can_be_chosen_from_the_list_or_the_pictures(browser: Any, report: Path) -> None:
    with Opened(browser, report) as opened:
        chosen = opened.page.locator(".chooser select")
        lines = opened.page.locator("path.own")
        assert lines.count() == 0
        chosen.select_option(label="4: broken")
        assert lines.count() == 5
        assert "faults: replica at 60 s, replica at 120 s" in opened.page.inner_text("output")
        assert "replication 4: " in opened.point("timeline_replicas_up", 0.8, 0.5)
        told = opened.point("heat_map", 0.5, 0.2)
        opened.page.mouse.down()
        opened.page.mouse.up()
        replication = re.match(r"replication (\d+)", told)
        assert replication is not None
        picked = chosen.locator("option:checked").inner_text()
        assert picked.startswith(f"{replication[1]}: ")
        chosen.select_option("-1")
        assert lines.count() == 0


def test_dragging_zooms_and_a_button_goes_back(browser: Any, report: Path) -> None:
    with Opened(browser, report) as opened:
        plot = opened.plot("timeline_running")
        opened.drag("timeline_running", 0.4, 0.6)
        ticks = [float(text) for text in plot.locator(".ticks text").all_text_contents()]
        assert len(ticks) >= 3 and min(ticks) > 0 and max(ticks) < 180
        assert max(ticks) - min(ticks) < 60
        at = re.match(r"at ([\d.]+) s", opened.point("timeline_running", 0.5, 0.5))
        assert at and min(ticks) - 15 <= float(at[1]) <= max(ticks) + 15
        plot.get_by_text("whole range").click()
        assert plot.locator(".ticks").count() == 0


def test_it_prints_on_several_pages(browser: Any, report: Path) -> None:
    with Opened(browser, report) as opened:
        pdf = opened.page.pdf(format="A4")
    assert pdf.startswith(b"%PDF") and len(re.findall(rb"/Type\s*/Page\b", pdf)) >= 3


def test_it_is_complete_without_javascript(browser: Any, report: Path) -> None:
    with (
        Opened(browser, report) as with_it,
        Opened(browser, report, java_script_enabled=False) as without,
    ):
        drawn = without.page.locator("figure svg")
        assert drawn.count() == with_it.page.locator("figure svg").count() > 8
        assert not without.page.locator(".chooser").is_visible()
        assert with_it.page.locator(".chooser").is_visible()


@pytest.mark.parametrize("width", [WIDTHS["phone"], WIDTHS["desktop"]])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(browser: Any, report: Path, scheme: Any, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed"
    )
    with Opened(browser, report, width, color_scheme=scheme) as opened:
        found = axe.Axe().run(opened.page).response["violations"]
    assert [(one["id"], one["nodes"][0]["html"]) for one in found if grave(one)] == []


def grave(violation: dict[str, Any]) -> bool:
    return violation["impact"] in ("serious", "critical")
