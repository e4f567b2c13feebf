"""Routers and admission rules that users write: from the YAML file to the run."""

import pytest

from scenarios.loading import load
from simulator.plane import Plane
from simulator.rules import RuleError
from simulator.run import COMPLETED, REJECTED
from simulator.simulate import serve, simulate
from simulator.traffic import draw_workload
from tests.oracles.twin import Twin

SCENARIO = """\
version: 1
name: ruled
horizon: 20s
preroll: 2s
drain: 60s
model: meta-llama/Llama-3.1-8B-Instruct
replica: {gpu: h100-sxm-80gb, engine: {name: vllm, max_num_seqs: 4}}
latency: {per_step: 20ms, per_prefill_token: 10us}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 10/s}
    input_tokens: {kind: lognormal, median: 200, p95: 900, max: 4000}
    output_tokens: {kind: lognormal, median: 20, p95: 60, max: 100}
    priority: 3
    prefixes: [{tokens: 320}]
  - name: batch
    arrivals: {kind: poisson, rate: 2/s}
    input_tokens: {kind: constant, tokens: 50}
    output_tokens: {kind: constant, tokens: 30}
fleet:
  replicas: 2
  others:
    - name: small
      replicas: 1
      replica: {gpu: l4-24gb, precision: fp8, engine: {name: vllm, max_model_len: 600}}
      latency: {per_step: 40ms}
clients: {retries: 2}
failures:
  replica: {mtbf: 10s, detection: 1s, repair: {median: 2s, p95: 4s}, cold_start: 1s}
"""


@pytest.fixture
def ruled(tmp_path):
    """Loads the scenario with these rules.py and keys of the fleet; runs one period of it."""

    def run(code, *overrides, plane_of=Plane, run=0):
        (tmp_path / "rules.py").write_text(code)
        (tmp_path / "ruled.yaml").write_text(SCENARIO)
        scenario = load(tmp_path / "ruled.yaml", overrides)
        demand = draw_workload(scenario, 1, run)
        return serve(scenario, scenario.fleet, demand, 1, run, plane_of=plane_of)

    return run


LEAST = """\
def choose(request, replicas):
    return min(replicas, key=lambda replica: (replica.outstanding, replica.id)).id
"""


def test_a_rule_written_like_a_built_in_router_is_that_router(ruled):
    own = ruled(LEAST, "fleet.router=rules.py:choose")
    built_in = ruled(LEAST, "fleet.router=least-outstanding")
    assert own.finish_s.tolist() == pytest.approx(built_in.finish_s.tolist(), abs=0, nan_ok=True)
    assert own.replica.tolist() == built_in.replica.tolist()
    assert own.retries.any()


def test_a_routing_rule_sees_the_groups_and_may_reject(ruled):
    code = """
def choose(request, replicas):
    if request.group == 1 and request.output_tokens == 30:
        return None
    assert request.priority == 3
    return replicas[request.row % len(replicas)].id
"""
    run = ruled(code, "fleet.router=rules.py:choose")
    assert (run.outcome[run.group == 1] == REJECTED).all()
    assert (run.outcome[run.group == 0] == COMPLETED).all()
    assert set(run.replica[run.group == 0]) == {0, 1, 2}


def test_only_replicas_that_can_hold_the_request_are_shown(ruled):
    code = """
def choose(request, replicas):
    ids = [replica.id for replica in replicas]
    assert ids == sorted(ids)
    pools = {replica.id: replica.pool for replica in replicas}
    assert all(pool == (id == 2) for id, pool in pools.items())
    assert 2 not in ids or request.input_tokens + request.output_tokens <= 600
    return ids[-1]
"""
    run = ruled(code, "fleet.router=rules.py:choose", "failures=")
    tokens = run.input_tokens + run.output_tokens
    assert (run.replica == 2).tolist() == (tokens <= 600).tolist()
    assert 0 < (run.replica == 2).sum() < len(run)


