"""Names of sessions -> numbers, and what is known of each, in bounded memory."""

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

import numpy as np

from simulator.traffic.formats.rows import ALONE, Ints

REMEMBERED = 1_000_000
"""Entries that are kept, some 200 bytes each. A session that comes back after as many others
counts as a new one."""

Value = TypeVar("Value")


class Memory(Generic[Value]):
    """A value per name; of too many the one longest untouched is forgotten.

    >>> memory = Memory[int](remembered=2)
    >>> for name in ["a", "b", "a", "c"]:
    ...     memory.put(name, 1)
    >>> memory.get("a"), memory.get("b")
    (1, None)
    """

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self.remembered = remembered
        self.known: dict[Hashable, Value] = {}

    def get(self, name: Hashable) -> Value | None:
        return self.known.get(name)

    def put(self, name: Hashable, value: Value) -> None:
        self.known.pop(name, None)
        self.known[name] = value
        if len(self.known) > self.remembered:
            del self.known[next(iter(self.known))]


class Names:
    """Numbers in order of appearance."""

    def __init__(self) -> None:
        self.known = Memory[int]()
        self.count = 0

    def number(self, name: Hashable) -> int:
        found = self.known.get(name)
        if found is None:
            found = self.new()
        self.known.put(name, found)
        return found

    def new(self) -> int:
        """A number for what has no name."""
        self.count += 1
        return self.count - 1

    def numbers(self, names: Iterable[object]) -> Ints:
        """ALONE for empty names.

        >>> Names().numbers(["a", "b", "", "a", None, float("nan")]).tolist()
        [0, 1, -1, 0, -1, -1]
        """
        return np.array(
            [ALONE if is_empty(name) else self.number(str(name)) for name in names], dtype=np.int64
        )


def is_empty(name: object) -> bool:
    """Nothing, or what a table has for nothing."""
    return name is None or name == "" or name != name
