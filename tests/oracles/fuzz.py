"""The compiled plane against its twin on random cases: `python -m tests.oracles.fuzz --cases 5000`.

Exit code 1, with the seeds and the first differences, when any case differs in any bit. With
NUMBA_DISABLE_JIT=1 the kernel runs as plain Python.
"""
# ruff: noqa: T201

import argparse
import os
import sys
import traceback
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from simulator.data_plane import Limits, Observation, Outcome, Setup
from simulator.journal import in_order
from simulator.kernel.journal import ENTRY
from simulator.kernel.state import NEVER_NS
from simulator.plane import Plane
from simulator.run import COMPLETED, LOST, REJECTED, TIMED_OUT, UNFINISHED
from simulator.traffic import Chains
from tests.oracles.fuzz_cases import Case, journals_unequal, looks_unequal, random_case
from tests.oracles.twin import Twin
from tests.oracles.twin_engine import Request, Scheduler, Step

AT_ONCE = 20
"""Cases that a worker takes together."""
JOURNAL = 200_000
"""Entries: more than a case comes to."""
SHOWN = 10
"""Cases whose differences are printed."""


class Comparison(NamedTuple):
    """What two planes say differently of a case, and what happened in it."""

    seed: int
    differences: list[str]
    seen: Counter[str]


class WatchedScheduler(Scheduler):
    """Counts what steps that are not mixed do to those who take no part in them."""

    def __init__(self, limits: Limits, happened: Counter[str]) -> None:
        super().__init__(limits)
        self.happened, self.paused = happened, False

    def compose(self) -> Step | None:
        there = set(self.running)
        step = super().compose()
        idle = {r for r in self.running if step is not None and r not in step.granted}
        self.happened["pauses"] += any(request.decoding for request in idle)
        self.happened["prefills without blocks"] += any(not request.decoding for request in idle)
        self.happened["preemptions after a pause"] += self.paused and not there <= set(self.running)
        self.paused = any(request.decoding for request in idle)
        return step


class Watched(Twin):
    """A twin that counts what its outcome does not tell."""

    def __init__(self, setup: Setup) -> None:
        super().__init__(setup)
        names = (
            "stranded", "pauses", "prefills without blocks", "preemptions after a pause",
            "arrivals after a failure", "arrivals brought forward",
        )  # fmt: skip
        self.happened.update(dict.fromkeys(names, 0))
        self.bring, self.arrivals.bring = self.arrivals.bring, self.watched_bring
        for replica in self.replicas:
            replica.scheduler = WatchedScheduler(replica.scheduler.limits, self.happened)

    def watched_bring(self, request: Request, ended_ns: int) -> None:
        before_ns = request.planned_ns
        self.bring(request, ended_ns)
        self.happened["arrivals brought forward"] += request.planned_ns < before_ns < NEVER_NS

    def arrive(self, request: Request) -> None:
        self.happened["arrivals after a failure"] += len(request.ends_ns) < request.waits_for
        super().arrive(request)

    def route(self, request: Request) -> None:
        super().route(request)
        line = self.waiting_for_a_replica
        self.happened["stranded"] += bool(line) and line[-1] is request


def compare(seed: int) -> Comparison:
    """Play the case of a seed on both planes."""
    case, twins, planes = random_case(seed), [], []

    def watched(setup: Setup) -> Twin:
        twins.append(Watched(setup))
        return twins[0]

    def journaling(setup: Setup) -> Plane:
        planes.append(Plane(setup, JOURNAL))
        return planes[0]

    looks: tuple[list[Observation], list[Observation]] = [], []
    expected = case.play(watched, looks[0])
    try:
        with np.errstate(over="ignore"):  # 64-bit hashes wrap around
            outcome = case.play(journaling, looks[1])
        differences = case.differences(expected, outcome)
        if not expected.stopped_early and not outcome.stopped_early:
            differences += looks_unequal(*looks)
            journals = in_order(np.array(twins[0].journal, ENTRY)), planes[0].journal
            differences += journals_unequal(case, expected, *journals)
    except Exception:  # it is a difference, and the other seeds are to be played, too
        differences = [f"the plane raised {traceback.format_exc(limit=-3)}"]
    twins[0].happened["journal entries"] = len(twins[0].journal)
    return Comparison(seed, differences, seen(case, expected, twins[0].happened))


def seen(case: Case, outcome: Outcome, happened: Counter[str]) -> Counter[str]:
    """What a case is about: its choices, and what became of them."""
    setup, ended = case.setup, outcome.outcome
    instants = np.concatenate([outcome.finish_ns, outcome.first_token_ns])
    limits = [pool.limits for pool in setup.pools]
    by_rule = setup.routing_rule is not None
    follow_ups, arrived = setup.workload.follow_ups, outcome.arrival_ns < NEVER_NS
    emerges = follow_ups.emerges if follow_ups is not None else np.zeros_like(arrived)
    arrivals_ns, together = np.unique(outcome.arrival_ns[arrived], return_counts=True)
    tied = arrivals_ns[together > 1]
    return Counter(
        {
            "cases": 1,
            "requests": ended.size,
            "completed": int((ended == COMPLETED).sum()),
            "rejected": int((ended == REJECTED).sum()),
            "timed out": int((ended == TIMED_OUT).sum()),
            "lost": int((ended == LOST).sum()),
            "unfinished": int((ended == UNFINISHED).sum()),
            "steps": outcome.steps,
            "preemptions": int(outcome.preemptions.sum()),
            "preemptions of one request": int(outcome.preemptions.max(initial=0)),
            "preemptions by priority": int(
                outcome.preemptions.sum() if any(one.priority_policy for one in limits) else 0
            ),
            "retries": int(outcome.retries.sum()),
            **happened,
            "cached tokens": int(outcome.cached_tokens.sum()),
            "arrivals at a step's end": int(np.isin(outcome.arrival_ns, instants).sum()),
            "follow-ups": int(follow_ups is not None),
            "follow-ups that arrived": int((arrived & emerges).sum()),
            "follow-ups that never arrived": int((~arrived & emerges).sum()),
            "follow-ups at equal instants": int(
                np.isin(outcome.arrival_ns[arrived & emerges], tied).sum()
            ),
            "stopped early": int(outcome.stopped_early),
            "routing rules": int(by_rule),
            "admission rules": int(setup.admission_rule is not None),
            "queue limits": int(setup.queue_limit is not None),
            "several pools": int(len(setup.pools) > 1),
            "failures and scaling": int(any(a.name == "close" for a in case.script)),
            "looks": sum(action.name == "look" for action in case.script),
            "hit by a fault": int((outcome.fault >= 0).sum()),
            "completed although hit": int(((outcome.fault >= 0) & (ended == COMPLETED)).sum()),
            "tokens lost": outcome.tokens_lost,
            "asynchronous": int(any(one.async_scheduling for one in limits)),
            "synchronous": int(not all(one.async_scheduling for one in limits)),
            "prefix caching": int(any(one.prefix_caching for one in limits)),
            "growing prefixes": int(grows(setup.workload.chains)),
            "unchunked": int(not all(one.chunked_prefill for one in limits)),
            "prefill first": int(not all(one.mixed_steps for one in limits)),
            "experts": int(any(pool.time.experts_s > 0 for pool in setup.pools)),
            "replies": int(any(any(pool.reply) for pool in setup.pools)),
            f"router {setup.router}": int(len(setup.pool_of) > 1 and not by_rule),
        }
    )


def grows(chains: Chains | None) -> bool:
    """Whether a segment ends here in one prompt and there in another."""
    if chains is None:
        return False
    ends = np.unique(np.stack([chains.keys, chains.ends]), axis=1)
    return bool(np.unique(ends[0]).size < ends[0].size)


def total(comparisons: Iterable[Comparison]) -> Counter[str]:
    """What happened in all of them; of 'preemptions of one request' the most."""
    key, whole, most = "preemptions of one request", Counter[str](), 0
    for comparison in comparisons:
        whole.update(comparison.seen)
        most = max(most, comparison.seen[key])
    whole[key] = most
    return whole


def compare_all(seeds: range, workers: int) -> Iterator[Comparison]:
    """In order of seeds."""
    if workers == 1:
        yield from map(compare, seeds)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(compare, seeds, chunksize=AT_ONCE)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.oracles.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--start", type=int, default=0, help="the first seed (default: 0)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="processes")
    given = parser.parse_args()
    compiled = os.environ.get("NUMBA_DISABLE_JIT", "0") in ("", "0")
    if given.workers > 1 and compiled:
        compare(given.start)  # compiled once, for all of them
    comparisons, different = [], []
    for comparison in compare_all(range(given.start, given.start + given.cases), given.workers):
        comparisons.append(comparison)
        if comparison.differences:
            different.append(comparison)
            if len(different) <= SHOWN:
                print(f"seed {comparison.seed}:", *comparison.differences, sep="\n  ")
    covered = ", ".join(f"{count:,} {name}" for name, count in sorted(total(comparisons).items()))
    print(f"{'compiled' if compiled else 'interpreted'} plane and twin: {covered}")
    if different:
        print(f"{len(different)} cases DIFFER, seeds {[c.seed for c in different]}")
        return 1
    print("no difference")
    return 0


if __name__ == "__main__":
    sys.exit(main())
