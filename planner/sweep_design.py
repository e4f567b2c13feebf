"""Which cells a sweep has: the values that its keys take together.

    grid     every combination                    list   the first values, the second ones, ...
    random   drawn, each for itself               latin  drawn so that each key is spread evenly

What is drawn is drawn from the scenario's seed, by a stream for each key: one key more leaves the
values of the others as they are, and so do more cells of a random design.

Source: McKay, Beckman, Conover 1979, Technometrics 21, for Latin hypercubes.
"""

from collections.abc import Iterator, Sequence
from itertools import product
from math import prod
from typing import Literal, get_args

import numpy as np

from scenarios.faults import Fault
from scenarios.varied import Varied
from simulator.streams import stream

DesignKind = Literal["grid", "list", "random", "latin"]
DESIGNS: tuple[DesignKind, ...] = get_args(DesignKind)
DRAWN = ("random", "latin")
CELLS_MAX = 9_999

Row = tuple[str, ...]
"""The value of each key, in their order."""


def faults_of_design(
    kind: DesignKind, varied: Sequence[Varied], cells: int | None
) -> Iterator[Fault]:
    """All that does not go together."""
    varying = [each for each in varied if each.varies]
    label = f"--design {kind}"
    if not varying:
        got = "nothing varies, so that there is one cell"
        yield Fault("--set", "", got, "KEY=VALUE,VALUE or KEY=LOW..HIGH; one cell is `simulate`")
    if kind in DRAWN and cells is None:
        yield Fault(label, "", "how many cells?", "with --cells N")
    if kind not in DRAWN and cells is not None:
        yield Fault("--cells", "", f"got {cells}, with --design {kind}", "--design random or latin")
    if kind in DRAWN:
        return
    for each in varying:
        if each.size is None:
            assert each.span is not None
            allowed = f"with a step, as {each.span.with_a_step}, or drawn: --design latin"
            yield Fault(f"--set {each.key}={each.text}", each.key, "no end of values", allowed)
    counts = {each.key: each.size for each in varying if each.size is not None}
    if kind == "list" and len(set(counts.values())) > 1:
        told = ", ".join(f"{count} of {key}" for key, count in counts.items())
        yield Fault(label, "", f"got {told}", "as many values of each key")
    number = max(counts.values(), default=1) if kind == "list" else prod(counts.values())
    if number > CELLS_MAX:
        yield Fault(label, "", f"{number:,} cells", f"up to {CELLS_MAX:,}")


def rows(kind: DesignKind, varied: Sequence[Varied], cells: int | None, seed: int) -> list[Row]:
    """The cells of a design without faults, in the order of their numbers."""
    match kind:
        case "grid":
            return list(product(*(each.values for each in varied)))
        case "list":
            length = max(each.size or 1 for each in varied)
            columns = [each.values if each.varies else each.values * length for each in varied]
        case "random" | "latin":
            assert cells is not None
            columns = [tuple(drawn(kind, each, cells, seed)) for each in varied]
    return list(zip(*columns, strict=True))


def drawn(kind: DesignKind, each: Varied, cells: int, seed: int) -> Iterator[str]:
    """The values of one key. Latin: one from each of as many equal parts of its range; where that
    has a few values, each comes equally often, give or take one."""
    rng = stream(seed, "sweep", kind, each.key)
    if kind == "random":
        shares = rng.random(cells)
    else:
        place = rng.permutation(cells)
        shares = (place + (rng.random(cells) if each.size is None else rng.random())) / cells
    below_one = np.nextafter(1.0, 0.0)
    yield from (each.at(min(float(share), below_one)) for share in shares)
