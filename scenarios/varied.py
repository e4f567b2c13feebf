"""What `--set` says in a sweep: a key, and the values that it is to take.

    fleet.replicas=4..12          whole numbers; in steps 4..12..2
    KEY=20/s,30/s,40/s            a list, in which ranges may stand, too
    KEY=20/s..60/s..10/s          quantities in steps
    KEY=20/s..60/s                anything between them, for designs that draw

Commas within braces, brackets and quotes belong to a value, and so does a range in quotes.
"""

import re
from collections.abc import Iterator
from decimal import Decimal
from typing import NamedTuple

from scenarios.faults import Fault
from scenarios.units import NUMBER

VALUES_MAX = 9_999
GRAINS = 4
"""Digits of a drawn number, counted from the width of its range."""


class Span(NamedTuple):
    """Numbers from `low` to `high`, both within, in one unit."""

    low: Decimal
    high: Decimal
    unit: str = ""

    @property
    def whole(self) -> bool:
        """Whether it is of whole numbers: `4..12`, and not `4.0..12.0`."""
        ends = (self.low, self.high)
        return not self.unit and all(end.as_tuple().exponent == 0 for end in ends)

    @property
    def wholes(self) -> int:
        """How many whole numbers."""
        return int(self.high) - int(self.low) + 1

    def at(self, share: float) -> str:
        """What is at a share of the way, 0 <= share < 1; all whole numbers have equal parts of it.

        >>> Span(Decimal(4), Decimal(12)).at(0.99), Span(Decimal(20), Decimal(60), "/s").at(0.25)
        ('12', '30/s')
        """
        if self.whole:
            return str(int(self.low) + int(share * self.wholes))
        width = self.high - self.low
        grain = Decimal(1).scaleb(width.adjusted() - GRAINS)
        return self.told((self.low + Decimal(share) * width).quantize(grain))

    @property
    def with_a_step(self) -> str:
        """The same in four steps, as an example."""
        quarter = (self.high - self.low) / 4
        return "..".join(map(self.told, (self.low, self.high, quarter)))

    def told(self, number: Decimal) -> str:
        return f"{number.normalize():f}{self.unit}"


class Varied(NamedTuple):
    """One `--set`."""

    key: str
    text: str
    """All that stands after the equals sign."""
    listed: tuple[str, ...]
    span: Span | None = None
    """In place of a list: a range without steps."""

    @property
    def varies(self) -> bool:
        return self.span is not None or len(self.listed) > 1

    @property
    def size(self) -> int | None:
        """How many values; None where there is no end of them."""
        if self.span is None:
            return len(self.listed)
        return self.span.wholes if self.span.whole else None

    @property
    def values(self) -> tuple[str, ...]:
        """All of them, where they are so many."""
        if self.span is None:
            return self.listed
        return tuple(str(int(self.span.low) + index) for index in range(self.span.wholes))

    def at(self, share: float) -> str:
        """The value at a share of the way, of a list each for an equal part of it."""
        if self.span is not None:
            return self.span.at(share)
        return self.listed[int(share * len(self.listed))]


def parse_varied(text: str, faults: list[Fault]) -> Varied | None:
    """What one `--set` of a sweep says; None, and a fault more, where that cannot be told.

    >>> parse_varied("traffic.chat.arrivals.rate=20/s..40/s..10/s,90/s", []).listed
    ('20/s', '30/s', '40/s', '90/s')
    """
    label = f"--set {text}"
    key, equals, told = text.partition("=")
    if not equals or not key:
        faults.append(
            Fault(label, "", "got no value", "KEY.KEY=VALUE, or VALUE,VALUE, or LOW..HIGH")
        )
        return None
    pieces = [piece.strip() for piece in split_at_commas(told)]
    if len(pieces) == 1 and len(ends := ends_of(pieces[0])) == 2:
        span = span_of(ends, label, key, faults)
        return span and Varied(key, told, (), span)
    listed: list[str] = []
    before = len(faults)
    for piece in pieces:
        listed += expanded(piece, label, key, faults)
    if len(pieces) > 1 and "" in pieces:
        faults.append(Fault(label, key, "an empty value", "a value between any two commas"))
    again = next((value for index, value in enumerate(listed) if value in listed[:index]), None)
    if again is not None:
        faults.append(Fault(label, key, f"{again} twice", "values that differ"))
    return Varied(key, told, tuple(listed)) if len(faults) == before else None


def split_at_commas(text: str) -> Iterator[str]:
    """
    >>> list(split_at_commas("{a: 1, b: 2},[3, 4],'5, 6',it's"))
    ['{a: 1, b: 2}', '[3, 4]', "'5, 6'", "it's"]
    """
    begin, depth, quote, before = 0, 0, "", ","
    for index, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter in "\"'" and before in ",:[{":
            quote = letter
        elif letter in "[{":
            depth += 1
        elif letter in "]}":
            depth -= 1
        elif letter == "," and depth == 0:
            yield text[begin:index]
            begin = index + 1
        before = before if letter.isspace() else letter
    yield text[begin:]


def ends_of(piece: str) -> list[tuple[Decimal, str]]:
    """The numbers of a range, with their units: two, or three with a step. None of what is no
    range.

    >>> ends_of("20/s..60/s"), ends_of("../log.csv")
    ([(Decimal('20'), '/s'), (Decimal('60'), '/s')], [])
    """
    found = [
        re.fullmatch(rf"\s*({NUMBER})(\s*[^\s\d.]\S*)?\s*", part) for part in piece.split("..")
    ]
    if len(found) not in (2, 3) or not all(found):
        return []
    return [(Decimal(each[1]), each[2] or "") for each in found if each]


def expanded(piece: str, label: str, key: str, faults: list[Fault]) -> list[str]:
    """The values of one piece of a list: those of a range with its steps, else itself."""
    ends = ends_of(piece)
    if not ends and re.match(rf"\s*{NUMBER}[^\"']*\.\.", piece):
        allowed = "LOW..HIGH or LOW..HIGH..STEP, numbers in one unit; in quotes what is no range"
        faults.append(Fault(label, key, f"got {piece}", allowed))
        return []
    if not ends:
        return [piece]
    span = span_of(ends[:2], label, key, faults)
    if span is None:
        return []
    step, unit = ends[2] if len(ends) == 3 else (Decimal(1), span.unit)
    if len(ends) == 2 and not span.whole:
        allowed = f"in a list, a range with a step, such as {span.with_a_step}"
        faults.append(Fault(label, key, f"got {piece}", allowed))
        return []
    if step <= 0 or unit.strip() != span.unit.strip():
        allowed = "a step above 0" + (f", in {span.unit.strip()} as the ends" if span.unit else "")
        faults.append(Fault(label, key, f"got {piece}", allowed))
        return []
    count = int((span.high - span.low) / step) + 1
    if count > VALUES_MAX:
        faults.append(Fault(label, key, f"{count:,} values", f"up to {VALUES_MAX:,}"))
        return []
    return [span.told(span.low + step * index) for index in range(count)]


def span_of(
    ends: list[tuple[Decimal, str]], label: str, key: str, faults: list[Fault]
) -> Span | None:
    (low, unit), (high, other) = ends
    if unit.strip() == other.strip() and low < high:
        return Span(low, high, unit)
    allowed = "two ends that differ, in one unit, the smaller one first"
    faults.append(Fault(label, key, f"got {low}{unit}..{high}{other}", allowed))
    return None
