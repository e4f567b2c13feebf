"""A measured case: what ran, what was asked of it, what was measured, what peers predicted.

Latencies are kept in the unit of the data, milliseconds, because that is what a reader compares.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from scenarios.catalogue.facts import Model
from scenarios.fleet import Replica
from scenarios.latency import Latency
from simulator.traffic import Workload


@dataclass(frozen=True)
class StaticBatch:
    """`batch` identical requests at once: one prefill of all, then decode steps until the end."""

    batch: int
    input_tokens: int
    output_tokens: int


@dataclass(frozen=True)
class ClosedLoop:
    """`concurrency` clients, each sending its next request when its last one is answered."""

    concurrency: int
    input_tokens: tuple[int, int]
    """Shortest and longest, drawn uniformly; equal for a fixed length."""
    output_tokens: tuple[int, int]
    requests: int
    """How many are counted."""
    warm_up: int
    """How many before them are not."""
    lengths: tuple[tuple[int, int], ...] = ()
    """Prompt and answer of each request in the order sent, where they are known; then the ranges
    only sum them up."""


@dataclass(frozen=True)
class Stage:
    """Requests in [start_s, start_s + duration_s), exactly `requests` of them."""

    start_s: float
    duration_s: float
    requests: int


@dataclass(frozen=True)
class OpenLoop:
    """Arrivals that do not wait for answers: recorded ones, or rates stage by stage."""

    recorded: Workload | None
    """One row per request where every arrival is known; stages are then only for scoring."""
    stages: tuple[Stage, ...]
    input_tokens: int
    output_tokens: int
    prompts: int
    """Distinct prompts, sent round robin; 0 when every prompt is new."""
    timeout_s: float
    """Of the client; infinite when it waits for ever."""


Load = StaticBatch | ClosedLoop | OpenLoop


@dataclass(frozen=True)
class Peer:
    """One figure another simulator predicted, and the measured one its authors hold against it:
    not always ours (`tpot_mean` from re-counted output tokens, the first 300 requests only)."""

    predicted: float
    actual: float


@dataclass(frozen=True)
class Case:
    """One measured run.

    measured: metric -> value. Metrics: ttft_mean, ttft_p50, ttft_p90, ttft_p95, ttft_p99, the same
    of tpot and e2e (all ms), prefill, decode (ms, of a static batch), throughput (output tokens/s),
    completed (requests).  peers: simulator -> metric -> its figure, same units.
    """

    dataset: str
    case_id: str
    split: str | None
    model: Model
    replica: Replica
    load: Load
    measured: Mapping[str, float]
    measured_requests: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """ttft, e2e -> ms of each request, NaN without an answer; rows as in `load.recorded`."""
    peers: Mapping[str, Mapping[str, Peer]] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    """What the data leave open, in words: 'max_num_seqs 256 (not stated)'."""
    latency: Latency | None = None
    """A step time other than physics."""
    overloaded: bool = False
    """More work arrived than left: scored apart, a few percent of step time change everything."""
    suspect: str | None = None
    """Why the figures may not be what they seem: reported, kept out of fits and summaries."""
    group: str = ""
    """What sets it apart from the other cases of its data set: reported as a table of its own."""


@dataclass(frozen=True)
class Refused:
    """A case of the folder that cannot be simulated, and why."""

    dataset: str
    case_id: str
    reason: str
