"""Calibration: invented engines are recovered within what is said, and bad points do not lead."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration.cases import Case, ClosedLoop, OpenLoop, Stage
from calibration.loadtests import LoadTest, RequestColumns, Run, cases_of, grave
from calibration.loadtests.advice import doubts, other_model, wishes
from calibration.prediction import predict
from calibration.profile import PARTS, SHAPE, SPREADS, Problem, calibrate
from calibration.profile_figures import chosen, shape
from scenarios.catalogue import load_catalogue
from scenarios.fleet import EngineSettings, Replica
from scenarios.latency import profile_text, read_profile

CATALOGUE = load_catalogue()
MODEL = CATALOGUE.models["meta-llama/Llama-3.1-8B-Instruct"]
REPLICA = Replica(
    gpu=CATALOGUE.gpus["h100-sxm-80gb"],
    engine=EngineSettings(name=CATALOGUE.engines["vllm"], num_gpu_blocks=27_000),
)
SWEEP = (
    (1, 500, 200),
    (8, 500, 200),
    (64, 500, 200),
    (8, 4000, 100),
    (32, 4000, 100),
    (32, 8000, 600),
)


def closed(concurrency, prompt, answer):
    requests = max(40, 4 * concurrency)
    return ClosedLoop(concurrency, (prompt, prompt), (answer, answer), requests, warm_up=0)


def case(load, **measured):
    name = f"{getattr(load, 'concurrency', 'open')}x{load.input_tokens}"
    return Case("made", name, None, MODEL, REPLICA, load, measured)


def engine(**factors):
    """An engine that differs from the built-in one by these factors."""
    x = np.array([math.log(factors.get(name, 1.0)) for name in PARTS])
    return Problem([case(closed(1, 1, 1))], (), None).profile(x)


def measured(levels=SWEEP, noise=0.0, metrics=("tpot_mean", "ttft_mean"), **factors):
    """Closed loops on that engine, with noise of a fixed seed."""
    rng = np.random.default_rng(3)
    truth = engine(**factors)
    runs = []
    for level in levels:
        told = predict(replace(case(closed(*level)), latency=truth), seeds=1)
        figures = {name: told[name] * math.exp(noise * rng.normal()) for name in metrics}
        runs.append(case(closed(*level), **figures))
    return runs


def learn(cases, **changes):
    return calibrate(cases, "made up", "2026-11-25", **changes)


def factors(calibration):
    return {part.name: part for part in calibration.parts}


def off(calibration, truth):
    """Each factor's distance from the true one, in the standard errors that it claims."""
    return {
        name: abs(math.log(part.factor / truth.get(name, 1.0))) / part.spread
        for name, part in factors(calibration).items()
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    "truth",
    [
        {},
        {"step": 1.15},
        {"step": 0.9, "overhead": 1.4},
        {"request": 1.5, "context": 0.8},
        {"prompt": 1.4, "reply": 1.3},
    ],
)
def test_an_engine_is_recovered_within_what_is_said(truth):
    calibration = learn(measured(noise=0.02, **truth))
    assert max(off(calibration, truth).values()) < 2.5
    step = [p for p in calibration.points if p.metric == "tpot_mean"]
    assert max(abs(p.error_after) for p in step) < 0.08


@pytest.mark.slow
@pytest.mark.parametrize("slower", [0.5, 2.7])
@pytest.mark.parametrize("levels", [SWEEP[1:2], SWEEP[:3], SWEEP])
def test_an_engine_far_from_all_others_is_believed(slower, levels):
    """Even by a single point: where all are off alike, none is an outlier."""
    calibration = learn(measured(levels, step=slower))
    for point in calibration.points:
        if point.metric == "tpot_mean":
            assert abs(point.error_before) > 0.4
            assert abs(point.error_after) < 0.06
    assert factors(calibration)["step"].decided


@pytest.mark.slow
def test_one_bad_point_does_not_move_it():
    truth = {"step": 1.15}
    good = measured(noise=0.01, **truth)
    bad = [
        *good[:2],
        replace(good[2], measured={"tpot_mean": 2 * good[2].measured["tpot_mean"]}),
        *good[3:],
    ]
    before, after = factors(learn(good)), factors(calibration := learn(bad))
    for name in PARTS:
        moved = abs(math.log(after[name].factor / before[name].factor))
        assert moved < 0.6 * SPREADS[PARTS.index(name)], name
    assert abs(math.log(after["step"].factor / 1.15)) < after["step"].spread
    (doubt,) = doubts(calibration)
    assert doubt.startswith("64x(500, 500): TPOT mean") and "warm-up, timeouts" in doubt


