"""Which pictures a sweep has: heat maps over two keys, one for each combination of the others; over
one key, or cells that were listed or drawn, marks with intervals."""

import math
from collections.abc import Iterator
from itertools import product
from typing import Any, NamedTuple

from reports.figures.panel import Panel
from reports.figures.sweep_map import heat_map
from reports.figures.sweep_points import points
from reports.image import house_style
from reports.sweep_table import cell_text, short_keys
from reports.sweep_values import Quantity, quantities

Data = dict[str, Any]

PANELS_MAX = 12
"""Of one quantity."""


def sweep_panels(data: Data) -> list[list[Panel]]:
    """Those of each quantity: P(SLA), then each objective. How to read them is told once."""
    with house_style():
        groups = [list(panels_of(data, quantity)) for quantity in quantities(data)]
    for group in groups:
        for panel in group[1:]:
            panel.caption = ""
    return groups


def panels_of(data: Data, quantity: Quantity) -> Iterator[Panel]:
    if data["design"] in ("random", "latin"):
        yield from over_keys(data, quantity)
    elif data["design"] == "list" or len(data["keys"]) == 1:
        yield over_cells(data, quantity)
    else:
        yield from maps(data, quantity)


def left_out(data: Data) -> int:
    """How many pictures of each quantity there is no room for."""
    if data["design"] in ("random", "latin"):
        return max(0, len(data["keys"]) - PANELS_MAX)
    if data["design"] == "list" or len(data["keys"]) == 1:
        return 0
    return max(0, len(layout_of(data).held) - PANELS_MAX)


def file_name(quantity: Quantity, place: int) -> str:
    """'p_sla', 'p_sla-2', ..."""
    return quantity.name if place == 0 else f"{quantity.name}-{place + 1}"


def tip_of(data: Data, cell: Data) -> str:
    """What is told of a cell where one points at it."""
    told = [cell_text(data, cell)]
    if cell["fate"] == "impossible":
        return "\n".join([*told, f"cannot be: {cell['why_not']}"])
    for each in quantities(data):
        if (seen := each.seen(cell)) is not None:
            told.append(f"{each.short}: {seen.text}, {seen.detail}")
    cost = cell["usd_per_month"]
    return "\n".join([*told, *([] if cost is None else [f"{cost:,.0f} USD per month"])])


# --- marks ----------------------------------------------------------------------------------------


def over_cells(data: Data, quantity: Quantity) -> Panel:
    """At the numbers of the one key that has them, else one after the other."""
    keys, cells = data["keys"], data["cells"]
    axis = ", ".join(named_with_units(data))
    values = [cell["values"][keys[0]["key"]] for cell in cells]
    one_key = len(keys) == 1
    if one_key and keys[0]["unit"] is not None and None not in values:
        places, labels = [float(value) for value in values], None
    else:
        axis = ", ".join(short_keys([each["key"] for each in keys]))
        places = [float(place) for place in range(len(cells))]
        labels = ["\n".join(cell["asked"].values()) for cell in cells]
    name = file_name(quantity, 0)
    return points(cells, axis, places, labels, quantity, name, one_key, lambda c: tip_of(data, c))


def over_keys(data: Data, quantity: Quantity) -> Iterator[Panel]:
    """All cells over each key, whatever their other values are."""
    cells = data["cells"]
    named = zip(data["keys"][:PANELS_MAX], named_with_units(data), strict=False)
    for place, (key, axis) in enumerate(named):
        if key["unit"] is None:
            labels = list(dict.fromkeys(cell["asked"][key["key"]] for cell in cells))
            places = [float(labels.index(cell["asked"][key["key"]])) for cell in cells]
        else:
            labels = None
            values = [cell["values"][key["key"]] for cell in cells]
            places = [math.nan if value is None else float(value) for value in values]
        name = file_name(quantity, place)
        yield points(cells, axis, places, labels, quantity, name, False, lambda c: tip_of(data, c))


def named_with_units(data: Data) -> list[str]:
    """
    >>> keys = [{"key": "fleet.replicas", "unit": ""}, {"key": "horizon", "unit": "s"}]
    >>> named_with_units({"keys": keys})
    ['replicas', 'horizon (s)']
    """
    names = short_keys([each["key"] for each in data["keys"]])
    units = [(each["unit"] or "").strip() for each in data["keys"]]
    return [name + (f" ({unit})" if unit else "") for name, unit in zip(names, units, strict=True)]


# --- maps -----------------------------------------------------------------------------------------


class Layout(NamedTuple):
    """Which keys are the axes of all maps, and what each map has of the others."""

    across: str
    down: str
    values: dict[str, list[str]]
    """All of each key, in the order asked."""
    others: list[str]
    held: list[tuple[str, ...]]


def layout_of(data: Data) -> Layout:
    """The keys of most values are the axes, the one of more values across."""
    keys = [each["key"] for each in data["keys"]]
    values = {key: list(dict.fromkeys(c["asked"][key] for c in data["cells"])) for key in keys}
    across, down, *_ = sorted(keys, key=lambda key: -len(values[key]))
    others = [key for key in keys if key not in (across, down)]
    return Layout(across, down, values, others, list(product(*(values[key] for key in others))))


def maps(data: Data, quantity: Quantity) -> Iterator[Panel]:
    layout = layout_of(data)
    names = dict(zip(layout.values, short_keys(list(layout.values)), strict=True))
    across, down = layout.values[layout.across], layout.values[layout.down]

    def place_in_map(cell: Data) -> tuple[int, int]:
        asked = cell["asked"]
        return across.index(asked[layout.across]), down.index(asked[layout.down])

    for place, chosen in enumerate(layout.held[:PANELS_MAX]):
        own = [
            cell
            for cell in data["cells"]
            if tuple(cell["asked"][key] for key in layout.others) == chosen
        ]
        told = [f"{names[key]} {value}" for key, value in zip(layout.others, chosen, strict=True)]
        yield heat_map(
            own, (names[layout.across], across), (names[layout.down], down), place_in_map, quantity,
            file_name(quantity, place), ", ".join(told), lambda cell: tip_of(data, cell),
        )  # fmt: skip
