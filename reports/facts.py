"""What an answer says beside its figures, fact by fact: each a label and its text."""

from collections.abc import Iterable
from typing import NamedTuple


class Fact(NamedTuple):
    """'why' and '4 replicas lack compute ...'. Without a label it goes on with the fact before."""

    label: str
    text: str


def fact_lines(facts: Iterable[Fact]) -> list[str]:
    """As plain text, a line each.

    >>> fact_lines([Fact("accuracy", "physics"), Fact("", "of pool main")])
    ['  accuracy physics', '    of pool main']
    """
    return [f"  {label} {text}" if label else f"    {text}" for label, text in facts]