def test_what_one_level_does_not_decide_stays_as_believed():
    calibration = learn(measured(SWEEP[1:2], metrics=("tpot_mean",), step=1.1))
    known = factors(calibration)
    for name in ("overhead", "request", "context", "prompt", "reply"):
        assert abs(known[name].distance) < 0.5
        assert known[name].spread > 0.7 * known[name].spread_before
    said = "\n".join(wishes(calibration))
    for wish in ("concurrency 1", "a second kind of request", "3 levels", "reading context"):
        assert wish in said
    assert "num_gpu_blocks" not in said  # the scenario has it


def test_the_front_end_is_learned_from_first_tokens():
    levels = ((1, 100, 100), (1, 400, 100), (2, 100, 100))
    calibration = learn(measured(levels, reply=1.5))
    assert 1.2 < factors(calibration)["reply"].factor < 1.6
    assert calibration.profile.reply_s > REPLICA.engine.facts.reply_s


def test_more_is_known_the_more_is_measured():
    few, many = learn(measured(SWEEP[:1])), learn(measured(SWEEP))
    sure = many.profile.uncertainty
    assert SHAPE < sure["step_factor"] < few.profile.uncertainty["step_factor"]
    assert all(sure[name] <= few.profile.uncertainty[name] for name in PARTS)


def test_a_profile_predicts_what_it_was_calibrated_to(tmp_path):
    """What is written is what was simulated, to the last digit."""
    calibration = learn(measured(step=1.2, overhead=0.8))
    path = tmp_path / "ours.yaml"
    path.write_text(profile_text(calibration.profile))
    back = read_profile(path)
    assert back == calibration.profile
    for index, each in enumerate(calibration.cases):
        told = predict(replace(each, latency=back), seeds=1)
        tpot = [p for p in calibration.points if p.metric == "tpot_mean"][index]
        assert told["tpot_mean"] == pytest.approx(tpot.after, rel=1e-9)


def test_tables_are_calibrated_in_place_of_physics():
    base = engine(step=2.0, prompt=1.5)
    runs = measured(step=2.2, prompt=1.5)
    known = factors(learn(runs, base=base))
    assert known["step"].factor == pytest.approx(1.1, rel=0.05)
    assert known["prompt"].factor == pytest.approx(1.0, rel=0.1)
    assert (known["overhead"].factor, known["overhead"].spread) == (
        1.0,
        pytest.approx(0.217, abs=0.05),
    )


def test_open_loops_teach_too():
    stage = OpenLoop(None, (Stage(0.0, 60.0, 240),), 1000, 200, prompts=0, timeout_s=math.inf)
    truth = engine(step=1.3)
    told = predict(replace(case(stage), latency=truth), seeds=1)
    calibration = learn([case(stage, tpot_mean=told["tpot_mean"])])
    assert abs(calibration.points[0].error_after) < 0.05


def test_nothing_to_learn_from():
    with pytest.raises(ValueError, match="no runs"):
        learn([])
    with pytest.raises(ValueError, match="a first token alone says nothing"):
        learn([case(closed(1, 500, 10), ttft_mean=50.0)])
    with pytest.raises(ValueError, match="the simulator serves none of it"):
        learn([case(closed(1, 500_000, 10), tpot_mean=50.0)])
    with pytest.raises(ValueError, match="nothing like the scenario's replica"):
        learn([case(closed(1, 500, 100), tpot_mean=900.0)])


def test_a_case_that_teaches_nothing_is_named_beside_the_others():
    runs = [*measured(SWEEP[:2]), case(closed(1, 500, 10), ttft_mean=50.0)]
    calibration = learn(runs)
    assert len(calibration.cases) == 2
    assert [name for name, _ in calibration.unused] == ["1x(500, 500)"]


@pytest.mark.parametrize(
    "figures, taken",
    [
        ({"tpot_mean": 9.0, "tpot_p50": 8.0, "e2e_mean": 5e2}, {"tpot_mean"}),
        ({"itl_mean": 9.0, "ttft_p50": 40.0}, {"tpot_mean", "ttft_p50"}),
        ({"itl_p50": 9.0}, {"tpot_p50"}),
        ({"e2e_mean": 500.0, "ttft_mean": 40.0}, {"e2e_mean", "ttft_mean"}),
        ({"ttft_mean": 40.0}, set()),
        ({"tpot_mean": 0.0, "e2e_p99": 1.0}, set()),
    ],
)  # fmt: skip
def test_figures_that_teach(figures, taken):
    assert set(chosen(figures)) == taken


def test_nearly_equal_requests_are_of_one_shape():
    shapes = {shape(case(closed(1, prompt, 100))) for prompt in (1000, 1024, 1100)}
    assert len(shapes) == 1
    assert shape(case(closed(1, 2000, 100))) not in shapes


