"""Random fleets for fuzz_cases.py: pools, clients, allowances, lives of replicas, users' rules."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from simulator.data_plane import Allowance, Limits, Pool, Reply, Setup
from simulator.kernel.step_time import StepTime
from simulator.rules import ReplicaView, RequestView
from simulator.traffic import NS_PER_S, Workload

FOREVER_NS = 1 << 60


class Action(NamedTuple):
    """What the script does to a replica at an instant: a method of DataPlane, or
    stop_if_idle / start_if_stopped, as scaling does it; or look, which keeps what is observed."""

    time_ns: int
    name: str
    replica: int = -1
    given: tuple[Any, ...] = ()
    """What else the method is told."""


def timeout_ns(rng: np.random.Generator, choices: dict[str, Any], grid_ns: int) -> int:
    """A client's patience: for ever, or some steps, in half of the cases a whole number of them."""
    if choices["timeout_steps"] is None:
        return FOREVER_NS
    return choices["timeout_steps"] * grid_ns + int(rng.choice([0, grid_ns // 3]))


def random_pools(rng: np.random.Generator, choices: dict[str, Any], grid_s: float) -> list[Pool]:
    pools = min(choices["pools"], choices["replicas"])
    each = 1 + rng.multinomial(choices["replicas"] - pools, [1 / pools] * pools)
    grid_ns, replies = round(grid_s * NS_PER_S), rng.spawn(1)[0]
    return [
        Pool(
            int(n),
            random_limits(rng, choices),
            random_time(rng, choices, grid_s),
            random_reply(replies, grid_ns),
        )
        for n in each
    ]


def random_reply(rng: np.random.Generator, grid_ns: int) -> Reply:
    """None in half of the pools; else either part is nothing, a seventh of a step, or one to three
    steps, so that clients' instants tie with boundaries."""
    if rng.random() < 0.5:
        return Reply()
    fixed_ns, sequence_ns = (
        int(rng.choice([0, grid_ns // 7, int(rng.integers(1, 4)) * grid_ns])) for _ in range(2)
    )
    return Reply(fixed_ns, sequence_ns)


def random_limits(rng: np.random.Generator, choices: dict[str, Any]) -> Limits:
    """Blocks from so few that preemptions storm to enough for every seat. Steps are mixed in three
    of four pools."""
    mixed_steps = bool(rng.spawn(1)[0].random() < 0.75)
    if choices.get("mixed_steps") is not None:
        mixed_steps = choices["mixed_steps"]

    def flag(name: str) -> bool:
        drawn = bool(rng.random() < 0.5)
        return drawn if choices[name] is None else choices[name]

    seats = int(rng.integers(1, 13))
    blocks = int(rng.choice([rng.integers(4, 16), rng.integers(16, 81)]))
    block_tokens = int(rng.choice([16] * 12 + [8] * 3 + [5] * 3 + [1, 128]))
    tokens = blocks * block_tokens
    return Limits(
        max_num_seqs=seats,
        max_num_batched_tokens=seats
        + int(rng.choice([rng.integers(1, 30), rng.integers(30, 301)])),
        chunked_prefill=flag("chunked_prefill"),
        blocks=blocks,
        block_tokens=block_tokens,
        context_tokens=int(rng.choice([10_000, tokens, rng.integers(tokens // 2, tokens + 1)])),
        async_scheduling=flag("async_scheduling"),
        prefix_caching=flag("prefix_caching"),
        priority_policy=flag("priority_policy"),
        mixed_steps=mixed_steps,
    )


def random_time(rng: np.random.Generator, choices: dict[str, Any], grid_s: float) -> StepTime:
    """Coarse: every step takes the same, so that all events fall on a grid. Else linear."""
    if choices["coarse"]:
        return StepTime(grid_s, 0.0, 0.0, 0.0, 0.0, 0.0)
    fixed, prefill, decode, sequence, kv, pair, mixed, experts = (
        grid_s * share * float(rng.random())
        for share in (1.0, 0.01, 0.1, 0.05, 0.001, 0.00001, 0.5, 1.0)
    )
    if not choices["experts"]:
        return StepTime(fixed, prefill, decode, sequence, kv, pair)
    miss = 1 - float(rng.choice([1 / 8, 2 / 8, 8 / 256]))
    return StepTime(fixed, prefill, decode, sequence, kv, pair, mixed, experts, miss)


def random_allowances(
    rng: np.random.Generator, workload: Workload, grid_s: float
) -> tuple[Allowance, ...]:
    """Some of the metrics, with limits and violations that some cases keep and others do not."""
    scale_s = {"ttft": 10 * grid_s, "tpot": 2 * grid_s, "e2e": 40 * grid_s, "error": 1.0}
    wanted = rng.choice(list(scale_s), size=int(rng.integers(1, 5)), replace=False)
    return tuple(
        Allowance(
            str(metric),
            float(scale_s[str(metric)] * rng.integers(1, 5)),
            int(rng.integers(0, len(workload) + 1)),
        )
        for metric in wanted
    )


def random_script(
    rng: np.random.Generator, setup: Setup, end_ns: int, quantum_ns: int, step_ns: int
) -> list[Action]:
    """Consistent lives of all replicas: failures, some of them together, and scaling."""

    def some(steps: float) -> int:
        """An interval of about so many steps, on the grid, now and then none at all."""
        drawn_ns = int(rng.integers(0, max(int(steps * step_ns), 1) + 1))
        return int(rng.choice([drawn_ns // quantum_ns * quantum_ns, 0], p=[0.9, 0.1]))

    faults = Faults(rng.spawn(1)[0])
    steps = (end_ns - setup.start_ns) / step_ns
    together_ns = setup.start_ns + some(min(steps, 300))
    outage_ns = (some(10), some(40))
    all_down = rng.random() < 0.3
    script = []
    for replica in range(len(setup.pool_of)):
        now_ns = setup.start_ns + some(min(steps, 300) / 2)
        if all_down:
            script += faults.strike(replica, together_ns, *outage_ns)
            now_ns = together_ns + sum(outage_ns) + some(30)
        while now_ns <= end_ns and rng.random() < 0.8:
            match rng.choice(["failure", "pause", "failure while closed", "retirement"]):
                case "failure":
                    life = faults.strike(replica, now_ns, faults.unnoticed(some(10)), some(40))
                case "pause":
                    life = [
                        Action(now_ns, "close", replica),
                        Action(now_ns + some(40), "open", replica),
                    ]
                case "failure while closed":
                    life = [
                        Action(now_ns, "close", replica),
                        *faults.strike(replica, now_ns + some(10), some(10), some(40)),
                    ]
                case _:
                    life = retirement(replica, now_ns, [some(20) for _ in range(3)])
            script += life
            now_ns = life[-1].time_ns + some(60)
    return sorted(script, key=lambda action: action.time_ns)


class Faults:
    """What replicas are stopped by: a few numbers, or nothing that anybody could name."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.stretch = int(rng.choice([1, 1, 6]))

    def unnoticed(self, interval_ns: int) -> int:
        """In a third of the cases so long that clients hang up on the dead."""
        return interval_ns * self.stretch

    def strike(self, replica: int, at_ns: int, undetected_ns: int, down_ns: int) -> list[Action]:
        """A failure, now and then with a second one of a replica that is dead already."""
        life = failure(replica, at_ns, undetected_ns, down_ns, int(self.rng.integers(-1, 5)))
        if self.rng.random() < 0.2:
            again_ns = at_ns + int(undetected_ns * self.rng.choice([0, 0.5, 1]))
            again = Action(again_ns, "stop", replica, (int(self.rng.integers(5, 8)),))
            life.insert(1, again)
        return life


def random_slowness(
    rng: np.random.Generator, setup: Setup, end_ns: int, quantum_ns: int
) -> list[Action]:
    """Replicas that get slower, much slower, and as fast as before; in half of the cases so often
    that they do within whatever they serve."""
    most = int(rng.choice([3, 40]))
    span = (end_ns - setup.start_ns) // quantum_ns + 1
    spans = [span, max(span // 10, 1)]
    return [
        Action(
            setup.start_ns + int(rng.integers(0, spans[rng.integers(2)])) * quantum_ns,
            "slow",
            replica,
            (float(rng.choice([1.0, 1.5, 3.0, 10.0, 1 + rng.random()])),),
        )
        for replica in range(len(setup.pool_of))
        for _ in range(int(rng.integers(0, most + 1)))
    ]


def random_looks(rng: np.random.Generator, setup: Setup, quantum_ns: int) -> list[Action]:
    """Instants before the period ends, when any run goes on."""
    span = (setup.horizon_ns - setup.start_ns) // quantum_ns
    places = rng.integers(0, span, int(rng.integers(1, 8))).tolist()
    return [Action(setup.start_ns + place * quantum_ns, "look") for place in places]


def failure(
    replica: int, at_ns: int, undetected_ns: int, down_ns: int, fault: int = -1
) -> list[Action]:
    detected_ns = at_ns + undetected_ns
    repaired_ns = detected_ns + down_ns
    return [
        Action(at_ns, "stop", replica, (fault,)),
        Action(detected_ns, "close", replica),
        Action(detected_ns, "drain", replica),
        Action(repaired_ns, "start", replica),
        Action(repaired_ns, "open", replica),
    ]


def retirement(replica: int, at_ns: int, waits_ns: Sequence[int]) -> list[Action]:
    """Scaled down: closed, stopped once idle (perhaps never), and later back."""
    first, second, third = np.cumsum([at_ns, *waits_ns])[1:].tolist()
    return [
        Action(at_ns, "close", replica),
        Action(first, "stop_if_idle", replica),
        Action(second, "start_if_stopped", replica),
        Action(third, "open", replica),
    ]


def emptiest(request: RequestView, replicas: Sequence[ReplicaView]) -> int | None:
    """A routing rule: looks at all it may see, and turns away every 17th request."""
    if request.row % 17 == 16:
        return None
    least = min(
        replicas,
        key=lambda r: (r.waiting, -r.cached_tokens, r.kv_used, r.outstanding, r.pool, -r.id),
    )
    return least.id


def short_of_work(request: RequestView, replicas: Sequence[ReplicaView]) -> bool:
    """An admission rule: no long request of low priority where everybody queues."""
    queued = min((replica.waiting for replica in replicas), default=0)
    return queued < 5 or request.priority + request.retries < 2 or request.input_tokens < 20
