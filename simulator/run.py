"""What one replication of one fleet did: one row per counted request, and what the fleet saw."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from simulator.control.accounts import Accounts, incidents_of
from simulator.control.books import Books
from simulator.traffic import NS_PER_S

Floats = NDArray[np.float64]
Ints = NDArray[Any]
"""Whole numbers, of the type that holds them in the least memory."""

OUTCOMES = ("completed", "rejected", "timed_out", "lost", "unfinished")
COMPLETED, REJECTED, TIMED_OUT, LOST, UNFINISHED = range(len(OUTCOMES))


@dataclass(frozen=True)
class Run:
    """One SLA period of one fleet.

    Request columns (one row per request that arrived in the period, by arrival; times in seconds,
    0 = start of the period): arrival_s, input_tokens, output_tokens, group, first_token_s (NaN
    when none came), finish_s (when it left, however; NaN for unfinished), replica (the last one
    that held it, -1 none), preemptions, retries, outcome (index into OUTCOMES), cached_tokens
    (prompt tokens found in the prefix cache when it was last admitted), fault (the last one that
    hit it, index into `faults`; -1 none).

    itl_histogram: decode gaps of the period (simulator/histogram.py).
    timeline: columns time_s, replicas_up, waiting, running, kv_used (share of the live pools),
    arrivals (since the sample before).
    incidents: the faults that struck in the period or were under way at its start, by their begin:
    fault, component, replicas (ids of those hit), begin_s, noticed_s, end_s (NaN when that did not
    come before the end of the run; begin_s may be below 0).
    steps: engine steps that end in the period.
    stopped_early: the run ended once its verdict was certain; rows without an end are unfinished.
    """

    arrival_s: Floats
    input_tokens: Ints
    output_tokens: Ints
    group: Ints
    first_token_s: Floats
    finish_s: Floats
    replica: Ints
    preemptions: Ints
    retries: Ints
    outcome: Ints
    cached_tokens: Ints
    fault: Ints
    faults: tuple[str, ...]
    """Names of the scenario's faults."""
    horizon_s: float
    itl_histogram: Ints
    timeline: pd.DataFrame
    incidents: pd.DataFrame
    accounts: Accounts
    steps: int
    prefill_tokens: int
    """Prompt tokens computed (and recomputed) in those steps."""
    busy_share: float
    """Share of the period that a replica spends computing; mean over all replicas, including those
    that an autoscaler has not started."""
    stopped_early: bool
    inputs: dict[str, float] = field(default_factory=dict)
    """What was drawn of the scenario's uncertain inputs, by path (simulator/inputs.py)."""

    def __len__(self) -> int:
        return self.arrival_s.size

    @property
    def hit(self) -> NDArray[np.bool_]:
        """Requests that some fault hit."""
        return np.asarray(self.fault >= 0)

    @property
    def completed(self) -> NDArray[np.bool_]:
        return np.asarray(self.outcome == COMPLETED)

    @property
    def ttft_s(self) -> Floats:
        """Arrival to first token; infinite for a request that did not complete."""
        return np.where(self.completed, self.first_token_s - self.arrival_s, np.inf)

    @property
    def e2e_s(self) -> Floats:
        """Arrival to last token; infinite for a request that did not complete."""
        return np.where(self.completed, self.finish_s - self.arrival_s, np.inf)

    @property
    def tpot_s(self) -> Floats:
        """Mean time per output token after the first; 0 for one token, infinite as above."""
        gaps = np.maximum(self.output_tokens - 1, 1)
        return np.where(self.completed, (self.finish_s - self.first_token_s) / gaps, np.inf)


def incident_frame(columns: dict[str, Any] | None = None) -> pd.DataFrame:
    """`Run.incidents` of its columns; none at all when not given."""
    kinds = {"fault": "str", "component": "str", "replicas": "object"}
    kinds |= dict.fromkeys(("begin_s", "noticed_s", "end_s"), "float64")
    columns = columns or dict.fromkeys(kinds, ())
    # Typed column by column: casting the whole frame costs as much as a short period's run.
    return pd.DataFrame({name: pd.array(columns[name], dtype=kind) for name, kind in kinds.items()})


NO_INCIDENTS = incident_frame()


def incidents_in_period(books: Books, horizon_ns: int) -> pd.DataFrame:
    """The incidents of the books, as a run tells them."""
    incidents = incidents_of(books, horizon_ns)
    if not incidents:
        return NO_INCIDENTS.copy()
    instants = {"begin_s": "begin_ns", "noticed_s": "noticed_ns", "end_s": "end_ns"}
    return incident_frame(
        {
            "fault": [books.faults[one.fault] for one in incidents],
            "component": [one.component for one in incidents],
            "replicas": [list(one.replicas) for one in incidents],
            **{
                name: [seconds(getattr(one, instant)) for one in incidents]
                for name, instant in instants.items()
            },
        }
    )


def seconds(instant_ns: int | None) -> float:
    """Of an instant, NaN where there is none."""
    return float("nan") if instant_ns is None else instant_ns / NS_PER_S