def test_an_admission_rule_rejects_before_the_router(ruled):
    code = """
def admit(request, replicas):
    return request.input_tokens < 600 and sum(r.waiting for r in replicas) < 8
"""
    run = ruled(code, "fleet.admission=rules.py:admit", "failures=")
    assert (run.outcome[run.input_tokens >= 600] == REJECTED).all()
    assert (run.outcome[run.input_tokens >= 600] == REJECTED).sum() > 20
    assert (run.replica[run.outcome == REJECTED] == -1).all()
    assert (run.outcome[run.group == 1] == COMPLETED).mean() > 0.5
    limited = ruled(code, "fleet.admission=rules.py:admit", "fleet.router=round-robin",
                    "failures=")  # fmt: skip
    assert limited.replica.tolist() != run.replica.tolist(), "the named router still decides"


EVERYTHING = """
def choose(request, replicas):
    assert request.now_s >= -2 and request.retries <= 2
    if request.row % 23 == 0:
        return None
    return max(replicas, key=lambda r: (r.cached_tokens, -r.kv_used, -r.waiting, r.id)).id

def admit(request, replicas):
    return len(replicas) > 1 or request.retries > 0
"""
BOTH_RULES = ("fleet.router=rules.py:choose", "fleet.admission=rules.py:admit")


def test_rules_see_the_same_on_the_slow_twin(ruled):
    plane, twin = (ruled(EVERYTHING, *BOTH_RULES, plane_of=plane, run=3) for plane in (Plane, Twin))
    for column in ("finish_s", "replica", "outcome", "retries", "cached_tokens"):
        ours, theirs = getattr(plane, column).tolist(), getattr(twin, column).tolist()
        assert ours == pytest.approx(theirs, abs=0, nan_ok=True), column
    assert plane.cached_tokens.any() and plane.retries.any()
    assert (plane.outcome == REJECTED).any()


def test_a_rule_is_part_of_the_scenario_and_simulate_finds_it(tmp_path):
    (tmp_path / "rules.py").write_text(LEAST)
    (tmp_path / "ruled.yaml").write_text(SCENARIO)
    scenario = load(tmp_path / "ruled.yaml", ("fleet.router=rules.py:choose",))
    run = simulate(scenario, scenario.fleet, scenario.seed, 0)
    assert run.completed.sum() > 100


@pytest.mark.parametrize(
    "answer", ["17", "-1", "2 if replicas[-1].id != 2 else 17", "'0'", "0.0", "True"]
)
def test_a_replica_that_was_not_offered_is_an_error_that_says_so(ruled, answer):
    code = f"def choose(request, replicas): return {answer}\n"
    with pytest.raises(RuleError, match=r"rules\.py:choose answered .*it was offered 0"):
        ruled(code, "fleet.router=rules.py:choose", "failures=")


@pytest.mark.parametrize("answer", ["None", "'no'", "1"])
def test_an_admission_rule_answers_yes_or_no(ruled, answer):
    code = f"def admit(request, replicas): return {answer}\n"
    with pytest.raises(RuleError, match=r"rules\.py:admit answered .*allowed: True or False"):
        ruled(code, "fleet.admission=rules.py:admit")


def test_a_rule_cannot_end_the_program(ruled):
    with pytest.raises(RuleError, match=r"rules\.py:1: SystemExit in choose: 3"):
        ruled(
            "def choose(request, replicas): raise SystemExit(3)\n", "fleet.router=rules.py:choose"
        )


def test_what_a_rule_raises_reaches_its_author(ruled):
    with pytest.raises(RuleError, match=r"rules\.py:1: ZeroDivisionError in choose"):
        ruled("def choose(request, replicas): return 1 // 0\n", "fleet.router=rules.py:choose")


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_file_that_is_not_the_one_that_was_loaded_is_an_error(tmp_path, change):
    rules = tmp_path / "rules.py"
    rules.write_text(LEAST)
    (tmp_path / "ruled.yaml").write_text(SCENARIO)
    scenario = load(tmp_path / "ruled.yaml", ("fleet.router=rules.py:choose",))
    rules.unlink() if change == "gone" else rules.write_text(LEAST + "# or not\n")
    with pytest.raises(RuleError, match=r"rules\.py"):
        simulate(scenario, scenario.fleet, 0, 0)
