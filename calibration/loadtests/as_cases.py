"""Runs of load tests -> cases of one replica, as they were measured."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from calibration.cases import Case, ClosedLoop, Load, OpenLoop, Stage
from calibration.loadtests.runs import LoadTest, RequestColumns, Run
from calibration.loadtests.suspicion import grave
from calibration.profile_figures import NO_STEP, chosen
from scenarios.catalogue.facts import Model
from scenarios.fleet import Replica
from simulator.traffic import NS_PER_S, Workload

ALL_AT_ONCE = ("vllm-bench", "guidellm")
"""Tools that send everything at once when told neither a rate nor a concurrency."""
REQUESTS_PER_CLIENT = 10
"""Where a file does not say how many requests there were."""
FULL_SHARE = 0.9
"""Requests in flight, of the most a client allows, from which on that limit and not its rate
decides when it sends."""


@dataclass(frozen=True)
class LeftOut:
    """A run that is not used, and why."""

    name: str
    reason: str

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def cases_of(
    tests: Sequence[LoadTest], model: Model, replica: Replica, keep_suspicious: bool = False
) -> tuple[list[Case], list[LeftOut]]:
    """Every usable run as a case of `model` on `replica`. Without `keep_suspicious` those with
    grave suspicions are left out."""
    cases, left_out = [], []
    for test in tests:
        for run in test.runs:
            name = run.name if len(tests) == 1 else f"{test.path.name}: {run.name}"
            load, reason = load_of(run) if chosen(run.measured) else (None, NO_STEP)
            doubts = [] if keep_suspicious else grave(run)
            if load is None or doubts:
                left_out.append(LeftOut(name, " ".join(doubts) or reason))
            else:
                cases.append(
                    Case(test.path.name, name, None, model, replica, load, dict(run.measured))
                )
    return cases, left_out


def load_of(run: Run) -> tuple[Load | None, str]:
    """How the requests were sent, or why nobody knows."""
    if run.concurrency and not (run.rate_per_s and below_its_limit(run)):
        return closed_loop(run, max(1, round(run.concurrency))), ""
    if run.rate_per_s:
        return open_loop(run, run.rate_per_s), ""
    if run.tool in ALL_AT_ONCE and run.requests:
        return closed_loop(run, run.requests), ""
    if (workload := recorded(run.per_request)) is not None:
        return OpenLoop(workload, (), *mean_lengths(run), prompts=0, timeout_s=np.inf), ""
    return None, (
        "it says neither how many requests were in flight nor their rate; write its figures into "
        "a CSV with a column `concurrency`"
    )


def below_its_limit(run: Run) -> bool:
    """Whether a rate with a limit on requests in flight stayed clear of that limit."""
    e2e_ms = run.measured.get("e2e_mean")
    if not (run.concurrency and run.rate_per_s and e2e_ms):
        return True
    return run.rate_per_s * e2e_ms / 1e3 < FULL_SHARE * run.concurrency


def closed_loop(run: Run, concurrency: int) -> ClosedLoop:
    inputs, outputs = mean_lengths(run)
    requests = run.requests or REQUESTS_PER_CLIENT * concurrency
    return ClosedLoop(
        concurrency,
        (inputs, inputs),
        (outputs, outputs),
        requests,
        warm_up=0,
        lengths=known_lengths(run.per_request),
    )


def open_loop(run: Run, rate_per_s: float) -> OpenLoop:
    """At the instants of the file, else with exponential gaps."""
    workload = recorded(run.per_request) if all_are_listed(run) else None
    sent = (run.requests or 0) + (run.failed or 0)
    requests = sent or round(rate_per_s * (run.duration_s or 0.0)) or 100
    stages = () if workload else (Stage(0.0, requests / rate_per_s, requests),)
    return OpenLoop(workload, stages, *mean_lengths(run), prompts=0, timeout_s=np.inf)


def mean_lengths(run: Run) -> tuple[int, int]:
    return max(1, round(run.input_tokens_mean)), max(1, round(run.output_tokens_mean))


def known_lengths(columns: RequestColumns | None) -> tuple[tuple[int, int], ...]:
    """Prompt and answer of each request in the order sent; none unless all are known."""
    if columns is None:
        return ()
    order = np.argsort(columns.arrival_s, kind="stable")
    lengths = np.stack([columns.input_tokens[order], columns.output_tokens[order]], axis=1)
    if not (lengths >= 1).all():
        return ()
    return tuple((int(prompt), int(answer)) for prompt, answer in lengths.tolist())


def all_are_listed(run: Run) -> bool:
    """Whether the file has every request that was sent: some keep a sample, or what succeeded."""
    listed = 0 if run.per_request is None else run.per_request.arrival_s.size
    return not run.failed and run.requests in (None, listed)


def recorded(columns: RequestColumns | None) -> Workload | None:
    """The requests at their instants; None unless these and both lengths are known."""
    lengths = known_lengths(columns)
    if columns is None or not lengths or not np.isfinite(columns.arrival_s).all():
        return None
    inputs, outputs = np.array(lengths, dtype=np.int32).T
    arrival_ns = np.rint(np.sort(columns.arrival_s) * NS_PER_S).astype(np.int64)
    return Workload(arrival_ns, inputs, outputs, np.zeros(arrival_ns.size, dtype=np.int16))
