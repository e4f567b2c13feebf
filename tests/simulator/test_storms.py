"""Two hundred random scenarios in which much breaks and callers come back: nothing is lost, nothing
counted twice, and the twin says the same.

Everything that faults, clients, admission and scaling offer is drawn, most of it in a third of the
scenarios. The books of the compiled plane are audited whenever control touches it.
"""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from simulator.control.books import CLOSING, PAID, SERVING
from simulator.plane import Plane
from simulator.run import COMPLETED, OUTCOMES
from simulator.simulate import serve
from simulator.traffic import NS_PER_S, draw_workload
from tests.oracles.audit import audit
from tests.oracles.small import small_scenario, small_traffic
from tests.oracles.twin import Twin

SCENARIOS, AT_ONCE = 200, 20
COLUMNS = (
    "arrival_s", "first_token_s", "finish_s", "replica", "preemptions", "retries", "outcome",
    "cached_tokens", "fault",
)  # fmt: skip


class Audited(Plane):
    """Its books balance before and after whatever control does."""

    audits = 0

    def stop(self, replica: int, fault: int = -1) -> None:
        audit(self)
        super().stop(replica, fault)
        Audited.audits += 1

    def drain(self, replica: int) -> None:
        super().drain(replica)
        audit(self)

    def open(self, replica: int) -> None:
        super().open(replica)
        audit(self)


def random_fault(rng: np.random.Generator, number: int) -> dict[str, Any]:
    effect = str(rng.choice(["crash", "silence", "hang", "slow", "drain"]))
    fault: dict[str, Any] = {
        "name": f"{effect}-{number}",
        "effect": effect,
        "scope": str(rng.choice(["gpu", "replica", "node", "rack", "zone"])),
        "repair": [
            {"share": 0.5, "time": {"exponential": "4s"}, "start": "warm"},
            {"share": 0.5, "time": {"median": "3s", "p95": "9s"}, "hands_on": effect != "drain"},
        ],
    } | [
        {"mtbf": f"{rng.integers(8, 40)}s"},
        {"rate": f"{rng.integers(40, 200)} per GPU-hour"},
        {"every": {"weibull": f"{rng.integers(8, 40)}s", "shape": 0.7}},
    ][int(rng.integers(3))]
    match effect:
        case "slow":
            return fault | {"speed": [0.3, 0.9], "detection": "1s", "repair": {"exponential": "4s"}}
        case "drain":
            return fault | {"drain_timeout": "2s", "at_most": int(rng.integers(1, 3))}
        case _:
            return fault | {"detection": {"uniform": ["0s", "5s"]}}


def random_storm(seed: int) -> Any:
    rng = np.random.default_rng([seed, 6])

    def maybe(part: dict[str, Any]) -> dict[str, Any]:
        return part if rng.random() < 1 / 3 else {}

    spot = {
        "name": "spot", "scope": "node", "mtbf": "40s", "notice": "3s", "paid": False,
        "burst": {"share": 0.7, "within": "5s"},
        "repair": [{"time": {"exponential": "5s"}, "start": "node"}],
    }  # fmt: skip
    faults = [random_fault(rng, number) for number in range(int(rng.integers(1, 4)))]
    by_hand = [fault for fault in faults if fault["effect"] not in ("slow", "drain")]
    swaps = [fault for fault in by_hand if fault["scope"] in ("gpu", "replica", "node")]
    failures = {
        "faults": [*faults, *maybe({"spot": spot}).values()],
        **(maybe({"repair_crews": 1}) if by_hand else {}),
        **(maybe({"spares": {"nodes": 1, "swap": "2s"}}) if swaps else {}),
        **maybe({"rollout": {"starts": "5s", "max_surge": int(rng.integers(0, 2)),
                             "max_unavailable": 1}}),
    }  # fmt: skip
    timeouts = maybe({"first_token_timeout": "2s"})
    again = ["failure", *(["rejection"] if rng.random() < 0.5 else [])]
    clients = {
        "timeout": "5s",
        "retries": int(rng.integers(0, 4)),
        "retry_on": [*again, *(["timeout"] if timeouts else [])],
        "backoff": {"first": "100ms", "most": "2s", "jitter": "50%"},
        **timeouts,
        **maybe({"retry_budget": {"share": "20%", "burst": 3}}),
        **maybe({"hedge": {"after": "1s"}}),
    }
    scaling = {
        "replicas": "2..6", "interval": "3s", "targets": [{"outstanding": 4.0}],
        "scale_down": {"stabilisation": "3s"},
    }  # fmt: skip
    fleet = {
        "replicas": 4,
        "cold_start": "2s",
        "topology": {"gpus_per_node": 2, "nodes_per_rack": 1, "zones": 2},
        "router": str(rng.choice(["least-outstanding", "power-of-two", "prefix-aware"])),
        **maybe({"health_checks": {"period": "1s", "threshold": 2, "timeout": "100ms"}}),
        **({"breaker": {"failures": 2, "eject": "3s"}} if timeouts else {}),
        **maybe({"buckets": [{"class": "gold", "rate": "3/s", "burst": 3}]}),
        **maybe({"shedding": {"from": 3, "to": 6}}),
        **maybe({"queue_limit": 4}),
        **maybe({"autoscaling": scaling}),
    }
    prefixes = [{"tokens": 64}, {"tokens": 160, "variants": 3}]
    return small_scenario(
        {"num_gpu_blocks": 160, "max_num_seqs": 8, "prefix_caching": bool(rng.random() < 0.5)},
        {"per_step": "50ms", "per_prefill_token": "50us"},
        horizon="20s", preroll="2s", drain="20s", clients=clients, fleet=fleet, failures=failures,
        traffic=[small_traffic("4/s", sla_class="gold", prefixes=prefixes, **SHORT),
                 small_traffic("3/s", name="batch", priority=1, **SHORT)],
    )  # fmt: skip


