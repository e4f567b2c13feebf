"""Examples in the documentation: what can be told of them without running them. The build of the
site runs them (docs/hooks/examples.py)."""

import re
import shlex

import click
import pytest

from docs.hooks.blocks import LANGUAGES, Command, blocks_of, commands_of, pages_below, without_notes
from docs.hooks.examples import ROOT, faults_of_block, prepare, put, run, same, yaml_faults
from fleetcast.__main__ import door

PAGES = [page for page in pages_below(ROOT) if "decisions" not in page.parts]
FENCE = re.compile(r"^ *```", re.MULTILINE)
OPERATOR = re.compile(r"[();<>|&]+")

PAGE = """
<!-- setup: fleetcast init chat -->
```console
$ fleetcast plan chat.yaml \\
    --no-explain     # why
chat: 5 replicas ...

  certified
(exit 3)
$ ls
```

<!-- over: rag.yaml -->
<!-- in: traffic.0 -->
```yaml
    arrivals: {rate: 3/s}
```
<!-- setup:
echo a
echo b
-->
```python title="rules.py"
def choose(): ...
```

<!-- not run: needs a
cluster -->
```bash
sbatch x
```
"""


def test_blocks_of_a_page():
    init, plan, fragment, echo, rules, batch = blocks_of(PAGE)
    assert (init.line, init.language, init.text) == (2, "setup", "fleetcast init chat")
    assert (plan.line, plan.language, plan.notes) == (3, "console", {})
    assert fragment.text == "arrivals: {rate: 3/s}\n"
    assert fragment.notes == {"over": "rag.yaml", "in": "traffic.0"}
    assert echo.text == "echo a\necho b"
    assert (rules.title, rules.notes) == ("rules.py", {"over": "rag.yaml"})
    assert batch.notes == {"over": "rag.yaml", "not run": "needs a\ncluster"}


def test_readers_do_not_see_what_is_said_to_the_build():
    assert without_notes("a\n<!-- setup: ls -->\n```text\n<!-- in: b -->\n```\n<!-- c -->\n") == (
        "a\n\n```text\n<!-- in: b -->\n```\n<!-- c -->\n"
    )


def test_commands_of_a_block():
    commands = commands_of(blocks_of(PAGE)[1])
    plan = "fleetcast plan chat.yaml \\\n    --no-explain     # why"
    assert commands == [
        Command(4, plan, "chat: 5 replicas ...\n\n  certified\n", 3),
        Command(10, "ls"),
    ]


def test_a_quote_goes_on_in_the_next_line():
    (block,) = blocks_of('```console\n$ fleetcast results query out "\n  SELECT 1"\n1\n```\n')
    assert commands_of(block) == [
        Command(2, 'fleetcast results query out "\n  SELECT 1"', "1\n"),
    ]


def test_a_console_block_begins_with_a_command():
    with pytest.raises(ValueError, match="line 2: a console block begins with a command"):
        commands_of(blocks_of("```console\nfleetcast plan\n```\n")[0])


def test_dots_stand_for_anything():
    assert same("a ... c\n", "a b c\n") and same("a\n...\nc\n", "a  \nb\nb\nc\n")
    assert same("a\n  ...\n", "a\n\n\tb\n")
    assert not same("a\nc\n", "a\nb\nc\n") and not same("  a\n", "a\n")


def test_a_fragment_replaces_keys_at_its_place():
    base = {"traffic": [{"name": "chat", "rate": 1}, {"name": "rag"}], "seed": 7}
    assert put(base, [], {"seed": 8})["seed"] == 8
    assert put(base, ["traffic", "0"], {"rate": 2})["traffic"][0] == {"name": "chat", "rate": 2}
    assert put(base, ["traffic", "1", "steps"], [1])["traffic"][1] == {"name": "rag", "steps": [1]}


def test_a_command_that_does_something_else_is_told(tmp_path):
    def told(text, output="", code=0):
        return list(run(Command(5, text, output, code), ["bash", "-c", text], tmp_path))

    assert told("echo a", "a\n") == told("echo a") == told("exit 3", code=3) == []
    assert told("echo a >&2; exit 2", "a\n", 2) == []
    assert told("echo b", "a\n") == ["5: echo b\nthe page says\na\nit prints\nb\n"]
    assert told("echo why >&2; exit 1") == [
        "5: echo why >&2; exit 1\nexit code 1, the page says 0\nwhy\n"
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_page_has_sound_examples(page, tmp_path):
    """All but running them. Files that commands make are not there, which is no fault here."""
    text = page.read_text(encoding="utf-8")
    blocks = blocks_of(text)
    fenced = [block for block in blocks if block.language != "setup"]
    assert len(FENCE.findall(text)) == 2 * len(fenced), "a fence that is no example"
    assert {block.language for block in fenced} <= set(LANGUAGES)
    prepare(tmp_path)
    for block in blocks:
        if block.language == "python":
            compile(block.text, page.name, "exec")
        if block.title or (block.language == "setup" and "fleetcast" not in block.text):
            list(faults_of_block(block, tmp_path))
        if block.language == "yaml" and "not run" not in block.notes:
            faults = yaml_faults(block, tmp_path)
            assert not faults or "No such file" in faults[0], (block.line, faults)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_in_pages_have_the_options_that_there_are(page):
    text = page.read_text(encoding="utf-8")
    for block in blocks_of(text):
        lines = commands_of(block) if block.language == "console" else []
        shown = [command.text for command in lines]
        if block.language in ("setup", "bash", "sh"):
            shown = [line for line in block.text.splitlines() if "fleetcast" in line]
        for line in shown:
            assert usage_fault(line) is None, (block.line, line)
    for span in re.findall(r"`(fleetcast [^`]+)`", text):
        fault = usage_fault(span)
        assert not isinstance(fault, click.NoSuchOption), span


def usage_fault(line):
    """What click has against a line of shell, as far as options go; None if nothing."""
    words = shlex.shlex(line.replace("\\\n", " "), posix=True, punctuation_chars=True)
    words.whitespace_split = True
    pieces = [[]]
    for word in words:
        if OPERATOR.fullmatch(word):
            pieces.append([])
        else:
            pieces[-1].append(word)
    for piece in pieces:
        if piece and piece[0].rpartition("/")[2] == "fleetcast":
            try:
                parse(door, piece[1:])
            except click.UsageError as error:
                return error
    return None


def parse(command, words):
    """Raise click's own error for options that a command does not have, or has otherwise."""
    context = click.Context(command)
    if isinstance(command, click.Group):
        inner = command.get_command(context, words[0])
        if inner is None:
            raise click.UsageError(f"no command {words[0]}")
        return parse(inner, words[1:])
    _, left, _ = command.make_parser(context).parse_args(args=list(words))
    if left:
        raise click.UsageError(f"too many arguments: {left}")


@pytest.mark.parametrize(
    "line", ["fleetcast plan --sett a=1", "a && fleetcast nothing", "fleetcast check a b"]
)
def test_a_wrong_command_line_is_found(line):
    assert isinstance(usage_fault(line), click.UsageError)
