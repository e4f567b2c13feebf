"""Cases whose figures are known: the simulator's own, or those times a factor."""

import json
from dataclasses import replace

import numpy as np
import pytest

from calibration import validation
from calibration.accuracy import as_json
from calibration.cases import Case, ClosedLoop, OpenLoop, Peer, Refused, StaticBatch
from calibration.prediction import pool_of, predict, serve_open
from calibration.validation import Scored, match_of, scored, validate
from scenarios.catalogue import load_catalogue
from scenarios.fleet import Replica
from simulator.results import finite
from simulator.traffic import Workload

CATALOGUE = load_catalogue()
MODEL = CATALOGUE.models["meta-llama/Llama-3.1-8B-Instruct"]
STATIC = StaticBatch(8, 512, 128)
CLOSED = ClosedLoop(4, (100, 200), (20, 40), requests=20, warm_up=4)


def case_of(load=STATIC, case_id="a", gpu="h100-sxm-80gb", **changes):
    """A case nothing was measured of, unless `changes` say so."""
    replica = Replica.model_validate(
        {"gpu": CATALOGUE.gpus[gpu], "engine": {"name": CATALOGUE.engines["vllm"]}}
    )
    changes = {"dataset": "made", "measured": {}, **changes}
    return Case(case_id=case_id, split="dev", model=MODEL, replica=replica, load=load, **changes)


def recorded(rows=60):
    """Requests a tenth of a second apart."""
    return OpenLoop(
        Workload(
            np.arange(1, rows + 1) * 100_000_000,
            np.full(rows, 300, np.int32),
            np.arange(10, 10 + rows, dtype=np.int32),
            np.zeros(rows, np.int16),
        ),
        stages=(), input_tokens=300, output_tokens=40, prompts=0, timeout_s=np.inf,
    )  # fmt: skip


def told(factor, case, **changes):
    """The case with figures `factor` times the simulator's own."""
    measured = {metric: factor * value for metric, value in predict(case).items()}
    return replace(case, measured=measured, **changes)


def made(case, errors_pct, peers=None, **changes):
    """A scored case with errors of our choice, nothing simulated."""
    measured = {metric: 100.0 for metric in errors_pct}
    case = replace(case, measured=measured, peers=peers or {}, **changes)
    told = {metric: 100.0 + error for metric, error in errors_pct.items()}
    result = scored(case, told, None)
    assert isinstance(result, Scored)
    return result


# --- running -------------------------------------------------------------------------------------


@pytest.mark.parametrize("load", [STATIC, CLOSED, recorded()], ids=["static", "closed", "open"])
def test_the_simulators_own_figures_have_no_error(load):
    (result,) = validate([told(1.0, case_of(load))])
    assert {c.error_pct for c in result.comparisons} == {0.0}
    (slow,) = validate([told(2.0, case_of(load))])
    assert all(c.error_pct == pytest.approx(-50.0) for c in slow.comparisons)


def test_only_what_was_measured_and_predicted_is_compared():
    measured = {"prefill": 90.0, "decode": 0.0, "throughput": 500.0, "ttft_mean": np.nan}
    (result,) = validate([case_of(measured=measured)])
    assert [c.metric for c in result.comparisons] == ["prefill"]


@pytest.mark.parametrize(
    "measured, reason",
    [
        ({"e2e_mean": 5.0}, "the simulation tells nothing of e2e_mean"),
        ({}, "nothing was measured"),
    ],
)
def test_a_case_without_comparison_is_refused(measured, reason):
    (result,) = validate([case_of(measured=measured)])
    assert isinstance(result, Refused) and reason in result.reason


def test_a_case_that_breaks_the_simulator_is_refused_and_the_others_go_on(monkeypatch):
    def breaks(case, seeds):
        if case.case_id == "b":
            raise ZeroDivisionError("float division by zero")
        return predict(case, seeds)

    monkeypatch.setattr(validation, "predict", breaks)
    good = told(1.0, case_of())
    results = list(validate([replace(good, case_id=name) for name in "abc"]))
    assert [isinstance(result, Scored) for result in results] == [True, False, True]
    assert results[1] == Refused(
        "made", "b", "the simulation failed: ZeroDivisionError: float division by zero"
    )


@pytest.mark.slow
def test_workers_change_nothing():
    cases = [replace(told(1.1, case_of(CLOSED)), case_id=str(index)) for index in range(5)]
    alone, together = (list(validate(cases, 2, workers)) for workers in (1, 2))
    assert [r.case.case_id for r in together] == list("01234")
    assert [r.comparisons for r in alone] == [r.comparisons for r in together]


# --- request by request --------------------------------------------------------------------------


def test_requests_are_matched_one_by_one():
    load = recorded()
    case = case_of(load)
    outcome = serve_open(load.recorded, pool_of(case), load.timeout_s)
    ttft = (outcome.first_token_ns - load.recorded.arrival_ns) / 1e6
    e2e = (outcome.finish_ns - load.recorded.arrival_ns) / 1e6
    ttft[3] = np.nan  # one never answered
    match = match_of(replace(case, measured_requests={"ttft": ttft, "e2e": e2e / 1.25}))
    assert match.requests == 59
    assert match.ttft_correlation == pytest.approx(1.0)
    assert match.ttft_errors_pct == pytest.approx(np.zeros(59))
    assert match.e2e_errors_pct == pytest.approx(np.full(59, 25.0))


