"""Fits to what the simulator itself says with known coefficients, and what must hold of any fit."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.cases import ClosedLoop, StaticBatch
from calibration.coefficients import CHIP, moved, priors
from calibration.fitting import (
    ROWS_OF_A_SET,
    STEP,
    Problem,
    fit,
    kind,
    targets_of,
    without,
)
from calibration.least_squares import LARGEST, SCALE, best_step, damped
from calibration.left_out import IN_SAMPLE, SCHEMES, rows
from calibration.prediction import predict
from tests.calibration.made import MIXTRAL, case_of, recorded, replica_on

TRUTH = {
    ("h100", "achieved_bandwidth"): 0.93,
    ("h100", "achieved_flops"): 0.58,
    ("a100", "achieved_bandwidth"): 0.84,
    ("a100", "achieved_flops"): 0.75,
    ("h200", "achieved_bandwidth"): 0.93,
    ("vllm", "layer_overhead_s"): 45e-6,
    ("trtllm", "layer_overhead_s"): 80e-6,
    ("vllm", "moe_layer_overhead_s"): 60e-6,
}
"""Up to twice their prior's spread away from it; all other coefficients are as believed."""
NEVER_SEEN = (
    ("unknown", "nvfp4_efficiency"), ("unknown", "pcie_efficiency"), ("unknown", "pcie_latency_s"),
    ("unknown", "fp8_layer_overhead_s"), ("unknown", "blocking_sequence_overhead_s"),
    ("vllm", "quantised_moe_layer_overhead_s"),
)  # fmt: skip
"""What bf16 weights on NVLink under asynchronous scheduling cannot tell."""


def small_cases():
    """Static batches on three chips and two engines, closed loops, two minutes of an open loop."""
    ran = [replica_on(gpu) for gpu in ("h100-sxm-80gb", "a100-sxm-80gb", "h200-sxm-141gb")]
    static = [
        case_of(StaticBatch(batch, prompt, 128), replica, dataset="static")
        for replica in [*ran, replica_on(engine="trtllm")]
        for batch in (1, 16, 64)
        for prompt in (128, 2048)
    ]
    experts = [
        case_of(StaticBatch(batch, 256, 128), replica_on(tensor_parallel=2), MIXTRAL, dataset="moe")
        for batch in (1, 2, 4, 8, 32)
    ]
    closed = [
        case_of(ClosedLoop(users, (500, 500), (60, 60), 4 * users, 2 * users), dataset="closed")
        for users in (1, 8, 32)
    ]
    gaps_ms = np.random.default_rng(5).exponential(300.0, 400)
    open_loop = case_of(recorded(np.cumsum(gaps_ms), 300, 40), dataset="open")
    return [*static, *experts, *closed, open_loop]


def measured_with(cases, values):
    """The cases as if their engines were built of these coefficients."""
    return [
        replace(case, measured=predict(replace(case, replica=moved(case.replica, values)), seeds=1))
        for case in cases
    ]


def problem_of(cases, truth):
    """To find out what moved the measured figures away from what the priors say."""
    believed = priors((case.model, case.replica) for case in cases)
    values = {key: prior.value for key, prior in believed.items()} | truth
    return Problem(measured_with(cases, values), believed, None)


@pytest.fixture(scope="module")
def problem():
    return problem_of(small_cases(), TRUTH)


@pytest.fixture(scope="module")
def fitted(problem):
    return fit(problem)


def spread(fitted):
    return np.sqrt(np.diag(fitted.covariance))


def index(problem, key):
    return list(problem.priors).index(key)


def remeasured(problem, of_group, factor):
    """The same problem with figures of some cases `factor` times as large."""
    cases = [
        replace(case, measured={m: factor * value for m, value in case.measured.items()})
        if of_group(case)
        else case
        for case in problem.cases
    ]
    return replace(problem, cases=cases)


# --- the truth is found ---------------------------------------------------------------------------


