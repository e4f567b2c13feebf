"""The store: what a run depends on names it, and what is there answers as if it were simulated."""

import ast
import hashlib
import json
import os
from contextlib import contextmanager
from pathlib import Path

import pytest

import planner.metrics
import planner.verdict
import simulator.monte_carlo
import simulator.store
from planner.metrics import Summary
from planner.verdict import AllowancesFor
from scenarios.objectives import parse_objective
from simulator.executors import Here
from simulator.monte_carlo import Runs, Trial
from simulator.store import DAY_S, Store, facts, key
from tests.oracles.small import small_scenario, small_traffic

NOW_S = 1e9
LOOSE = ["ttft p90 <= 1h", "error_rate <= 50%"]
STRICT = ["ttft p90 <= 1ms", "error_rate <= 50%"]


# --- what names a run -----------------------------------------------------------------------------


GPU = small_scenario().replica.gpu.as_yaml_data()
OTHER = {"name": "slow", "replicas": 1, "replica": {"gpu": GPU, "engine": {"name": "vllm"}}}


REPAIR = {"median": "1min", "p95": "2min"}


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"description": "why"},
        {"sla": {"probability": 0.9, "objectives": LOOSE}},
        {"plan": {"replicas": "1..9"}},
        {"price": {"h100-sxm-80gb": "9 USD/h"}},
        {"fleet": {"replicas": 7}},
        {"catalogue": ["mine.yaml"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_what_no_run_depends_on_leaves_the_key_as_it_is(change):
    assert key(small_scenario(**change)) == key(small_scenario())


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"horizon": "61s"},
        {"preroll": "1s"},
        {"drain": "1s"},
        {"traffic": [small_traffic(rate="6/s")]},
        {"traffic": [small_traffic(name="another")]},
        {"latency": {"per_step": "11ms"}},
        {"engine": {"max_num_seqs": 3}},
        {"model": "meta-llama/Llama-3.2-3B-Instruct"},
        {"fleet": {"replicas": 2, "router": "round-robin"}},
        {"fleet": {"replicas": 2, "others": [OTHER]}},
        {"clients": {"retries": 1}},
        {"failures": {"replica": {"mtbf": "1h", "repair": REPAIR, "detection": "1s"}}},
    ],
    ids=str,
)
def test_every_other_fact_is_another_key(change):
    assert key(small_scenario(**change)) != key(small_scenario())


def dearer(gpu):
    price = {"low": "90 USD/h", "high": "91 USD/h", "source": "invented"}
    return gpu | {"price": price}


def test_prices_in_the_facts_of_a_gpu_are_no_part_of_the_key():
    """A catalogue file of one's own may hold them, of the main pool and of others."""
    replica = small_scenario().replica.as_yaml_data()
    fleet = {"replicas": 2, "others": [OTHER]}
    other = {"replicas": 2, "others": [OTHER | {"replica": replica | {"gpu": dearer(GPU)}}]}
    before = small_scenario(
        fleet={"replicas": 2, "others": [OTHER | {"replica": replica}]}, replica=replica
    )
    after = small_scenario(fleet=other, replica=replica | {"gpu": dearer(GPU)})
    assert before != after
    assert key(before) == key(after)
    assert key(small_scenario(fleet=fleet)) != key(small_scenario())


class Told:
    """Stands for a scenario of a version that knows more keys."""

    def __init__(self, **more):
        self.data = small_scenario(fleet={"replicas": 2, "others": [OTHER]}).as_yaml_data() | more

    def as_yaml_data(self):
        return json.loads(json.dumps(self.data))


def test_energy_and_how_replicas_are_bought_are_no_part_of_the_key():
    told = Told(energy={"usd_per_kwh": 0.1})
    told.data["replica"]["purchase"] = "reserved"
    told.data["fleet"]["others"][0]["replica"]["purchase"] = "spot"
    assert facts(told) == facts(Told())


def test_the_key_is_of_all_the_rest():
    scenario = small_scenario(
        price={"h100-sxm-80gb": "9 USD/h"}, sla={"probability": 0.9, "objectives": LOOSE}
    )
    rest = scenario.as_yaml_data()
    del rest["name"], rest["description"], rest["catalogue"], rest["price"], rest["sla"]
    del rest["fleet"]["replicas"], rest["replica"]["gpu"]["price"], rest["replica"]["purchase"]
    text = json.dumps(rest, sort_keys=True, separators=(",", ":"))
    assert facts(scenario) == rest
    assert key(scenario) == hashlib.sha256(text.encode()).hexdigest()


