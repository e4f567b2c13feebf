"""What a format is: how it is recognised, and what reading a file of it gives."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.rows import Raw
from simulator.traffic.formats.source import Source


@dataclass(frozen=True)
class Reading:
    """A file under way: `raws` are read as they are asked for, once.

    names: the file's own for arrival, prompt and output tokens.
    block_tokens: what one id of the chains stands for; None where nothing is shared.
    runs: segments are runs of such blocks. relative: every session has a clock of its own.
    timed: False where the file has lengths and no arrivals. from_zero: its clock starts with it,
    so that a negative instant is a fault. broken: what is wrong with rows that raws call broken.
    """

    names: tuple[str, str, str]
    raws: Iterator[Raw]
    block_tokens: int | None = None
    runs: bool = False
    relative: bool = False
    timed: bool = True
    from_zero: bool = True
    broken: str = "hash_ids is no list of whole numbers"


@dataclass(frozen=True)
class Format:
    """One kind of file."""

    name: str
    recognises: Callable[[Source], bool]
    read: Callable[[Source, Faults], Reading]