def test_measurements_as_believed_move_nothing():
    """Priors that predict every figure exactly are the fit."""
    nothing_new = problem_of(small_cases(), {})
    result = fit(nothing_new, iterations=2)
    assert result.x == pytest.approx(np.zeros(len(nothing_new.priors)), abs=1e-9)
    assert result.errors == pytest.approx(np.zeros(len(nothing_new.targets)), abs=1e-9)


def test_moved_coefficients_are_found(problem, fitted):
    """Chips within 3 %, launches within 5 %; the overheads of experts share their rows."""
    for key, value in TRUTH.items():
        within = {"moe_layer_overhead_s": 0.2, "layer_overhead_s": 0.05}.get(key[1], 0.03)
        assert fitted.values[key] == pytest.approx(value, rel=within), key
    truth = {key: prior.value for key, prior in problem.priors.items()} | TRUTH
    off = [np.log(fitted.values[key] / value) for key, value in truth.items()]
    assert (np.abs(off) < 2 * spread(fitted)).all(), "no surer than right"


def test_every_figure_is_met(problem, fitted):
    """First tokens of closed loops weigh least."""
    assert np.median(np.abs(fitted.errors)) < 0.005
    assert np.abs(fitted.errors).max() < 0.03
    assert fitted.errors == pytest.approx(problem.errors(fitted.x), abs=1e-12)
    before = problem.errors(np.zeros(len(problem.priors)))
    assert np.abs(before).max() > 0.1


def test_what_no_figure_depends_on_stays_as_believed(problem, fitted):
    for key in NEVER_SEEN:
        at = index(problem, key)
        assert fitted.x[at] == pytest.approx(0.0, abs=1e-6), key
        assert spread(fitted)[at] == pytest.approx(problem.spreads[at], rel=1e-4), key


def test_the_covariance_is_one_and_never_wider_than_belief(problem, fitted):
    assert fitted.covariance == pytest.approx(fitted.covariance.T, rel=1e-9, abs=1e-15)
    assert np.linalg.eigvalsh(fitted.covariance).min() > 0
    assert (spread(fitted) <= problem.spreads * (1 + 1e-9)).all()
    assert spread(fitted)[index(problem, ("h100", "achieved_flops"))] < 0.25 * 0.12


def test_one_wild_figure_moves_nothing_much(problem, fitted):
    """A decode step three times as long as all others say."""
    cases = list(problem.cases)
    wild = cases[2].measured | {"decode": 3 * cases[2].measured["decode"]}
    cases[2] = replace(cases[2], measured=wild)
    moved_by = fit(replace(problem, cases=cases)).x - fitted.x
    assert np.abs(moved_by / spread(fitted)).max() < 0.5
    for key in TRUTH:
        assert abs(moved_by[index(problem, key)]) < 0.02, key


def test_workers_change_nothing(problem):
    x = np.full(len(problem.priors), 0.01)
    with ThreadPoolExecutor(2) as pool:
        together = replace(problem, workers=pool)
        assert together.told(x) == problem.told(x)
        told = problem.told(x)
        assert (together.jacobian(x, told) == problem.jacobian(x, told)).all()


# --- what is fitted -------------------------------------------------------------------------------


def test_targets_are_the_figures_of_each_kind_of_load(problem):
    found = {(kind(problem.cases[t.case]), t.metric) for t in problem.targets}
    assert found == {
        ("static", "prefill"), ("static", "decode"), ("closed", "tpot_mean"),
        ("closed", "ttft_mean"), ("open", "tpot_mean"), ("open", "ttft_mean"),
        ("open", "ttft_p90"), ("open", "e2e_mean"), ("open", "e2e_p90"),
    }  # fmt: skip
    assert all(t.measured == problem.cases[t.case].measured[t.metric] for t in problem.targets)


def test_first_tokens_of_closed_loops_are_fitted_on_vllm_alone():
    load = ClosedLoop(2, (100, 100), (10, 10), 8, 0)
    figures = {"tpot_mean": 5.0, "ttft_mean": 20.0, "throughput": 300.0}
    for engine, metrics in (("vllm", ["tpot_mean", "ttft_mean"]), ("trtllm", ["tpot_mean"])):
        case = case_of(load, replica_on(engine=engine), measured=figures)
        assert [target.metric for target in targets_of([case])] == metrics


