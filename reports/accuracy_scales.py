"""Where things stand in the figures of the accuracy page: values in, places in pixels out."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import takewhile
from typing import Any

import numpy as np

Data = dict[str, Any]

WIDTH = 360
LEFT, RIGHT, TOP, SIDE = 52, 350, 8, 298
"""The square of a parity plot."""
BAND_PCT = 10.0
MANY_POINTS = 150
"""A data set of more has smaller ones."""
FEW_DECADES = 1.7
"""Axes shorter than this are marked at 1, 2 and 5 of each decade."""

BINS = 24
REACHES_PCT = (10.0, 20.0, 40.0, 60.0, 100.0)
INSIDE = 0.95
"""The axis of a histogram reaches so far that this share of the errors is inside."""
ROW_HEIGHT, BAR_HEIGHT = 52, 30


# --- predicted against measured ------------------------------------------------------------------


def parity(rows: Sequence[Data]) -> Data:
    """Points on two equal logarithmic axes, ticks, and the band around predicted = measured."""
    values = [row[which] for row in rows for which in ("predicted", "measured")]
    low, high = math.log10(min(values) / 1.25), math.log10(max(values) * 1.25)

    def x(value: float) -> float:
        return round(LEFT + SIDE * (math.log10(value) - low) / (high - low), 1)

    def y(value: float) -> float:
        return round(LEFT + TOP + SIDE - x(value), 1)

    sizes = Counter(row["dataset"] for row in rows)
    # Small data sets lie on top of large ones, overloads on top of all.
    in_order = sorted(rows, key=lambda row: (row["overloaded"], -sizes[row["dataset"]]))
    points = [
        {
            "x": x(row["measured"]),
            "y": y(row["predicted"]),
            "radius": 1.8 if sizes[row["dataset"]] > MANY_POINTS else 3,
            "row": row,
        }
        for row in in_order
    ]
    return {
        "points": points,
        "ticks": [(x(tick), y(tick), short(tick)) for tick in ticks(low, high)],
        "band": band(10.0**low, 10.0**high, x, y),
    }


def band(low: float, high: float, x: Any, y: Any) -> str:
    """The corners of the region within BAND_PCT, cut off at the frame, as an SVG polygon."""
    above, below = 1.0 + BAND_PCT / 100.0, 1.0 - BAND_PCT / 100.0
    corners = (
        (low, low * above), (high / above, high), (high, high),
        (high, high * below), (low / below, low), (low, low),
    )  # fmt: skip
    return " ".join(f"{x(measured)},{y(predicted)}" for measured, predicted in corners)


def ticks(low: float, high: float) -> list[float]:
    """Round numbers from 10**low to 10**high.

    >>> ticks(0.1, 1.2), ticks(-0.5, 3.1)
    ([2, 5, 10], [1, 10, 100, 1000])
    """
    steps = (1, 2, 5) if high - low < FEW_DECADES else (1,)
    decades = range(math.floor(low), math.ceil(high) + 1)
    all_of_them = [step * 10**decade for decade in decades for step in steps]
    return [tick for tick in all_of_them if low <= math.log10(tick) <= high]


def short(tick: float) -> str:
    """
    >>> short(0.5), short(200), short(20_000), short(3_000_000)
    ('0.5', '200', '20k', '3M')
    """
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if tick >= unit:
            return f"{tick / unit:g}{letter}"
    return f"{tick:g}"


# --- signed errors -------------------------------------------------------------------------------


def histograms(rows: Sequence[Data]) -> Data:
    """One row of bars per data set; what lies beyond the axis is one bar at each end."""
    errors: dict[str, list[float]] = {}
    for row in rows:
        errors.setdefault(row["dataset"], []).append(row["error_pct"])
    reach = reach_pct([error for each in errors.values() for error in each])
    return {
        "rows": [
            histogram(name, np.array(each), reach, ROW_HEIGHT * index)
            for index, (name, each) in enumerate(errors.items())
        ],
        "height": ROW_HEIGHT * len(errors) + 30,
        "base": ROW_HEIGHT * len(errors),
        "ticks": [
            (place(pct, reach), f"{pct:+g} %" if pct else "0")
            for pct in (-reach, -reach / 2, 0.0, reach / 2, reach)
        ],
        "band": (place(-BAND_PCT, reach), place(BAND_PCT, reach)),
    }


def reach_pct(errors_pct: Sequence[float]) -> float:
    """How far the axis goes to either side."""
    absolute = np.abs(errors_pct)
    short_ones = takewhile(lambda reach: (absolute <= reach).mean() < INSIDE, REACHES_PCT)
    return REACHES_PCT[min(len(list(short_ones)), len(REACHES_PCT) - 1)]


def histogram(name: str, errors_pct: Any, reach: float, top: float) -> Data:
    """Bars of one data set in the row that begins at `top`."""
    width = 2 * reach / BINS
    edges = np.linspace(-reach - width, reach + width, BINS + 3)
    inside = np.clip(errors_pct, edges[0] + width / 2, edges[-1] - width / 2)
    counts, _ = np.histogram(inside, edges)
    bars = [
        {
            "x": place(edges[index], reach),
            "width": round(place(edges[index + 1], reach) - place(edges[index], reach) - 0.6, 1),
            "y": round(top + ROW_HEIGHT - BAR_HEIGHT * count / counts.max(), 1),
            "height": round(BAR_HEIGHT * count / counts.max(), 1),
            "cases": int(count),
            "beyond": index in (0, BINS + 1),
        }
        for index, count in enumerate(counts)
        if count
    ]
    median = float(np.median(errors_pct))
    return {
        "name": name,
        "cases": len(errors_pct),
        "median": median,
        "median_x": place(median, reach),
        "label_y": top + ROW_HEIGHT - BAR_HEIGHT - 6,
        "top": top + ROW_HEIGHT - BAR_HEIGHT - 2,
        "bottom": top + ROW_HEIGHT,
        "bars": bars,
    }


def place(error_pct: float, reach: float) -> float:
    """Where an error stands; one bin is left free at either end for those beyond."""
    step = (WIDTH - 20) / (BINS + 2)
    along = (min(max(error_pct, -reach * (1 + 2 / BINS)), reach * (1 + 2 / BINS)) + reach) / (
        2 * reach
    )
    return round(10 + step + along * step * BINS, 1)