def test_figures_are_named_by_objectives_and_the_groups_they_speak_of():
    one = [parse_objective(text) for text in LOOSE]
    of_class = [parse_objective("ttft p90 <= 1h for gold")]
    digests = {
        Summary(objectives).digest
        for objectives in (
            one,
            one[:1],
            one[::-1],
            [parse_objective(text) for text in STRICT],
            [of_class[0]._replace(groups=frozenset({0}))],
            [of_class[0]._replace(groups=frozenset({0, 1}))],
        )
    }
    assert len(digests) == 6
    assert Summary(one).digest == Summary([parse_objective(text) for text in LOOSE]).digest


def test_their_digest_is_of_all_that_judges():
    """Of the planner; the simulator is in the name of the folder above."""
    judging = {"planner.metrics", "planner.verdict"}
    for module in (planner.metrics, planner.verdict):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("planner"):
                names = {f"{node.module}.{alias.name}" for alias in node.names}
                assert node.module in judging or names <= judging
            assert not isinstance(node, ast.Import) or "planner" not in node.names[0].name


# --- what is in the store -------------------------------------------------------------------------


@pytest.fixture
def simulated(monkeypatch):
    """(replicas, replication, might stop) of what is simulated from now on."""
    seen, simulate = [], simulator.monte_carlo.simulate

    def count(scenario, fleet, seed, replication, may_stop):
        seen.append((fleet.replicas, replication, may_stop is not None))
        return simulate(scenario, fleet, seed, replication, may_stop)

    monkeypatch.setattr(simulator.monte_carlo, "simulate", count)
    return seen


def runs_in(folder, texts=LOOSE, **parts):
    scenario = small_scenario(**({"horizon": "5s", "drain": "5s"} | parts))
    objectives = [parse_objective(text) for text in texts]
    return Runs(scenario, Store(folder), Here(), Summary(objectives), AllowancesFor(objectives))


def rows_in(runs):
    return runs.kept(Trial(2, 0))[1]


ASKED = [Trial(2, 0), Trial(2, 1, complete=False), Trial(1, 0, complete=False), Trial(2, 1_000_000)]


def answers(runs):
    return [runs(trial) for trial in ASKED]


@pytest.mark.parametrize("texts", [LOOSE, STRICT])
def test_another_name_and_size_find_every_run(tmp_path, simulated, texts):
    cold = answers(runs_in(tmp_path, texts))
    assert len(simulated) == len(ASKED)
    simulated.clear()
    warm = runs_in(tmp_path, texts, name="other", fleet={"replicas": 5})
    assert answers(warm) == cold
    assert not simulated
    assert warm.store.account == f"4 periods: 0 simulated, 4 from {tmp_path}"


@pytest.mark.parametrize("before, after", [(LOOSE, STRICT), (STRICT, LOOSE)])
def test_other_objectives_judge_whole_runs_anew_and_answer_as_if_cold(
    tmp_path, simulated, before, after
):
    """Of runs that might stop, whole ones that keep the new objectives are of use too."""
    cold = answers(runs_in(tmp_path / "cold", after))
    answers(runs_in(tmp_path / "warm", before))
    simulated.clear()
    warm = runs_in(tmp_path / "warm", after)
    assert answers(warm) == cold
    assert {trial[:2] for trial in simulated} == {(2, 1), (1, 0)}
    assert warm.store.account.startswith("4 periods: 2 simulated, 2 from ")
    simulated.clear()
    assert answers(runs_in(tmp_path / "warm", after)) == cold
    assert not simulated, "what was judged anew is kept"


def test_a_milder_promise_uses_every_whole_run(tmp_path, simulated):
    answers(runs_in(tmp_path, LOOSE))
    simulated.clear()
    answers(runs_in(tmp_path, ["ttft p90 <= 2h"]))
    assert not simulated


def test_a_broken_whole_run_is_no_answer_for_one_that_may_stop(tmp_path):
    """Otherwise figures would depend on what was asked before."""
    cold = runs_in(tmp_path / "cold", STRICT)(Trial(2, 0, complete=False))
    assert cold["stopped_early"]
    warm = runs_in(tmp_path / "warm", STRICT)
    assert not warm(Trial(2, 0))["stopped_early"]
    assert warm(Trial(2, 0, complete=False)) == cold


def test_a_run_with_a_sample_of_its_rows_serves_its_own_objectives_only(
    tmp_path, monkeypatch, simulated
):
    monkeypatch.setattr(simulator.monte_carlo, "REQUESTS_KEPT", 30)
    monkeypatch.setattr(simulator.record, "SAMPLE_ROWS", 5)
    first = runs_in(tmp_path)
    kept = [first.kept(Trial(2, index)) for index in (0, 1, 5)]
    assert [len(rows) < record.requests for record, rows in kept] == [False, True, True]
    assert [len(rows) for _, rows in kept[1:]] == [5, 5]
    simulated.clear()
    other = runs_in(tmp_path, STRICT)
    other(Trial(2, 0)), other(Trial(2, 5))
    assert simulated == [(2, 5, False)]
    assert first(Trial(2, 5))["kept"]
    assert len(simulated) == 1