def test_a_large_data_set_weighs_no_more_than_its_limit():
    """And what was not measured is no target."""
    large = int(4 * ROWS_OF_A_SET)
    case = case_of(StaticBatch(1, 100, 10), measured={"decode": 5.0, "prefill": 0.0})
    small = replace(case, dataset="small")
    found = targets_of([case] * large + [small] * 3)
    assert {target.metric for target in found} == {"decode"}
    assert sum(t.weight for t in found if t.case < large) == pytest.approx(ROWS_OF_A_SET)
    assert [t.weight for t in found if t.case >= large] == [1.0] * 3


def test_values_are_exponentials_up_to_their_bound(problem):
    at = problem.values(np.full(len(problem.priors), 0.2))
    for key, prior in problem.priors.items():
        assert at[key] == pytest.approx(min(prior.value * np.exp(0.2), prior.most)), key
    assert problem.values(np.full(len(problem.priors), 9.0))["unknown", "routing_evenness"] == 1.0


def test_a_tied_chip_is_fitted_by_its_owner(problem, fitted):
    """No coefficient of the H200's compute units: those of the H100 predict its prefills."""
    assert ("h200", "achieved_bandwidth") in problem.priors
    assert ("h200", "achieved_flops") not in problem.priors
    h200 = replica_on("h200-sxm-141gb")
    assert moved(h200, fitted.values).gpu.achieved_flops == fitted.values["h100", "achieved_flops"]
    ours = [target.case for target in problem.targets
            if problem.cases[target.case].replica.gpu.silicon == "h200"]  # fmt: skip
    column = fitted.jacobian[:, index(problem, ("h100", "achieved_flops"))]
    by_case = [abs(column[i]) for i, t in enumerate(problem.targets) if t.case in ours]
    assert max(by_case) > 0.5


def test_a_tied_chip_alone_still_has_its_owners_coefficients():
    cases = [case_of(StaticBatch(b, 1024, 128), replica_on("h200-sxm-141gb")) for b in (1, 8, 32)]
    alone = problem_of(cases, {("h100", "achieved_flops"): 0.58})
    assert {key for key in alone.priors if key[1] in CHIP} == {
        ("h100", "achieved_flops"), ("h100", "decode_flops_price"), ("h200", "achieved_bandwidth"),
    }  # fmt: skip
    assert fit(alone).values["h100", "achieved_flops"] == pytest.approx(0.58, rel=0.05)


# --- derivatives ----------------------------------------------------------------------------------


def by_simulation(problem, x):
    """Derivatives as differences of whole simulations."""
    here = problem.errors(x)
    shifts = [x + STEP * unit for unit in np.eye(x.size)]
    return np.array([(problem.errors(at) - here) / STEP for at in shifts]).T


def test_derivatives_of_static_batches_and_open_loops_are_those_of_the_simulation(problem):
    """And far from the priors, too."""
    for x in (np.zeros(len(problem.priors)), np.linspace(-0.3, 0.3, len(problem.priors))):
        jacobian, simulated = problem.jacobian(x, problem.told(x)), by_simulation(problem, x)
        exact = np.array([kind(problem.cases[t.case]) != "closed" for t in problem.targets])
        assert jacobian[exact] == pytest.approx(simulated[exact], abs=1e-9)
        assert np.abs(jacobian).max() > 0.5


