"""mkdocs hook: every example of every page is run while the site is built, in a scratch folder per
page. One that does not do what its page says is a warning, which `--strict` takes for an error.

    python -m docs.hooks.examples docs/guides/costs.md    # one page, for its author

What a page may say is in blocks.py.
"""

import logging
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from doctest import ELLIPSIS, OutputChecker
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from ruamel.yaml import YAML

from docs.hooks.blocks import Block, Command, blocks_of, commands_of, pages_below, without_notes
from scenarios.faults import ScenarioError
from scenarios.loading import load

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "scenarios" / "examples"
LINE_OF_DOTS = re.compile(r"^ +\.\.\.$", re.MULTILINE)
PATIENCE_S = 900
"""For one command. On a cold machine the first one compiles the simulator."""


LOG = logging.getLogger("mkdocs.hooks.examples")
building = False


def on_startup(command: str, **_: object) -> None:
    """Run examples in `mkdocs build`; an author who looks at pages with `serve` need not wait."""
    global building
    building = command == "build"


def on_pre_build(**_: object) -> None:
    if building:
        LOG.info("Running the examples of all pages, some minutes; -v tells of each page")
        for fault in faults_of_all(pages_below(ROOT)):
            LOG.warning(fault)


def on_page_markdown(markdown: str, **_: object) -> str:
    """What is said to this hook is not for readers."""
    return without_notes(markdown)


def faults_of_all(pages: list[Path]) -> Iterator[str]:
    """What is wrong on any of the pages. The first one is run alone, since it compiles the
    simulator for all."""
    yield from faults_of(pages[0])
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for faults in threads.map(faults_of, pages[1:]):
            yield from faults


def faults_of(page: Path) -> list[str]:
    """What is wrong on a page, as `page:line: expected and got`."""
    blocks = blocks_of(page.read_text(encoding="utf-8"))
    if not blocks:
        return []
    with TemporaryDirectory(prefix="fleetcast-docs-") as scratch:
        prepare(Path(scratch))
        found = [fault for block in blocks for fault in faults_of_block(block, Path(scratch))]
    name = page.relative_to(ROOT)
    LOG.debug(f"{name}: {len(blocks)} examples, {len(found)} faults")
    return [f"{name}:{fault}" for fault in found]


def prepare(scratch: Path) -> None:
    """Make a folder look like the root of a checkout, with this very code. Simulated periods are
    shared by all pages and builds."""
    (scratch / "scenarios").symlink_to(ROOT / "scenarios")
    (scratch / "out").mkdir()
    runs = ROOT / "out" / ".runs"
    runs.mkdir(parents=True, exist_ok=True)
    (scratch / "out" / ".runs").symlink_to(runs)
    fleetcast = scratch / ".venv" / "bin" / "fleetcast"
    fleetcast.parent.mkdir(parents=True)
    fleetcast.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m fleetcast "$@"\n')
    fleetcast.chmod(0o755)


def faults_of_block(block: Block, scratch: Path) -> Iterator[str]:
    """What is wrong with one example, as `line: ...`."""
    if block.title:
        path = scratch / block.title
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block.text, encoding="utf-8")
    if "not run" in block.notes:
        return
    match block.language:
        case "yaml":
            yield from (f"{block.line}: {fault}" for fault in yaml_faults(block, scratch))
        case "console":
            for command in commands_of(block):
                yield from run(command, ["bash", "-c", command.text], scratch)
        case "setup":
            yield from run(Command(block.line, block.text), ["bash", "-ec", block.text], scratch)
        case "python" if not block.title:
            program = [sys.executable, "-P", "-c", block.text]
            yield from run(Command(block.line, "this program"), program, scratch)


def run(command: Command, arguments: list[str], scratch: Path) -> Iterator[str]:
    """What a command does that its page does not say."""
    folders = (scratch / ".venv" / "bin", Path(sys.executable).parent, os.environ["PATH"])
    path = os.pathsep.join(map(str, folders))
    environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            arguments, cwd=scratch, env=environment, capture_output=True, text=True,
            timeout=PATIENCE_S, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        yield f"{command.line}: {command.text}\nnot done after {PATIENCE_S} s"
        return
    if done.returncode != command.exit_code:
        codes = f"exit code {done.returncode}, the page says {command.exit_code}"
        yield f"{command.line}: {command.text}\n{codes}\n{done.stdout}{done.stderr}"
    elif command.output and not same(command.output, printed := done.stdout or done.stderr):
        yield f"{command.line}: {command.text}\nthe page says\n{command.output}it prints\n{printed}"


def same(wanted: str, got: str) -> bool:
    """Whether an output is what the page shows, where `...` stands for anything. Spaces at the ends
    of lines and before dots that are a line of their own do not matter."""
    ends_cut = "".join(f"{line.rstrip()}\n" for line in got.splitlines())
    return OutputChecker().check_output(LINE_OF_DOTS.sub("...", wanted), ends_cut, ELLIPSIS)


def yaml_faults(block: Block, scratch: Path) -> list[str]:
    """Why a scenario, or one that the fragment is laid over, does not load. Other YAML is a file
    with a name; whether it is a good one shows where it is used."""
    data = YAML(typ="safe").load(block.text)
    if "version" not in data:
        if block.title:
            return []
        data = laid_over(block, data, scratch)
    example = scratch / ".example.yaml"
    with example.open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(data, file)
    try:
        load(example)
    except ScenarioError as error:
        return [f"does not load:\n{error}"]
    return []


def laid_over(block: Block, fragment: Any, scratch: Path) -> Any:
    """An example with the fragment in the place of what it has there."""
    name = block.notes.get("over", "chat.yaml")
    base = scratch / name if (scratch / name).exists() else EXAMPLES / name
    data = YAML(typ="safe").load(base.read_text(encoding="utf-8"))
    return put(data, block.notes["in"].split(".") if "in" in block.notes else [], fragment)


def put(data: Any, path: list[str], fragment: Any) -> Any:
    """The data with the fragment at a path. Keys of a mapping replace those that are there.

    >>> put({"traffic": [{"name": "chat", "tenant": "a"}]}, ["traffic", "0"], {"tenant": "b"})
    {'traffic': [{'name': 'chat', 'tenant': 'b'}]}
    """
    if not path:
        return data | fragment if isinstance(fragment, dict) else fragment
    here, *rest = path
    if isinstance(data, list):
        inner = put(data[int(here)], rest, fragment)
        return [inner if place == int(here) else item for place, item in enumerate(data)]
    return data | {here: put(data.get(here, {}), rest, fragment)}


if __name__ == "__main__":
    faults = [fault for name in sys.argv[1:] for fault in faults_of(Path(name).resolve())]
    print("\n".join(faults) or "every example does what its page says")
    sys.exit(1 if faults else 0)
