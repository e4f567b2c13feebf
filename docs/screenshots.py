"""The pictures of docs/images: what a terminal shows of a plan, and the first screen of its report.

`make screenshots` draws them from the plan of the example. It stands beside the pictures that it
makes, since it is no part of the program and measures nothing.
"""

import io
import json
import shutil
import subprocess
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

from fleetcast.screen import plan_screen
from reports.folder import read_results
from reports.objectives import shown_objectives
from tests.browser import FLAGS, NAMES

ROOT = Path(__file__).parent.parent
IMAGES = ROOT / "docs" / "images"
PLANNED = Path("out/chat")
COMMAND = ["fleetcast", "plan", "scenarios/examples/chat.yaml"]
COLUMNS = 100
FIRST_SCREEN = {"width": 1280, "height": 800}
COLOURS = 128
FONTS = "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace"


def terminal_svg() -> str:
    """What `fleetcast plan` shows on a terminal of COLUMNS. Letters are in a font of the reader."""
    data = json.loads((ROOT / PLANNED / "plan.json").read_text())
    rows = shown_objectives(read_results(ROOT / PLANNED))
    page = str(PLANNED / "report.html")
    console = Console(
        record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True,
        color_system="truecolor",
    )  # fmt: skip
    console.print(Text(f"$ {' '.join(COMMAND)}", "bold"))
    console.print(plan_screen(data, rows, page, COLUMNS))
    return console.export_svg(
        title="fleetcast plan", code_format=without_fonts(), unique_id="terminal"
    )


def without_fonts() -> str:
    """Rich's picture, but for the fonts that it fetches from the network."""
    before, _, after = CONSOLE_SVG_FORMAT.partition("@font-face")
    own = after[after.index(".{unique_id}-matrix") :].replace("Fira Code, monospace", FONTS)
    return before[: before.index("<!--")] + before[before.index("-->") + 3 :] + own


def report_png(path: Path) -> None:
    """The first screen of the report, as a browser without a network shows it."""
    browser = next(filter(None, map(shutil.which, NAMES)), None)
    if browser is None:
        raise SystemExit(f"no browser for the picture of the report: none of {', '.join(NAMES)}")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser, args=list(FLAGS))
        page = chromium.new_page(viewport=FIRST_SCREEN, color_scheme="light", offline=True)
        page.goto((ROOT / PLANNED / "report.html").as_uri())
        shown = Image.open(io.BytesIO(page.screenshot()))
        chromium.close()
    shown.convert("RGB").quantize(COLOURS).save(path, optimize=True)


def main() -> None:
    plan = [sys.executable, "-m", *COMMAND, "--out", PLANNED]
    subprocess.run(plan, cwd=ROOT, check=True)
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / "terminal.svg").write_text(terminal_svg(), encoding="utf-8")
    report_png(IMAGES / "report.png")


if __name__ == "__main__":
    main()
