"""How fast demand is drawn: arrivals of every kind, lengths, whole workloads."""

from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.engine import Entry
from benchmarks.loads import OUTPUT, PROMPT, SEED, chat
from benchmarks.stopwatch import Effort, take_turns
from scenarios.demand import Traffic
from simulator.streams import stream
from simulator.traffic import draw_workload
from simulator.traffic.drawing import Period
from simulator.traffic.lengths.tokens import draw_lengths
from simulator.traffic.open_loop import draw_open, draw_starts

RATE_PER_S = 1000.0
LOGNORMAL = {"kind": "lognormal", "median": 1020, "p95": 3400, "max": 8192}
# Rates of which each holds for a hundredth of the time, as in a table of recorded windows.
TABLE = {
    "kind": "table",
    "every": "10s",
    "factors": [0.5 + (37 * i % 100) / 100 for i in range(100)],
}
ARRIVALS: dict[str, dict[str, Any]] = {
    "constant": {},
    "poisson": {},
    "gamma": {"cv": 2.0},
    "weibull": {"cv": 2.0},
    "poisson, rate table": {"kind": "poisson", "modulation": [TABLE]},
    "on-off": {"on": "5s", "off": "20s", "cv": 1.5},
    "mmpp": {
        "states": [
            {"level": 1.0, "lasts": "20s"}, {"level": 5.0, "lasts": "2s"},
            {"level": 0.0, "lasts": "4s"},
        ],
    },
    "population, 1000 clients": {
        "kind": "population", "clients": 1000, "cv": 2.0, "cv_p95": 10.0, "active_share": 0.3,
    },
}  # fmt: skip
LENGTHS: dict[str, Any] = {
    "lognormal": LOGNORMAL,
    "quantiles": {
        "kind": "quantiles", "tokens": [round(10 * 1.4**place) for place in range(21)],
    },
    "mixture": PROMPT,
}  # fmt: skip
LEVELS = [{"tokens": 512}, {"tokens": 256, "variants": 1000, "zipf": 1.0}]


def drawing(effort: Effort) -> list[Entry]:
    """Arrivals alone, lengths alone (one per request), then all of a group: arrivals, both lengths
    and prefixes, and the workload of a scenario with one group."""
    size = effort.requests(1_000_000)
    timed = take_turns(effort.repeats, arrivals(size) | lengths(size) | wholes(size))
    return [
        {
            "what": name,
            "requests": turn.result,
            "requests_per_s": turn.result / turn.cpu_s,
        }
        for name, turn in timed.items()
    ]


Works = dict[str, Callable[[], int]]
"""Pieces of work, each of which returns how many requests it has drawn."""


def arrivals(size: int) -> Works:
    groups = {name: group({"kind": name} | described) for name, described in ARRIVALS.items()}
    return {f"{name} arrivals": partial(starts_drawn, each, size) for name, each in groups.items()}


def starts_drawn(traffic: Traffic, size: int) -> int:
    return draw_starts(traffic, period(size), partial(stream, SEED)).size


def lengths(size: int) -> Works:
    groups = {name: group({"kind": "poisson"}, described) for name, described in LENGTHS.items()}
    return {f"{name} lengths": partial(lengths_drawn, each, size) for name, each in groups.items()}


def lengths_drawn(traffic: Traffic, size: int) -> int:
    return draw_lengths(traffic.input_tokens, size, stream(SEED, "lengths")).size


def wholes(size: int) -> Works:
    clients = ARRIVALS["population, 1000 clients"] | {"length_sigma": 0.5}
    gamma = {"kind": "gamma", "rate": "24/s", "cv": 1.2}
    scenarios = {
        name: chat(4, size, traffic={"arrivals": gamma, "prefixes": prefixes})
        for name, prefixes in (("workload", []), ("workload with prefixes", LEVELS))
    }
    groups = {
        "gamma group": group({"kind": "gamma", "cv": 2.0}),
        "group of 1000 clients": group(clients),
    }
    return {name: partial(group_drawn, each, size) for name, each in groups.items()} | {
        name: partial(workload_drawn, scenario) for name, scenario in scenarios.items()
    }


def group_drawn(traffic: Traffic, size: int) -> int:
    return draw_open(traffic, period(size), partial(stream, SEED)).arrival_s.size


def workload_drawn(scenario: Any) -> int:
    return len(draw_workload(scenario, SEED, 0))


def group(described: dict[str, Any], prompt: Any = LOGNORMAL) -> Traffic:
    rate = {"rate": f"{RATE_PER_S}/s"}
    return Traffic.model_validate(
        {"name": "a", "arrivals": described | rate, "input_tokens": prompt, "output_tokens": OUTPUT}
    )


def period(size: int) -> Period:
    return Period(0.0, size / RATE_PER_S, size / RATE_PER_S)