@pytest.mark.parametrize("prompt, answer", [(1000, 500), (4000, 200)])
def test_derivatives_of_closed_loops_come_near_those_of_the_simulation(prompt, answer):
    """TPOT within 12 %, first tokens, which wait for parts of steps, in the same direction."""
    lengths = (prompt * 4 // 5, prompt), (answer * 4 // 5, answer)
    cases = [case_of(ClosedLoop(c, *lengths, 4 * c, 2 * c)) for c in (1, 4, 16, 64)]
    problem = problem_of(cases, {})
    x = np.zeros(len(problem.priors))
    jacobian, simulated = problem.jacobian(x, problem.told(x)), by_simulation(problem, x)
    for target, sketched, true in zip(problem.targets, jacobian, simulated, strict=True):
        off = np.linalg.norm(sketched - true) / np.linalg.norm(true)
        along = sketched @ true / np.linalg.norm(sketched) / np.linalg.norm(true)
        if target.metric == "tpot_mean":
            assert off < 0.12, target
        assert along > 0.85, target


# --- leaving out ----------------------------------------------------------------------------------


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_group_left_out_is_not_looked_at(problem, fitted, scheme):
    """Whatever was measured of it: the point is the same."""
    group_of = SCHEMES[scheme]
    group = group_of(problem.cases[-1])
    mine = np.array([group_of(problem.cases[t.case]) == group for t in problem.targets])
    assert 0 < mine.sum() < mine.size
    points = []
    for factor in (1.0, 1.3):
        other = remeasured(problem, lambda case: group_of(case) == group, factor)
        points.append(without(replace(fitted, problem=other, errors=other.errors(fitted.x)), mine))
    assert points[1] == pytest.approx(points[0], abs=1e-9)
    looked = remeasured(problem, lambda case: group_of(case) != group, 1.3)
    seen = without(replace(fitted, problem=looked, errors=looked.errors(fitted.x)), mine)
    assert np.abs(seen - points[0]).max() > 0.05


def test_leaving_nothing_out_is_the_fit_itself(problem, fitted):
    nothing = np.zeros(len(problem.targets), dtype=bool)
    off = without(fitted, nothing) - fitted.x
    assert np.abs(off / spread(fitted)).max() < 0.1


def test_leaving_out_is_near_a_fit_from_the_start(problem, fitted):
    """Of the same priors without the A100's rows."""
    mine = np.array([problem.cases[t.case].replica.gpu.silicon == "a100" for t in problem.targets])
    others = [case for case in problem.cases if case.replica.gpu.silicon != "a100"]
    anew = fit(replace(problem, cases=others))
    off = without(fitted, mine) - anew.x
    assert np.abs(off / spread(anew)).max() < 0.5
    for field in CHIP:
        at = index(problem, ("a100", field))
        assert anew.x[at] == pytest.approx(0.0, abs=1e-9), "nobody saw that chip"


def test_errors_are_told_in_sample_and_of_every_group_unseen(problem, fitted):
    """One engine's data set left out is still predicted: the physics of it is true."""
    told = list(rows(fitted))
    by_scheme = {
        scheme: [row for row in told if row.scheme == scheme] for scheme in (IN_SAMPLE, *SCHEMES)
    }
    assert {scheme: len(mine) for scheme, mine in by_scheme.items()} == dict.fromkeys(
        (IN_SAMPLE, *SCHEMES), len(problem.targets)
    )
    assert [row.error for row in by_scheme[IN_SAMPLE]] == fitted.errors.tolist()
    closed = [row for row in by_scheme["data set"] if row.case.dataset == "closed"]
    assert len(closed) == 6
    assert max(abs(row.percent) for row in closed) < 3.0
    a100 = [row for row in by_scheme["gpu"] if row.case.replica.gpu.silicon == "a100"]
    decode = [row.percent for row in a100 if row.metric == "decode"]
    # Its memory is believed 6 % faster than it is, the whole step somewhat less.
    assert -8.0 < np.median(decode) < -2.0


def test_a_scheme_of_one_group_has_no_rows():
    """Nothing would be left to fit to."""
    cases = [case_of(StaticBatch(b, 100, 50), case_id=str(b)) for b in (1, 2, 4)]
    result = fit(problem_of(cases, {}), iterations=1)
    assert {row.scheme for row in rows(result)} == {IN_SAMPLE}


# --- one step -------------------------------------------------------------------------------------


@st.composite
def linear_problems(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    n, k = draw(st.integers(1, 30)), draw(st.integers(1, 6))
    errors = rng.normal(0, draw(st.sampled_from([0.01, 0.1, 1.0])), n)
    weights = rng.choice([0.0, 0.3, 1.0, 4.0], n)
    return rng.normal(0, 0.3, k), errors, rng.normal(0, 1, (n, k)), weights, rng.uniform(0.05, 1, k)


def loss(step, x, errors, jacobian, weights, spreads):
    """What is to be made small: Cauchy's loss of the rows, and the prior's square."""
    rows = weights * np.log1p((errors + jacobian @ step) ** 2 / SCALE**2)
    return 0.5 * rows.sum() + 0.5 * (((x + step) / spreads) ** 2).sum()


@settings(max_examples=100, deadline=None)
@given(linear_problems())
def test_a_step_never_makes_it_worse(linear):
    step, covariance = best_step(*linear)
    assert loss(step, *linear) <= loss(np.zeros_like(step), *linear) + 1e-9
    assert covariance == pytest.approx(covariance.T, rel=1e-6, abs=1e-12)
    assert np.linalg.eigvalsh(covariance).min() > 0
    assert (np.diag(covariance) <= linear[-1] ** 2 * (1 + 1e-9)).all()


@settings(max_examples=100, deadline=None)
@given(linear_problems())
def test_a_row_of_no_weight_is_not_there(linear):
    x, errors, jacobian, weights, spreads = linear
    kept = weights > 0
    whole = best_step(*linear)
    less = best_step(x, errors[kept], jacobian[kept], weights[kept], spreads)
    assert whole[0] == pytest.approx(less[0], rel=1e-6, abs=1e-9)
    assert whole[1] == pytest.approx(less[1], rel=1e-6, abs=1e-9)


def test_without_rows_the_prior_is_all():
    x, spreads = np.array([0.2, -0.1]), np.array([0.5, 0.1])
    step, covariance = best_step(x, np.zeros(0), np.zeros((0, 2)), np.zeros(0), spreads)
    assert step == pytest.approx(-x)
    assert covariance == pytest.approx(np.diag(spreads**2))


def test_one_row_and_one_prior_meet_in_between():
    """Both known to 6 %: of an error within the scale, the answer of two equal witnesses."""
    spreads, one = np.array([SCALE]), np.ones(1)
    step, covariance = best_step(np.zeros(1), -1e-6 * one, np.ones((1, 1)), one, spreads)
    assert step == pytest.approx([0.5e-6], rel=1e-4)
    assert covariance == pytest.approx(np.array([[SCALE**2 / 2]]), rel=1e-4)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(-3, 3), min_size=1, max_size=5))
