"""What a page of the documentation has for examples, and what is to be done with each.

    ```console                 commands after `$ `, perhaps with what they print (`...` is anything)
    ```yaml                    of a scenario: whole, or to be laid over an example
    ```python                  a program
    ```yaml title="mine.yaml"  a file, of any language: it lies there for what follows
    ```text, ```bash, ```sh    to be read, not run

HTML comments, which readers do not see, tell the rest:

    <!-- setup: fleetcast init chat -->                  shell commands to run here
    <!-- not run: needs a cluster -->                    the next block is not run, and why
    <!-- over: rag.yaml -->                              what fragments from here on are laid over
    <!-- in: traffic.0.sessions -->                      where in it the next fragment belongs
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent

LANGUAGES = ("console", "yaml", "python", "text", "bash", "sh", "csv", "json")
ITEM = re.compile(
    r'^ *```(?P<language>\w*)(?: title="(?P<title>[^"]+)")?\n(?P<text>.*?)^ *```$'
    r"|^ *<!-- (?P<note>setup|not run|over|in):\s(?P<said>.*?)\s-->$",
    re.MULTILINE | re.DOTALL,
)
EXIT_CODE = re.compile(r"\(exit (\d+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block, or the commands of a `setup` (language "setup")."""

    line: int
    """Of the page, where it begins."""
    language: str
    text: str
    title: str = ""
    """Name of the file that it is."""
    notes: dict[str, str] = field(default_factory=dict)
    """What comments say of it: `not run`, `over`, `in`."""


@dataclass(frozen=True)
class Command:
    """A command of a console block, and what the page shows of it."""

    line: int
    text: str
    output: str = ""
    """Of stdout, of stderr where that is empty; nothing if the page does not show any."""
    exit_code: int = 0


def blocks_of(page: str) -> list[Block]:
    """The examples of a page in their order."""
    blocks: list[Block] = []
    over, next_one = {}, {}
    for item in ITEM.finditer(page):
        line = page.count("\n", 0, item.start()) + 1
        match item["note"]:
            case None:
                notes = over | next_one
                text, title = dedent(item["text"]), item["title"] or ""
                blocks.append(Block(line, item["language"], text, title, notes))
                next_one = {}
            case "setup":
                blocks.append(Block(line, "setup", item["said"]))
            case "over":
                over = {"over": item["said"]}
            case note:
                next_one[note] = item["said"]
    return blocks


def without_notes(page: str) -> str:
    """The page as readers get it."""
    return ITEM.sub(lambda item: "" if item["note"] else item[0], page)


def commands_of(block: Block) -> list[Command]:
    """The commands of a console block. A backslash, or an open quote, goes on in the next line."""
    commands: list[Command] = []
    goes_on = False
    for number, line in enumerate(block.text.splitlines(), block.line + 1):
        if goes_on:
            commands[-1] = grown(commands[-1], text=line)
        elif line.startswith("$ "):
            commands.append(Command(number, line.removeprefix("$ ")))
        elif not commands:
            raise ValueError(f"line {number}: a console block begins with a command: `$ ...`")
        elif code := EXIT_CODE.fullmatch(line):
            last = commands[-1]
            commands[-1] = Command(last.line, last.text, last.output, int(code[1]))
        else:
            commands[-1] = grown(commands[-1], output=line)
        text = commands[-1].text
        in_command = goes_on or line.startswith("$ ")
        goes_on = in_command and (text.endswith("\\") or text.count('"') % 2 == 1)
    return commands


def grown(command: Command, text: str = "", output: str = "") -> Command:
    """The command with one more line."""
    longer = f"{command.text}\n{text}" if text else command.text
    shown = f"{command.output}{output.rstrip()}\n" if output or not text else command.output
    return Command(command.line, longer, shown, command.exit_code)


def pages_below(root: Path) -> list[Path]:
    """Every page with examples: the README and the documentation."""
    return [root / "README.md", *sorted((root / "docs").rglob("*.md"))]