def test_no_requests_no_match():
    nothing = np.full(60, np.nan)
    assert match_of(case_of(recorded())) is None
    assert match_of(case_of(CLOSED)) is None
    unanswered = {"ttft": nothing, "e2e": nothing}
    assert match_of(case_of(recorded(), measured_requests=unanswered)) is None


# --- summing up ----------------------------------------------------------------------------------


def test_summary_has_medians_means_and_bias_without_overloads_and_suspects():
    case = case_of()
    data = as_json(
        [
            made(case, {"decode": -2.0}),
            made(case, {"decode": 4.0}),
            made(case, {"decode": 12.0}, dataset="other"),
            made(case, {"decode": 70.0}, overloaded=True),
            made(case, {"decode": 900.0}, suspect="a guess"),
        ]
    )
    assert data["summary"]["decode"] == {
        "cases": 3,
        "median_abs_error_pct": pytest.approx(4.0),
        "mean_abs_error_pct": pytest.approx(6.0),
        "median_signed_pct": pytest.approx(4.0),
    }
    assert data["overloads"]["decode"]["median_signed_pct"] == pytest.approx(70.0)
    assert data["datasets"]["made"]["decode"]["cases"] == 2
    assert data["datasets"]["other"]["decode"]["cases"] == 1
    assert [row["error_pct"] for row in data["cases"]] == pytest.approx([-2, 4, 12, 70, 900])


def test_groups_are_told_only_where_they_differ():
    fast, slow = case_of(case_id="a"), case_of(case_id="b", gpu="a100-sxm-80gb")
    many = case_of(StaticBatch(64, 512, 128), case_id="c", group="large")
    groups = as_json([made(c, {"decode": 1.0}) for c in (fast, slow, many)])["groups"]["made"]
    assert list(groups) == ["GPU", "requests at once", "group"]
    assert {name: each["decode"]["cases"] for name, each in groups["GPU"].items()} == {
        "a100-sxm-80gb": 1,
        "h100-sxm-80gb": 2,
    }
    assert list(groups["requests at once"]) == ["2 to 8", "33 to 128"]
    assert set(groups["group"]) == {"the others", "large"}


def test_peers_stand_beside_ours_on_the_same_cases():
    """What a peer did not predict does not count for us either."""
    case = case_of()
    rival = {"rival": {"decode": Peer(130.0, 100.0), "ttft_mean": Peer(1.0, 1.0)}}
    data = as_json(
        [
            made(case, {"decode": 2.0, "prefill": 3.0}, rival),
            made(case, {"decode": 50.0}),
            made(case, {"decode": 9.0}, {"rival": {"decode": Peer(5.0, 1.0)}}, overloaded=True),
        ]
    )
    assert list(data["peers"]["rival"]) == ["decode"]
    figures = data["peers"]["rival"]["decode"]
    assert figures["cases"] == 1
    assert figures["median_abs_error_pct"] == pytest.approx(30.0)
    assert figures["ours_median_abs_error_pct"] == pytest.approx(2.0)
    assert figures["ours_mean_abs_error_pct"] == pytest.approx(2.0)
    assert data["peers_overloads"]["rival"]["decode"]["median_signed_pct"] == pytest.approx(400.0)


def test_coverage_counts_every_row():
    case = case_of(assumed=("256 seats",))
    slow = "decode 3.25 ms is less than reading takes"
    data = as_json(
        [
            made(case, {"decode": 1.0}),
            made(case, {"decode": 1.0}, suspect=slow),
            made(case, {"decode": 1.0}, suspect=slow.replace("3.25", "4.75")),
            made(case, {"decode": 1.0}, overloaded=True),
            Refused("made", "x", "no GPU"),
            Refused("made", "y", "no GPU"),
            Refused("far", "z", "no model"),
        ]
    )
    coverage = data["coverage"]
    counts = {"rows": 7, "simulated": 4, "regular": 1, "overloaded": 1, "suspect": 2, "refused": 3}
    assert counts.items() <= coverage.items()
    assert coverage["datasets"]["far"]["refused"] == 1
    assert coverage["refused_by_reason"] == [
        {"dataset": "made", "reason": "no GPU", "cases": 2},
        {"dataset": "far", "reason": "no model", "cases": 1},
    ]
    assert coverage["suspects"] == [
        {"dataset": "made", "reason": "decode … ms is less than reading takes", "cases": 2}
    ]
    assert coverage["assumed"] == [{"dataset": "made", "assumption": "256 seats", "cases": 4}]
    assert [row["case_id"] for row in data["refused"]] == ["x", "y", "z"]


def test_all_of_it_is_json():
    load = recorded(3)
    ones = np.ones(3)  # never changes: no correlation
    case = told(1.0, case_of(load, measured_requests={"ttft": ones, "e2e": ones}))
    data = finite(as_json([*validate([case]), Refused("made", "x", "no GPU")]))
    assert json.loads(json.dumps(data)) == data
    assert data["requests"][0]["ttft_correlation"] is None
    assert as_json([])["coverage"]["rows"] == 0