# --- runs of load tests as cases -----------------------------------------------------------------


def run(**changes):
    given = {
        "name": "8 at once", "tool": "csv", "model": None, "concurrency": None, "rate_per_s": None,
        "duration_s": 40.0, "requests": 100, "failed": 0, "input_tokens_mean": 512.4,
        "output_tokens_mean": 128.0, "measured": {"tpot_mean": 9.0, "e2e_mean": 1200.0},
    }  # fmt: skip
    return Run(**(given | changes))


def cases(*runs, tmp="result.json", **changes):
    return cases_of([LoadTest(Path(tmp), "csv", runs)], MODEL, REPLICA, **changes)


def columns(**changes):
    given = {
        "arrival_s": [0.5, 0.0, 1.0], "input_tokens": [20.0, 10.0, 30.0],
        "output_tokens": [5.0, 4.0, 6.0], "ttft_ms": [1.0] * 3, "e2e_ms": [9.0] * 3,
    }  # fmt: skip
    return RequestColumns(**{k: np.array(v) for k, v in (given | changes).items()})


def test_a_concurrency_is_a_closed_loop():
    ((found,), left_out) = cases(run(concurrency=8.0))
    assert left_out == []
    assert found.load == ClosedLoop(8, (512, 512), (128, 128), 100, warm_up=0)
    assert (found.case_id, found.dataset, found.measured["tpot_mean"]) == (
        "8 at once", "result.json", 9.0,
    )  # fmt: skip


def test_measured_lengths_are_sent_in_their_order():
    ((found,), _) = cases(run(concurrency=2.0, requests=3, per_request=columns()))
    assert found.load.lengths == ((10, 4), (20, 5), (30, 6))
    told = predict(found)
    swapped = replace(found.load, lengths=((30, 6), (20, 5), (10, 4)))
    assert told["completed"] == 3
    assert predict(replace(found, load=swapped)) != told


def test_a_rate_is_an_open_loop():
    ((found,), _) = cases(run(rate_per_s=2.5))
    assert found.load == OpenLoop(None, (Stage(0.0, 40.0, 100),), 512, 128, 0, math.inf)
    assert predict(found)["completed"] == 100


def test_recorded_arrivals_are_replayed():
    ((found,), _) = cases(run(rate_per_s=2.5, requests=3, per_request=columns()))
    workload = found.load.recorded
    assert workload.arrival_ns.tolist() == [0, 500_000_000, 1_000_000_000]
    assert workload.input_tokens.tolist() == [10, 20, 30]
    assert predict(found)["completed"] == 3
    ((silent,), _) = cases(run(requests=3, per_request=columns()))
    assert silent.load.recorded is not None and silent.load.stages == ()


def test_a_rate_at_its_limit_is_a_closed_loop():
    ((found,), _) = cases(run(rate_per_s=100.0, concurrency=16.0, requests=2000, duration_s=20.0))
    assert found.load.concurrency == 16
    ((found,), _) = cases(run(rate_per_s=2.5, concurrency=16.0))
    assert isinstance(found.load, OpenLoop)


def test_everything_at_once():
    ((found,), _) = cases(run(tool="vllm-bench", requests=30))
    assert (found.load.concurrency, found.load.requests) == (30, 30)


def test_runs_that_teach_nothing_are_left_out_with_a_word():
    found, left_out = cases(
        run(name="silent"),
        run(name="first tokens", concurrency=8.0, measured={"ttft_mean": 40.0}),
        run(name="failing", concurrency=8.0, failed=20),
        run(name="drafting", concurrency=8.0, caveat="speculative decoding: 2.4 tokens per step"),
        run(name="behind", rate_per_s=50.0),
        run(name="good", concurrency=8.0, failed=2),
    )
    assert [each.case_id for each in found] == ["good"]
    said = {each.name: each.reason for each in left_out}
    assert "neither how many requests were in flight" in said["silent"]
    assert "a first token alone" in said["first tokens"]
    assert "20 of 120 requests failed" in said["failing"]
    assert "speculative decoding" in said["drafting"]
    assert "came to an end of 50 offered" in said["behind"]
    kept, _ = cases(run(name="failing", concurrency=8.0, failed=20), keep_suspicious=True)
    assert len(kept) == 1


def test_a_few_failures_are_suspicious_but_not_grave():
    assert grave(run(concurrency=8.0, failed=4)) == []


def test_names_of_models():
    assert not other_model("llama-3.1-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct")
    assert not other_model("/models/Meta-Llama-3.1-8B", "meta-llama/Llama-3.1-8B-Instruct")
    assert other_model("example/tiny-70b", "meta-llama/Llama-3.1-8B-Instruct")