def test_a_damped_step_goes_the_same_way_but_not_too_far(step):
    taken = damped(np.array(step))
    assert (np.abs(taken) <= LARGEST).all()
    assert (taken * np.array(step) >= 0).all()
    near = np.abs(step) <= LARGEST
    assert (taken[near] == np.array(step)[near]).all()


# --- any truth ------------------------------------------------------------------------------------


@settings(max_examples=5, deadline=None, derandomize=True)
@given(st.floats(-1, 1), st.floats(-1, 1), st.floats(-1, 1))
def test_any_truth_within_belief_is_met(bandwidth, flops, layer):
    """One chip and one engine, within a spread of the prior each."""
    loads = [StaticBatch(b, p, 128) for b in (1, 4, 16, 64) for p in (64, 512, 4096)]
    cases = [case_of(load) for load in loads]
    believed = priors((case.model, case.replica) for case in cases)
    moves = {("h100", "achieved_bandwidth"): bandwidth, ("h100", "achieved_flops"): flops,
             ("vllm", "layer_overhead_s"): layer}  # fmt: skip
    truth = {
        key: believed[key].value * np.exp(move * believed[key].spread)
        for key, move in moves.items()
    }
    result = fit(problem_of(cases, truth))
    assert np.abs(result.errors).max() < 0.02
    assert result.values["h100", "achieved_flops"] == pytest.approx(
        truth["h100", "achieved_flops"], rel=0.03
    )