def test_screening_keeps_its_rows_too(tmp_path):
    """Replications of a series are counted from its beginning."""
    record, rows = runs_in(tmp_path).kept(Trial(2, 1_000_001))
    assert len(rows) == record.requests > 5


@pytest.mark.parametrize("damage", [b"", b"{", b"PAR1", None])
def test_what_is_damaged_or_gone_is_simulated_again(tmp_path, simulated, damage):
    cold, whole = answers(runs_in(tmp_path)), rows_in(runs_in(tmp_path))
    files = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for path in files:
        path.unlink() if damage is None else path.write_bytes(damage)
    simulated.clear()
    again = runs_in(tmp_path)
    assert answers(again) == cold
    assert len(simulated) == len(ASKED)
    assert rows_in(again) == whole
    assert {path: path.read_bytes() for path in files} == files


@pytest.mark.parametrize("suffix", [".parquet", ".run", ".json"])
def test_half_of_an_answer_is_completed(tmp_path, simulated, suffix):
    cold = runs_in(tmp_path)(Trial(2, 0))
    whole = rows_in(runs_in(tmp_path))
    for path in tmp_path.rglob(f"*{suffix}"):
        path.unlink()
    simulated.clear()
    again = runs_in(tmp_path)
    assert again(Trial(2, 0)) == cold
    assert rows_in(again) == whole
    assert len(simulated) == (suffix != ".json")


# --- tidying --------------------------------------------------------------------------------------


@pytest.fixture
def filled(tmp_path):
    """A store with one run, as old as NOW_S; its scenario's folder."""
    runs = runs_in(tmp_path)
    runs(Trial(2, 0))
    os.utime(runs.folder, (NOW_S, NOW_S))
    return runs.folder


def names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_runs_stay_as_long_as_they_are_asked_for(tmp_path, filled):
    before = names(tmp_path)
    Store(tmp_path).tidy(NOW_S + 30 * DAY_S)
    assert names(tmp_path) == before
    Store(tmp_path).tidy(NOW_S + 31 * DAY_S)
    assert names(tmp_path) == []


def test_asking_makes_them_young_again(tmp_path, filled):
    runs_in(tmp_path)
    Store(tmp_path).tidy(NOW_S + 31 * DAY_S)
    assert names(filled)


def test_runs_of_another_version_go_at_once(tmp_path, filled, monkeypatch, simulated):
    with monkeypatch.context() as patch:
        patch.setattr(simulator.store, "code_digest", lambda: "0123456789abcdef")
        Store(tmp_path).tidy(NOW_S)
    assert names(tmp_path) == []


def test_what_others_write_and_what_is_not_ours_stays(tmp_path, filled):
    """Anybody's folder may be called a store."""
    theirs = [tmp_path / "a.parquet", tmp_path / "docs" / "guides" / "0001-0000001.parquet"]
    theirs += [filled / "notes.txt", filled.parent / "0001-0000001.parquet"]
    half = filled / "0002-0000001.parquet.host-1-2.tmp"
    for path in [*theirs, half]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    os.utime(filled, (NOW_S, NOW_S))
    os.utime(half, (NOW_S + 31 * DAY_S - 60.0, NOW_S + 31 * DAY_S - 60.0))
    Store(tmp_path).tidy(NOW_S + 31 * DAY_S)
    assert sorted(path for path in tmp_path.rglob("*") if path.is_file()) == sorted([*theirs, half])


def test_a_plan_goes_on_while_another_one_removes_its_runs(tmp_path, simulated):
    runs = runs_in(tmp_path)
    cold = answers(runs)
    Store(tmp_path).tidy(NOW_S * 10)
    assert names(tmp_path) == []
    assert answers(runs) == cold
    assert len(rows_in(runs)) == cold[0]["requests"]
    assert len(simulated) == 2 * len(ASKED)


@contextmanager
def folder_removed_before_the_first_write(monkeypatch):
    write, calls = simulator.store.write_new, []

    def unlucky(path, content):
        calls.append(path)
        if len(calls) == 1:
            raise FileNotFoundError(path)
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(simulator.store, "write_new", unlucky)
        yield


def test_a_folder_that_is_removed_between_two_instants_is_made_again(tmp_path, monkeypatch):
    with folder_removed_before_the_first_write(monkeypatch):
        runs_in(tmp_path)(Trial(2, 0))
    assert len(list(tmp_path.rglob("*.parquet"))) == 1
    assert not list(tmp_path.rglob("*.tmp"))
