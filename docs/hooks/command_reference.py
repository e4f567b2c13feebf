"""The reference of the command line as Markdown, made from the commands themselves."""

from collections.abc import Iterator
from inspect import cleandoc

import click

from fleetcast.__main__ import door
from fleetcast.exits import MEANINGS


def commands_markdown() -> str:
    """One section per command: usage, what it does, its options with their defaults."""
    top = click.Context(door, info_name="fleetcast")
    return "\n\n".join("\n".join(section(context)) for context in commands_below(top))


def exits_markdown() -> str:
    """Every exit code and what it says."""
    rows = [f"| {code} | {meaning} |" for code, meaning in MEANINGS.items()]
    return "\n".join(["| exit code | meaning |", "|---|---|", *rows])


def commands_below(context: click.Context) -> Iterator[click.Context]:
    """The commands of a group, and theirs, as contexts that know how each is called."""
    assert isinstance(context.command, click.Group)
    for name in context.command.list_commands(context):
        command = context.command.get_command(context, name)
        assert command is not None
        inner = click.Context(command, parent=context, info_name=name)
        yield inner
        if isinstance(command, click.Group):
            yield from commands_below(inner)


def section(context: click.Context) -> Iterator[str]:
    """One command."""
    usage = context.command.collect_usage_pieces(context)
    depth = "###" if context.parent and context.parent.parent else "##"
    yield from (f"{depth} {context.command_path}", "")
    yield from ("```text", " ".join([context.command_path, *usage]), "```", "")
    yield from (cleandoc(context.command.help or ""), "")
    options = [option for option in context.command.params if isinstance(option, click.Option)]
    if options:
        yield from ("| option | |", "|---|---|")
    for names, text in filter(None, (option.get_help_record(context) for option in options)):
        yield f"| `{names}` | {text} |"