SHORT = {
    "input_tokens": {"kind": "lognormal", "median": 100, "p95": 400, "max": 900},
    "output_tokens": {"kind": "lognormal", "median": 20, "p95": 60, "max": 150},
}


@pytest.mark.slow
@pytest.mark.parametrize("first", range(0, SCENARIOS, AT_ONCE))
def test_storms_lose_nobody_and_balance_and_both_planes_agree(first):
    met: Counter[str] = Counter()
    for seed in range(first, first + AT_ONCE):
        scenario = random_storm(seed)
        demand = draw_workload(scenario, seed, 0)
        run, twin = (
            serve(scenario, scenario.fleet, demand, seed, 0, plane_of=plane_of)
            for plane_of in (Audited, Twin)
        )
        for column in COLUMNS:
            a, b = getattr(run, column), getattr(twin, column)
            np.testing.assert_array_equal(a, b, f"seed {seed}: {column}")
        assert run.incidents.equals(twin.incidents) and run.accounts == twin.accounts, seed
        everybody_ends_once(run, demand)
        gpu_time_balances(run)
        met.update(incidents=len(run.incidents), retries=int(run.retries.sum()))
        met.update({name: int((run.outcome == code).sum()) for code, name in enumerate(OUTCOMES)})
        met.update(hit=int((run.fault >= 0).sum()), tokens_lost=run.accounts.tokens_lost)
    # A part without failures would show nothing.
    few = {name: met[name] for name in ("incidents", "retries", "rejected", "timed_out", "hit")}
    assert min(few.values()) > AT_ONCE, few
    assert met["completed"] > 1000 and met["tokens_lost"] > 0 and Audited.audits > 100


def everybody_ends_once(run: Any, demand: Any) -> None:
    """One row and one outcome for each request of the period; what an outcome says is there."""
    assert len(run) == int(((demand.arrival_ns >= 0) & (demand.arrival_ns < 20 * NS_PER_S)).sum())
    done = run.outcome == COMPLETED
    assert set(run.outcome.tolist()) <= set(range(len(OUTCOMES)))
    assert (np.isfinite(run.finish_s) == (run.outcome != OUTCOMES.index("unfinished"))).all()
    assert (run.first_token_s[done] > run.arrival_s[done]).all()
    assert (run.finish_s[done] >= run.first_token_s[done]).all()
    assert (run.replica[done] >= 0).all()
    tolls = run.accounts.tolls
    assert sum(toll.retried + toll.lost for toll in tolls) == int((run.fault >= 0).sum())


def gpu_time_balances(run: Any) -> None:
    """Every GPU is in one state at a time, no engine computes on one that does not serve, and at
    any instant some number of replicas is down."""
    accounts = run.accounts
    assert sum(accounts.down_ns) == accounts.horizon_ns == 20 * NS_PER_S
    serving = sum(states[PAID.index(SERVING)] + states[PAID.index(CLOSING)]
                  for states in accounts.gpu_ns)  # fmt: skip
    assert 0 < sum(accounts.busy_gpu_ns) <= serving
    slots = 8 * accounts.horizon_ns
    assert serving <= sum(map(sum, accounts.gpu_ns)) <= slots
    assert accounts.paid_gpu_ns == (
        sum(map(sum, accounts.gpu_ns)) + accounts.ready_gpu_ns + accounts.spare_gpu_ns
    )
