"""What error to expect of a kind of replica: counted by hand on errors of our choice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from calibration.bands import LEAST_ROWS, bands, rest_is_known, spread
from calibration.cases import ClosedLoop, StaticBatch
from calibration.left_out import IN_SAMPLE, Row
from tests.calibration.made import LLAMA_8B, MIXTRAL, case_of, recorded, replica_on

STATIC = StaticBatch(1, 100, 10)
CLOSED = ClosedLoop(2, (100, 100), (10, 10), 8, 0)
OPEN = recorded([100, 200])
H100, A100 = "h100-sxm-80gb", "a100-sxm-80gb"
CLASSES = {f"{what}_{kind}" for what in ("known", "unknown_gpu", "unknown_engine")
           for kind in ("dense", "moe")}  # fmt: skip


def case(gpu=H100, engine="vllm", load=OPEN, model=LLAMA_8B):
    return case_of(load, replica_on(gpu, engine), model)


def row(scheme, of, percent, metric="tpot_mean"):
    return Row(scheme, of, metric, float(np.log1p(percent / 100.0)))


def in_sample(*cases):
    """A row each, so that it is known what the fit saw; its error is no band's business."""
    return [row(IN_SAMPLE, each, 77.0) for each in cases]


def test_bands_are_medians_and_percentiles_of_errors_without_their_sign():
    """Five errors of a family left out, on a GPU and an engine that other families ran on."""
    seen = in_sample(case(), case(model=MIXTRAL))
    errors = [-10.0, 2.0, -4.0, 6.0, 8.0]
    found = bands([*seen, *(row("family", case(), error) for error in errors)])
    assert set(found) == CLASSES
    assert found["known_dense"] == pytest.approx({"tpot_median": 6.0, "tpot_p90": 9.2})
    assert all(not values for name, values in found.items() if name != "known_dense")


def test_each_scheme_has_its_class_and_experts_have_their_own():
    cases = [
        case(), case(A100), case(engine="trtllm"), case(model=MIXTRAL), case(A100, model=MIXTRAL),
        case(engine="trtllm", model=MIXTRAL), case(A100, "trtllm"),
    ]  # fmt: skip
    told = in_sample(*cases)
    for i, scheme in enumerate(("family", "gpu", "engine", "data set")):
        told += [row(scheme, case(), 1.0 + i)] * 4
        told += [row(scheme, case(model=MIXTRAL), 11.0 + i)] * 4
    found = {name: values["tpot_median"] for name, values in bands(told).items()}
    assert found == pytest.approx(
        {
            "known_dense": 1.0, "known_moe": 11.0, "unknown_gpu_dense": 2.0,
            "unknown_gpu_moe": 12.0, "unknown_engine_dense": 3.0, "unknown_engine_moe": 13.0,
        }
    )  # fmt: skip


@pytest.mark.parametrize(
    "metric, load, latency",
    [
        ("tpot_mean", OPEN, "tpot"), ("tpot_mean", CLOSED, "tpot"), ("decode", STATIC, "tpot"),
        ("ttft_mean", OPEN, "ttft"), ("e2e_mean", OPEN, "e2e"), ("ttft_mean", CLOSED, None),
        ("e2e_mean", CLOSED, None), ("prefill", STATIC, None), ("ttft_p90", OPEN, None),
    ],
)  # fmt: skip
def test_a_figure_counts_for_its_latency(metric, load, latency):
    """First tokens and whole answers only where requests came by themselves."""
    seen = in_sample(case(), case(model=MIXTRAL))
    told = [row("family", case(load=load), 5.0, metric)] * 4
    found = bands([*seen, *told])["known_dense"]
    expected = {f"{latency}_median": 5.0, f"{latency}_p90": 5.0} if latency else {}
    assert found == pytest.approx(expected)


# --- only what the scheme says is new -------------------------------------------------------------


def test_a_family_alone_on_its_gpu_tells_nothing_of_known_gpus():
    """Without Llama nobody ran on the A100; on the H100 Mixtral did."""
    cases = [case(), case(A100), case(model=MIXTRAL)]
    told = [row("family", each, 5.0) for each in cases]
    assert rest_is_known(told, "family", cases) == [told[0], told[2]]


def test_an_engine_known_from_its_family_only_tells_nothing():
    cases = [case(engine="trtllm"), case(), case(model=MIXTRAL)]
    told = [row("family", each, 5.0) for each in cases]
    assert rest_is_known(told, "family", cases) == [told[1], told[2]]


def test_a_gpu_left_out_may_be_unknown_but_not_its_engine():
    """Without the A100, SGLang is gone as well; vLLM stays."""
    cases = [case(A100, "sglang"), case(A100), case()]
    told = [row("gpu", each, 5.0) for each in cases]
    assert rest_is_known(told, "gpu", cases) == [told[1], told[2]]


def test_an_engine_left_out_may_be_unknown_but_not_its_gpu():
    cases = [case(A100, "sglang"), case(H100, "sglang"), case()]
    told = [row("engine", each, 5.0) for each in cases]
    # Without vLLM, SGLang still ran on the H100.
    assert rest_is_known(told, "engine", cases) == [told[1], told[2]]


def test_rows_of_unknown_rests_are_in_no_band():
    cases = [case(A100), case(model=MIXTRAL)]
    rows = [row("family", cases[0], 5.0)] * 9 + [row("family", cases[1], 5.0)] * 9
    found = bands([*in_sample(*cases), *rows])
    assert found["known_dense"] == {} and found["known_moe"] == {}


# --- the numbers ----------------------------------------------------------------------------------


def test_few_rows_make_no_band():
    assert spread([1.0] * (LEAST_ROWS - 1)) == {}
    assert spread([1.0] * LEAST_ROWS) == {"median": 1.0, "p90": 1.0}
    assert spread([np.nan] * 9 + [1.0, np.inf, 2.0]) == {}, "only what was predicted counts"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.floats(0, 1e3), min_size=LEAST_ROWS, max_size=40))
def test_a_median_is_below_its_percentile_and_both_among_the_errors(errors):
    found = spread(errors)
    assert min(errors) <= found["median"] <= found["p90"] <= max(errors)
