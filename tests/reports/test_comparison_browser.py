"""The comparison in a Chromium: alone, at any width, telling what one points at."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.comparison import compare
from reports.comparison_page import write_comparison
from tests.browser import WIDTHS, Opened, chromium
from tests.made_sets import make_periods, make_set

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    slower = make_periods(ttft_s_p95=0.15 + np.arange(20) / 1000)
    other = make_set(make_periods(25), "other seed", seed=8)
    sets = [make_set(make_periods(ttft_s_p95=0.1)), make_set(slower, "slower"), other]
    return write_comparison(sets, compare(sets), tmp_path_factory.mktemp("compared"))


def test_it_opens_alone_and_tells_what_is_there(browser: Any, page: Path) -> None:
    with Opened(browser, page) as opened:
        assert opened.asked == [page.as_uri()] and opened.complaints == []
        told = {opened.point("comparison_B_ttft-p95", 0.03 * step, 0.5) for step in range(33)}
        assert {"+50 ms", "+69 ms"} <= told
        assert opened.point("comparison_e2e", 0.5, 0.5).startswith("slower than")
        assert "A: SLA kept in 20 of 20 periods" in opened.point("comparison_p_sla", 0.9, 0.3)


@pytest.mark.parametrize("width", [WIDTHS["phone"], WIDTHS["desktop"]])
def test_it_fits_and_axe_finds_nothing_serious(browser: Any, page: Path, width: int) -> None:
    axe = pytest.importorskip(
        "axe_playwright_python.sync_playwright", reason="axe is not installed"
    )
    with Opened(browser, page, width) as opened:
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.Axe().run(opened.page).response["violations"]
    assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []
