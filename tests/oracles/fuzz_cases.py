"""Random small cases for data planes, and what two planes say differently of one.

    case = random_case(seed)
    case.differences(case.play(Twin), case.play(Other))

Everything is deterministic in the seed. The cases are small and mean: few blocks, few seats, many
events at the same instant.
"""

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import simpy
from numpy.typing import NDArray

from simulator.data_plane import DataPlane, Observation, Outcome, Setup
from simulator.journal import Entries
from simulator.kernel.journal import ENDED
from simulator.traffic import NS_PER_S
from tests.oracles.fuzz_clients import (
    random_attempts,
    random_breaker,
    random_choices,
    random_gates,
)
from tests.oracles.fuzz_demand import CHAINS, random_workload
from tests.oracles.fuzz_fleet import (
    Action,
    emptiest,
    random_allowances,
    random_looks,
    random_pools,
    random_script,
    random_slowness,
    short_of_work,
    timeout_ns,
)
from tests.oracles.fuzz_follow_ups import random_follow_ups

ROUTERS = (
    "round-robin", "random", "power-of-two", "least-outstanding", "least-kv", "prefix-aware",
)  # fmt: skip


@dataclass(frozen=True)
class Case:
    """One setup, what is done to its replicas, and when it ends at the latest."""

    seed: int
    setup: Setup
    script: tuple[Action, ...]
    end_ns: int

    def play(
        self, plane: Callable[[Setup], DataPlane], looks: list[Observation] | None = None
    ) -> Outcome:
        """`looks` takes what was observed on the way."""
        return play(plane(self.setup), self.script, self.end_ns, looks)

    def differences(self, a: Outcome, b: Outcome) -> list[str]:
        """Where the run may end before `end_ns`, what depends on that instant is left out."""
        if self.end_ns == self.setup.horizon_ns:
            return differences(a, b)
        left_out = ["free_blocks"]
        if self.setup.attempts.hedge_ns is not None:
            left_out.append("preemptions")  # those of losers that nobody waits for
        return differences(a, b, self.counted(a) | self.counted(b), left_out)

    def counted(self, outcome: Outcome) -> NDArray[np.bool_]:
        """Rows that arrived in the period."""
        arrival_ns = outcome.arrival_ns
        counted: NDArray[np.bool_] = (arrival_ns >= 0) & (arrival_ns < self.setup.horizon_ns)
        return counted


def play(
    plane: DataPlane,
    script: Iterable[Action],
    end_ns: int,
    looks: list[Observation] | None = None,
) -> Outcome:
    """Install the script on the plane's clock, and run."""
    stopped: set[int] = set()

    def act(action: Action) -> Generator[simpy.Event, Any, None]:
        yield plane.env.timeout(action.time_ns - plane.env.now)
        name, replica = action.name, action.replica
        if name == "stop_if_idle":
            if plane.outstanding()[replica] == 0:
                plane.stop(replica)
                stopped.add(replica)
        elif name == "start_if_stopped":
            if replica in stopped:
                plane.start(replica)
                stopped.remove(replica)
        elif name == "look":
            if looks is not None:
                looks.append(plane.observe())
        else:
            getattr(plane, name)(replica, *action.given)

    for action in script:
        plane.env.process(act(action))
    return plane.run(end_ns)


def differences(
    a: Outcome, b: Outcome, rows: NDArray[np.bool_] | None = None, left_out: Iterable[str] = ()
) -> list[str]:
    """What differs, to the last bit. `rows`: look only at these.

    When both stopped early, the rest depends on when exactly they noticed.
    """
    if a.stopped_early or b.stopped_early:
        same = a.stopped_early == b.stopped_early
        return [] if same else [f"stopped_early: {a.stopped_early} != {b.stopped_early}"]
    found = []
    for name in (field.name for field in fields(Outcome)):
        if name not in left_out:
            chosen = rows if name in ROW_COLUMNS else None
            found += unequal(name, getattr(a, name), getattr(b, name), chosen)
    return found


def unequal(name: str, a: Any, b: Any, rows: NDArray[np.bool_] | None = None) -> list[str]:
    """The first places, and their number."""
    one, other = np.asarray(a), np.asarray(b)
    if one.shape != other.shape:
        return [f"{name}: shapes {one.shape} != {other.shape}"]
    places = np.argwhere((one != other) if rows is None else (one != other) & rows)
    found = [
        f"{name}{[int(i) for i in place]}: {one[place]} != {other[place]}"
        for place in map(tuple, places[:5])
    ]
    return found + ([f"{name}: {len(places)} places in all"] if len(places) > 5 else [])


def looks_unequal(a: Iterable[Observation], b: Iterable[Observation]) -> list[str]:
    """What was observed differently, look by look."""
    return [
        f"look {number}, {difference}"
        for number, (one, other) in enumerate(zip(a, b, strict=True))
        for name in Observation._fields
        for difference in unequal(name, getattr(one, name), getattr(other, name))
    ]


def journals_unequal(case: Case, outcome: Outcome, a: Entries, b: Entries) -> list[str]:
    """The first entries that differ. Where the run may end before `end_ns`, only those of counted
    requests are looked at, up to their ends: what comes later depends on when that is."""
    if case.end_ns != case.setup.horizon_ns:
        a, b = (until_the_end(journal, case.counted(outcome)) for journal in (a, b))
    for place in range(max(a.size, b.size)):
        one, other = (journal[place : place + 1].tolist() for journal in (a, b))
        if one != other:
            return [f"journal: {a.size} and {b.size} entries; at {place}: {one} != {other}"]
    return []


def until_the_end(journal: Entries, counted: NDArray[np.bool_]) -> Entries:
    """Entries of counted requests and their copies, as long as they have not ended."""
    row = journal["row"] % counted.size
    ends_ns = np.full(counted.size, np.iinfo(np.int64).max)
    ended = journal[journal["event"] == ENDED]
    ends_ns[ended["row"]] = ended["ns"]
    return journal[(journal["row"] >= 0) & counted[row] & (journal["ns"] <= ends_ns[row])]


ROW_COLUMNS = (
    "arrival_ns", "first_token_ns", "finish_ns", "replica", "preemptions", "retries", "outcome",
    "cached_tokens", "fault",
)  # fmt: skip


def random_case(seed: int, **forced: Any) -> Case:
    """The case of a seed. `forced` fixes some of the choices below by name."""
    rng = np.random.default_rng(seed)
    grid_s = float(rng.choice([0.1, 1.0]))
    choices: dict[str, Any] = {
        "rows": int(rng.choice([rng.integers(1, 8), rng.integers(8, 60), rng.integers(60, 151)])),
        "replicas": int(rng.integers(1, 6)),
        "pools": int(rng.integers(1, 4)),
        "coarse": bool(rng.random() < 0.4),
        "experts": bool(rng.random() < 0.3),
        "chains": str(rng.choice(CHAINS)),
        "prefix_caching": None,
        "async_scheduling": None,
        "chunked_prefill": None,
        "priority_policy": None,
        "mixed_steps": None,
        "router": str(rng.choice(ROUTERS)),
        "routing_rule": bool(rng.random() < 0.1),
        "admission_rule": bool(rng.random() < 0.1),
        "queue_limit": None if rng.random() < 0.7 else int(rng.integers(1, 12)),
        "timeout_steps": [None, int(rng.integers(2, 15)), int(rng.integers(15, 200))][
            rng.choice(3, p=[0.4, 0.2, 0.4])
        ],
        "retries": int(rng.integers(0, 4)),
        "priorities": 4,
        "allowances": bool(rng.random() < 0.2),
        "failures": bool(rng.random() < 0.6),
        "to_the_end": bool(rng.random() < 0.5),
        "steps": int(rng.integers(5, 250)),
        "follow_ups": None,
    }
    clients_rng = np.random.default_rng([seed, 1])  # what came later leaves the rest as it was
    choices |= random_choices(clients_rng)
    choices |= {"slow": bool(clients_rng.random() < 0.3), "looks": True}
    if clients_rng.random() < 0.1:
        grid_s = 0.001  # the shortest wait, and what losers of a race are left
    if rng.random() < 0.05:
        # Now and then far outside what is usual, where narrow types would overflow.
        choices |= {"replicas": 40, "pools": 8, "priorities": 300, "retries": 40_000}
    assert set(forced) <= set(choices), f"not a choice: {set(forced) - set(choices)}"
    choices |= forced
    grid_ns = round(grid_s * NS_PER_S)
    horizon_ns = choices["steps"] * grid_ns
    start_ns = -int(rng.choice([0, choices["steps"] // 4])) * grid_ns
    tail_ns = int(rng.choice([choices["steps"] // 3 + 1, 50 * choices["steps"]])) * grid_ns
    end_ns = horizon_ns if choices["to_the_end"] else horizon_ns + tail_ns
    pools = random_pools(rng, choices, grid_s)
    blocks = [pool.limits.block_tokens for pool in pools]
    last_ns = min(end_ns, horizon_ns + horizon_ns // 3)
    workload = random_workload(
        rng,
        rows=choices["rows"],
        span_ns=(start_ns, last_ns),
        grid_ns=grid_ns if choices["coarse"] else 1,
        chains=choices["chains"],
        block_tokens=int(rng.choice(blocks)),
        tokens_max=max(pool.limits.blocks * pool.limits.block_tokens for pool in pools),
    )
    follow_rng = rng.spawn(1)[0]
    follow_up = follow_rng.random() < 1 / 3
    arrival_ns = workload.arrival_ns
    counted = (arrival_ns >= 0) & (arrival_ns < horizon_ns)
    if follow_up if choices["follow_ups"] is None else choices["follow_ups"]:
        follow_ups = random_follow_ups(follow_rng, len(workload), grid_ns)
        workload = replace(workload, follow_ups=follow_ups)
        counted &= ~follow_ups.emerges
    retries = choices["retries"]
    attempts = random_attempts(clients_rng, choices, retries, grid_ns)
    breaker = random_breaker(clients_rng, choices["replicas"], grid_ns)
    gates, gate_of = random_gates(clients_rng, workload.group, grid_ns)
    setup = Setup(
        workload=workload,
        counted=counted,
        start_ns=start_ns,
        horizon_ns=horizon_ns,
        priority=rng.integers(0, choices["priorities"], len(workload)),
        pools=pools,
        router=choices["router"],
        routing_rule=emptiest if choices["routing_rule"] else None,
        admission_rule=short_of_work if choices["admission_rule"] else None,
        queue_limit=choices["queue_limit"],
        salt=int(rng.integers(0, 2**63 - 1)),
        timeout_ns=timeout_ns(rng, choices, grid_ns),
        retries=retries,
        allowances=random_allowances(rng, workload, grid_s) if choices["allowances"] else (),
        sample_interval_ns=int(rng.integers(1, 20)) * grid_ns // int(rng.choice([1, 1, 3])),
        attempts=attempts,
        breaker=breaker if choices["breaker"] else None,
        gates=gates if choices["gates"] else (),
        gate_of=gate_of if choices["gates"] else None,
    )
    quantum_ns = grid_ns if choices["coarse"] else 1
    lives = random_script(rng, setup, end_ns, quantum_ns, grid_ns)
    script = lives if choices["failures"] else []
    if choices["slow"]:
        script = script + random_slowness(clients_rng, setup, end_ns, quantum_ns)
    if choices["looks"]:
        script = script + random_looks(clients_rng, setup, quantum_ns)
    script.sort(key=lambda action: action.time_ns)
    return Case(seed, setup, tuple(script), end_ns)
