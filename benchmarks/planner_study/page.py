"""The study as a table for terminals, and docs/planner-study.md."""

from collections.abc import Sequence
from typing import Any

from benchmarks.planner_study.trials import GRID_RUNS
from benchmarks.planner_study.truth import ERROR, FIRST_LOOK
from benchmarks.table import markdown, table

WRONG_MAX, OVER_MAX, RUNS_MAX = 0.05, 1.0, 0.1
"""What is promised: the share of wrong certificates, replicas too many in the mean, runs beside
those of the grid."""

HEAD = """# The planner, held against the truth

Does `fleetcast plan` err as rarely as it says, and what does its answer cost? `make planner-study`
wrote this page. It runs the planner's own search on simulated periods, {trials} times with other
seeds for each scenario and router, and holds every answer against the true share of periods that
each size keeps. With the least-outstanding router the search lets larger fleets inherit passes
("coupled"), with round-robin every size runs for itself.

The scenarios (`benchmarks/planner_study/*.yaml`) are small so that a period costs milliseconds:
`load` is decided by bursts of requests, `near` is one whose smallest size keeps the promise by 1 or
2 % only, `failures` is decided by replicas that break. In `load` and `failures` one replica fewer
misses the promise as narrowly. They promise 92, 90 and 96 % of periods, chosen when the truth was
known so that it is clear on which side of its promise each size is.
The bound on wrong certificates holds for any scenario (with the least-outstanding router as far as
more replicas do not hurt on the same period); runs and over-provision are those of these.
"""
WORDS = """
- **wrong**: a certified size whose true share is below the promise; at most 5 % by construction.
  Sizes of which the truth cannot say are **unclear** and count neither way.
- **too many**: certified replicas beyond the true smallest size, mean over certificates that are
  not wrong.
- **runs**: simulated periods of one search, screening included; **of the grid**: beside
  {grid} periods at each size of `plan.replicas`, which nobody ran. A search takes about
  1 / (1 - promise) as many runs, the grid as many as ever: promises of 99 % take ten times the runs
  of 90 %.

Beside each figure its 95 % interval: Clopper and Pearson's for shares, Student's for means. A row
of all scenarios together takes each search alike.
"""
TRUTH = """
From periods of their own seeds, with a {confidence:.0%} interval. Sizes that {look} periods settle
beyond doubt (error 1e-6) are left there and not shown; all others have every run.
"""


def page(data: dict[str, Any]) -> str:
    """The whole page as Markdown."""
    parts = [
        HEAD.format(trials=data["cases"][0]["trials"]),
        "## What is promised\n\n" + promises(data["pooled"]),
        "## Figures\n\n" + figures_table([*data["cases"], *data["pooled"]]),
        WORDS.format(grid=f"{GRID_RUNS:,}"),
        "## The truth\n" + TRUTH.format(confidence=1 - ERROR, look=f"{FIRST_LOOK:,}"),
        truth_table(data["truth"]),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def promises(pooled: Sequence[dict[str, Any]]) -> str:
    """What is demanded of all scenarios of one router together. An interval that reaches over the
    limit is told as it is."""
    rows = [
        (what, entry["router"], text(entry[key], percent), shown,
         "yes" if entry[key]["value"] <= limit else "**no**")
        for what, key, percent, limit, shown in (
            ("wrong certificates", "wrong_share", True, WRONG_MAX, "<= 5 %"),
            ("replicas too many", "over_provision_mean", False, OVER_MAX, "<= 1"),
            ("runs of the grid", "runs_share", True, RUNS_MAX, "<= 10 %"),
        )
        for entry in pooled
    ]  # fmt: skip
    return markdown(("what", "router", "measured", "promised", "kept"), rows)


def figures_table(entries: Sequence[dict[str, Any]]) -> str:
    heading = ("scenario", "router", "wrong", "unclear", "not certified", "too many", "runs",
               "of the grid")  # fmt: skip
    shares = ("wrong_share", "unclear_share", "not_certified_share")
    rows = [
        (
            entry["name"],
            entry["router"],
            *(text(entry[key], percent=True) for key in shares),
            text(entry["over_provision_mean"]),
            text(entry["runs_mean"], digits=0),
            text(entry["runs_share"], percent=True),
        )
        for entry in entries
    ]
    return markdown(heading, rows)


def truth_table(truth: Sequence[dict[str, Any]]) -> str:
    most = max(entry["runs"] for entry in truth)
    rows = [
        (entry["name"], entry["router"], entry["replicas"], f"{entry['runs']:,}",
         f"{entry['kept_share']:.2%} [{entry['low']:.2%}, {entry['high']:.2%}]",
         f"{entry['promise']:.0%}", entry["standing"])
        for entry in truth if entry["runs"] == most
    ]  # fmt: skip
    return markdown(("scenario", "router", "replicas", "periods", "kept", "promise", "which"), rows)


def as_table(data: dict[str, Any]) -> str:
    """For a terminal."""
    rows = [
        {
            "scenario": f"{entry['name']}, {entry['router']}",
            "trials": entry["trials"],
            "wrong share": text(entry["wrong_share"], percent=True),
            "unclear share": text(entry["unclear_share"], percent=True),
            "not certified": text(entry["not_certified_share"], percent=True),
            "over provision": text(entry["over_provision_mean"]),
            "runs mean": text(entry["runs_mean"], digits=0),
            "grid runs": entry["grid_runs"],
            "runs share": text(entry["runs_share"], percent=True),
        }
        for entry in [*data["cases"], *data["pooled"]]
    ]
    return table(rows)


def text(figure: dict[str, float], percent: bool = False, digits: int = 2) -> str:
    """A figure with its interval.

    >>> text({"value": 0.0123, "low": 0.0, "high": 0.05}, percent=True)
    '1.2 % [0.0, 5.0]'
    """
    if percent:
        figure, digits = {key: 100 * number for key, number in figure.items()}, 1
    value, low, high = (f"{figure[key]:,.{digits}f}" for key in ("value", "low", "high"))
    return f"{value}{' %' if percent else ''} [{low}, {high}]"
