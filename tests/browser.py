"""A Chromium without a network, for tests that look at pages as people do."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
)  # fmt: skip
WIDTHS = {"phone": 360, "tablet": 820, "desktop": 1280}


@contextmanager
def chromium() -> Iterator[Any]:
    """A Playwright browser; the test is skipped, and says why, where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        pytest.skip(f"no Chromium on this machine: none of {', '.join(NAMES)}")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=found, args=list(FLAGS))
        yield browser
        browser.close()


class Opened:
    """A page in a browser of its own: what it asked the network for, and what it complained of."""

    def __init__(self, browser: Any, path: Path, width: int = 1280, **context: Any) -> None:
        self.asked: list[str] = []
        self.complaints: list[str] = []
        self.context = browser.new_context(
            viewport={"width": width, "height": 900}, offline=True, **context
        )
        self.page = self.context.new_page()
        self.page.on("request", lambda request: self.asked.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.goto(path.as_uri())

    def __enter__(self) -> "Opened":
        return self

    def __exit__(self, *_: object) -> None:
        self.context.close()

    def plot(self, name: str) -> Any:
        found = self.page.locator(f'[data-panel="{name}"]')
        found.scroll_into_view_if_needed()
        return found

    def point(self, name: str, x: float, y: float) -> str:
        """Point at a place of a picture, shares of its box; returns what is told there."""
        box = self.plot(name).bounding_box()
        self.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        return self.tip

    def drag(self, name: str, from_x: float, to_x: float) -> None:
        self.point(name, from_x, 0.5)
        self.page.mouse.down()
        self.point(name, (from_x + to_x) / 2, 0.5)
        self.point(name, to_x, 0.5)
        self.page.mouse.up()

    @property
    def tip(self) -> str:
        return str(self.page.locator(".tip").inner_text())
