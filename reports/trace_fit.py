"""A fit of recorded traffic: as a scenario's YAML, as lines for a terminal, as data."""

import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np

from calibration.traffic.fitted import Fitted
from calibration.traffic.match import Figure, worst
from reports.inputs import yaml_text

WIDTH = 100


def yaml_of(fitted: Fitted, source: str) -> str:
    """What to put into a scenario, with where it comes from and why as comments."""
    said = [f"Fitted to {source} ({fitted.about}) by `fleetcast trace fit`.", *fitted.notes]
    said.append(verdict(fitted))
    part = {"traffic": fitted.traffic} if fitted.traffic else {"arrivals": fitted.arrivals}
    comments = (textwrap.wrap(text, WIDTH, initial_indent="# ", subsequent_indent="#   ")
                for text in said)  # fmt: skip
    text = "\n".join(wrapped(line) for line in yaml_text(part).splitlines())
    return "\n".join(line for lines in comments for line in lines) + f"\n{text}\n"


def wrapped(line: str) -> str:
    """A long list over several lines; YAML does not mind."""
    if len(line) <= WIDTH:
        return line
    indent = " " * (len(line) - len(line.lstrip(" -")) + 2)
    return textwrap.fill(
        line, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def verdict(fitted: Fitted) -> str:
    """How well it matches, in a sentence."""
    promised = [figure for figure in fitted.figures if figure.limit is not None]
    kept = sum(figure.kept is True for figure in promised)
    furthest = worst(fitted.figures)
    if furthest is None:
        return "Nothing could be compared."
    within = f"{kept} of {len(promised)} promised figures are within their limits; " * bool(
        promised
    )
    return (
        f"Match: {within}in the median of {fitted.replications} drawn replications, furthest off "
        f"is {furthest.name}: {number(furthest.measured)} measured, "
        f"{number(furthest.synthetic)} synthetic ({error_text(furthest)})."
    )


def lines(fitted: Fitted) -> Iterator[str]:
    """The table of figures side by side."""
    yield f"{fitted.kind}: {fitted.about}"
    for note in fitted.notes:
        yield from textwrap.wrap(note, WIDTH, initial_indent="  ", subsequent_indent="    ")
    yield ""
    yield f"  {'':24}{'measured':>12}{'synthetic':>12}   {'10-90 %':<22}{'error':>9}{'limit':>9}"
    for figure in fitted.figures:
        spread = f"{number(figure.low)} .. {number(figure.high)}"
        yield (
            f"  {figure.name:24}{number(figure.measured):>12}{number(figure.synthetic):>12}"
            f"   {spread:<22}{error_text(figure):>9}{limit_text(figure):>9}"
            + ("  beyond" if figure.kept is False else "")
        ).rstrip()
    yield ""
    yield from textwrap.wrap(verdict(fitted), WIDTH, initial_indent="  ", subsequent_indent="    ")


def error_text(figure: Figure) -> str:
    """Percent, or points of a hundred where the figure is a share.

    >>> error_text(Figure("rate_per_s", 2.0, 2.1, 2.0, 2.2))
    '+5.0 %'
    """
    if not np.isfinite(figure.error):
        return "-"
    return f"{100.0 * figure.error:+.1f} {'pt' if figure.absolute else '%'}"


def limit_text(figure: Figure) -> str:
    if figure.limit is None:
        return ""
    return f"{100.0 * figure.limit:g} {'pt' if figure.absolute else '%'}"


def number(value: float) -> str:
    """Four digits, thousands apart.

    >>> number(123456.0), number(0.012345)
    ('123,456', '0.01235')
    """
    if not np.isfinite(value):
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def as_data(fitted: Fitted) -> dict[str, Any]:
    """For machines. `traffic` is ready to be used; `arrivals` stands in its place for demand."""
    furthest = worst(fitted.figures)
    return {
        "kind": fitted.kind,
        "traffic": fitted.traffic,
        **({} if fitted.arrivals is None else {"arrivals": fitted.arrivals}),
        "notes": fitted.notes,
        "match": {
            "replications": fitted.replications,
            "worst": None if furthest is None else furthest.name,
            "figures": {figure.name: figure_data(figure) for figure in fitted.figures},
        },
    }


def figure_data(figure: Figure) -> dict[str, Any]:
    return {
        "measured": figure.measured,
        "synthetic": figure.synthetic,
        "low": figure.low,
        "high": figure.high,
        "error": figure.error,
        "error_is": "difference" if figure.absolute else "relative",
        "limit": figure.limit,
        "within_limit": figure.kept,
    }
