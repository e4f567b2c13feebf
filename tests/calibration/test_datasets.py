"""Published measurements become cases, or are refused with the reason; nothing is lost."""

import numpy as np
import pandas as pd
import pytest

from calibration.cases import ClosedLoop, OpenLoop, Peer, Stage, StaticBatch
from calibration.datasets import read_cases
from calibration.datasets.names import known_beside
from calibration.datasets.prompts import repeated_prompts
from calibration.prediction import predict
from scenarios.catalogue import coefficients
from scenarios.memory import kv_bytes_per_token, parameters
from tests.calibration.conftest import LATENT_MODEL, NEW_GPU, NEW_MODEL, ROWS

WHOLE = {"ttft_mean": 40.0, "e2e_mean": 500.0, "tpot_mean_published": 16.0, "tpot_mean_true": 15.0}

UNKNOWN = coefficients()["silicon"]["unknown"]


def row(kind, **changes):
    """A row of a kind, changed; None takes a cell away."""
    changed = ROWS[kind] | changes
    return {column: "" if value is None else value for column, value in changed.items()}


def only_case(path, **asked):
    cases, refused = read_cases(path, **asked)
    assert not refused, refused
    (case,) = cases
    return case


def only_reason(path, **asked):
    cases, refused = read_cases(path, **asked)
    assert not cases
    (one,) = refused
    return one.reason


def request_rows(count, **columns):
    """`count` requests half a second apart; a column is a value or a function of the row."""
    standard = {
        "idx": lambda i: i, "stage_index": 0, "arrival_s": lambda i: 100.0 + 0.5 * i,
        "prompt_id": lambda i: i % 6, "input_tokens": lambda i: 500 + i % 6,
        "output_tokens_requested": 32, "ttft_ms": 40.0, "e2e_ms": 505.0, "has_error": 0,
    }  # fmt: skip
    return [
        {name: make(i) if callable(make) else make for name, make in (standard | columns).items()}
        for i in range(count)
    ]


# --- open loops ----------------------------------------------------------------------------------


def test_stages_without_a_recording(folder):
    folder.table("cases.csv", [row("vllm_s2r")])
    case = only_case(folder.measured("run-1", whole=WHOLE, stage0={"ttft_mean": 30.0}).path)
    assert case.load == OpenLoop(
        None, (Stage(0.0, 10.0, 20), Stage(15.5, 10.0, 40)), 575, 32, prompts=6, timeout_s=300.0
    )
    assert case.measured == {"ttft_mean": 40.0, "e2e_mean": 500.0, "tpot_mean": 15.0}
    engine = case.replica.engine
    assert (engine.max_num_seqs, engine.num_gpu_blocks, engine.max_model_len) == (128, 20000, 4096)
    assert engine.prefix_caching and engine.async_scheduling and engine.http
    assert engine.sampling == "top-p"
    assert not case.overloaded and case.suspect is None


def test_a_recording_is_taken_as_it_is(folder):
    folder.table("cases.csv", [row("vllm_s2r")]).measured("run-1", whole=WHOLE)
    failed = request_rows(18)
    failed[7] |= {"input_tokens": 0, "ttft_ms": "", "e2e_ms": 300000.0, "has_error": 1}
    case = only_case(folder.table("requests/run-1.csv.gz", failed).path)
    workload = case.load.recorded
    assert workload.arrival_ns[:3].tolist() == [0, 500_000_000, 1_000_000_000]
    assert workload.input_tokens[7] == 501, "the length of the other copies of its prompt"
    assert case.load.stages == (Stage(0.0, 8.5, 18),)
    assert np.isnan(case.measured_requests["e2e"][7])
    assert case.measured["ttft_p90"] == 40.0, "from the recording, where nobody published it"
    assert predict(case, seeds=1)["completed"] == 18


def test_copies_of_a_prompt_share_all_of_it_and_groups_share_the_system_prompt():
    prompt = np.array([0, 1, 2, 0])
    lengths = np.array([100, 110, 120, 101])
    chains = repeated_prompts(prompt, lengths, np.full(4, 8), groups=2, system_tokens=32)
    rows = [
        list(zip(chains.keys[a:b], chains.ends[a:b], strict=True))
        for a, b in zip(chains.first, chains.first[1:], strict=False)
    ]
    assert rows[0] == rows[3] == [(0, 32), (2, 100)]
    assert rows[2] == [(0, 32), (4, 120)], "prompt 2 is of the group of prompt 0"
    assert rows[1] == [(1, 32), (3, 110)]


def test_a_repeated_prompt_is_faster_than_a_new_one(folder):
    folder.table("cases.csv", [row("vllm_s2r"), row("vllm_s2r", case_id="new")])
    folder.table(
        "measured.csv",
        [
            {"case_id": name, "stage_index": -1, "metric": "ttft_mean", "value": 40.0}
            for name in ("run-1", "new")
        ],
    )
    folder.table("requests/run-1.csv", request_rows(60))
    folder.table("requests/new.csv", request_rows(60, prompt_id=lambda i: i))
    repeated, new = read_cases(folder.path)[0]
    assert predict(repeated, 1)["ttft_p50"] < predict(new, 1)["ttft_p50"]


@pytest.mark.parametrize(
    "whole, stages",
    [
        ({"ttft_mean": 2500.0}, {}),
        ({"n_success": 50.0, "n_failed": 10.0}, {}),
        ({"n_success": 50.0}, {}),
        ({}, {"stage1": {"ttft_mean": 9000.0}}),
    ],
)
def test_overloads_are_known_by_what_was_measured(folder, whole, stages):
    folder.table("cases.csv", [row("vllm_s2r")]).measured("run-1", whole=WHOLE | whole, **stages)
    assert only_case(folder.path).overloaded


def test_peers_keep_what_they_were_scored_on(folder):
    folder.table("cases.csv", [row("vllm_s2r")]).measured("run-1", whole=WHOLE)
    common = {"case_id": "run-1", "predicted_ms": 20.0, "actual_ms": 16.0}
    folder.table(
        "peer_predictions.csv",
        [
            common | {"simulator": "a", "stage_index": -1, "metric": "itl_mean"},
            common | {"simulator": "a", "stage_index": 0, "metric": "ttft_mean"},
            common
            | {"simulator": "b", "metric": "ttft_mean", "prediction_set": "matched_first300"},
        ],
    )
    assert only_case(folder.path).peers == {
        "a": {"tpot_mean": Peer(20.0, 16.0)},
        "b (first 300 requests)": {"ttft_mean": Peer(20.0, 16.0)},
    }


def test_a_trace_replayed_in_process(folder):
    folder.table("cases.csv", [row("llmservingsim")])
    requests = request_rows(12, output_tokens=64, max_prefix_hit_tokens=0)
    requests[9]["max_prefix_hit_tokens"] = 496
    case = only_case(folder.table("requests_lss-1.csv", requests).path)
    assert (case.replica.engine.http, case.replica.engine.sampling) == (False, "greedy")
    assert case.load.timeout_s == np.inf and not case.overloaded and case.group
    assert case.load.recorded.chains.ends.tolist() == [496, 496]
    assert case.measured["ttft_mean"] == pytest.approx(40.0)
    assert predict(case, 1)["completed"] == 12


# --- everything else -----------------------------------------------------------------------------


def test_static_batches(folder):
    folder.table("cases.csv.gz", [row("trtllm")]).table("more.csv", [row("splitwise")])
    split, trt = sorted(read_cases(folder.path)[0], key=lambda case: case.case_id)
    assert trt.load == StaticBatch(4, 128, 64)
    assert trt.measured == {"prefill": 20.0, "decode": 5.0}
    assert (trt.replica.precision, trt.replica.kv_precision) == ("fp8", "fp8")
    assert (trt.model.name, trt.replica.engine.facts.name) == (
        "meta-llama/Llama-2-7b-hf",
        "trtllm-0.9",
    )
    assert split.replica.gpu.name == "a100-sxm-80gb" and split.replica.tensor_parallel == 4


def test_a_closed_loop(folder):
    case = only_case(folder.table("cases.csv", [row("silicon")]).path)
    assert case.load == ClosedLoop(16, (800, 1000), (400, 500), requests=160, warm_up=0)
    assert case.measured == {"ttft_mean": 200.0, "tpot_mean": 15.0}
    assert case.replica.gpus == 4 and case.replica.engine.max_num_seqs == 256
    assert any("not stated" in words for words in case.assumed)


@pytest.mark.parametrize(
    "stated, expected",
    [
        ({"agg_tp_size": 8, "agg_moe_tp_size": 8, "agg_n_gpus": 8}, (8, 1)),
        ({"agg_tp_size": 1, "agg_attention_dp_size": 8, "agg_moe_tp_size": 1,
          "agg_moe_ep_size": 8, "agg_n_gpus": 8}, (1, 8)),
        # One measurement, listed under 8 GPUs and under 8 x 8.
        ({"agg_tp_size": 64, "agg_moe_tp_size": 8, "agg_moe_ep_size": 8, "agg_n_gpus": 64}, (8, 1)),
        ({"agg_tp_size": 1, "agg_attention_dp_size": 64, "agg_moe_tp_size": 8,
          "agg_moe_ep_size": 8, "agg_n_gpus": 64}, (1, 8)),
        # No attention ranks stated: what the experts' GPUs leave.
        ({"agg_tp_size": 2, "agg_attention_dp_size": None, "agg_moe_tp_size": 1,
          "agg_moe_ep_size": 8, "agg_n_gpus": None}, (2, 4)),
    ],
)  # fmt: skip
def test_layouts_of_experts(folder, stated, expected):
    changed = row("silicon", model="deepseek-ai/DeepSeek-R1", gpu="b200_sxm", **stated)
    replica = only_case(folder.table("cases.csv", [changed]).path).replica
    assert (replica.tensor_parallel, replica.data_parallel) == expected


def test_nim(folder):
    rows = [
        row("nim"),
        row("nim", case_id="many", concurrency=100),
        row("nim", case_id="unsteady", littles_law_ratio=0.8),
    ]
    steady, many, unsteady = read_cases(folder.table("cases.csv", rows).path)[0]
    assert steady.load == ClosedLoop(5, (200, 200), (100, 100), requests=50, warm_up=10)
    assert steady.measured["tpot_mean"] == 6.0 and steady.measured["throughput"] == 850.0
    assert many.group and not steady.group
    assert unsteady.suspect and steady.suspect is None


def test_everything_at_once(folder):
    case = only_case(folder.table("cases.csv", [row("perf_overview")]).path)
    assert case.load == ClosedLoop(500, (1000, 1000), (1000, 1000), requests=500, warm_up=0)
    assert case.measured == {"throughput": 20000.0}
    assert (case.replica.tensor_parallel, case.replica.data_parallel) == (1, 4)
    assert case.replica.precision == "nvfp4"


# --- what is refused, and what is doubted --------------------------------------------------------


@pytest.mark.parametrize(
    "kind, changes, words",
    [
        ("mlperf", {}, "neither prompt lengths"),
        ("silicon", {"mode": "disagg"}, "separate prefill and decode workers"),
        ("silicon", {"concurrency": None}, "no concurrency"),
        ("silicon", {"agg_tp_size": 3, "agg_n_gpus": 3}, "tensor parallel 3"),
        ("silicon", {"agg_n_gpus": 8}, "8 GPUs stated"),
        ("silicon", {"gpu": "a100_sxm"}, "precision the GPU does not compute in"),
        ("silicon", {"agg_tp_size": 1, "agg_n_gpus": 1, "gpu": "l40s"}, "GB more than a l40s"),
        ("silicon", {"model": "maker/Unheard-Of"}, "neither in the catalogue nor in models.json"),
        ("silicon", {"gpu": "Abacus"}, "neither in the catalogue nor in gpus.json"),
        ("silicon", {"engine": "llama.cpp"}, "engine 'llama.cpp' is not known"),
        ("silicon", {"tpot_ms": None, "ttft_ms": "nan"}, "no measured figures"),
        ("silicon", {"weight_precision": "ternary"}, "precision 'ternary' is not known"),
        ("silicon", {"isl_tokens": "long"}, "isl_tokens 'long' is no number"),
        ("silicon", {"isl_tokens": 0}, "isl_tokens 0 is not positive"),
        ("trtllm", {"batch_size": 1.5}, "no whole number"),
        ("trtllm", {"gpu": None}, "no gpu"),
        ("nim", {"isl_measured_mean": None, "isl_tokens": None}, "no isl_measured_mean"),
        ("perf_overview", {"parallelism": "sideways"}, "parallelism 'SIDEWAYS' is not known"),
        ("perf_overview", {"n_gpus": 8}, "8 GPUs stated, 4 by DEP4"),
        ("vllm_s2r", {}, "no measured figures"),
        ("vllm_s2r", {"stage_rates_rps": None}, "neither arrivals nor stage_rates_rps"),
        ("vllm_s2r", {"stage_rates_rps": "2.0|fast"}, "no positive numbers"),
        ("vllm_s2r", {"stage_durations_s": "10"}, "2 stage rates, 1 durations"),
        ("vllm_s2r", {"stage_rates_rps": "1e9|1e9"}, "too many to simulate"),
        ("vllm_s2r", {"output_tokens_requested": None}, "no output_tokens_requested"),
        ("vllm_s2r", {"gpu_kv_blocks": 8}, "a request of 607 tokens in a KV pool of 128"),
        ("llmservingsim", {}, "no requests_lss-1.csv"),
    ],
)
def test_refused_with_the_reason(folder, kind, changes, words):
    folder.table("cases.csv", [row(kind, **changes)])
    assert words in only_reason(folder.path)


def test_damaged_files_are_refused_or_done_without(folder):
    folder.table("cases.csv", [row("vllm_s2r")]).measured("run-1", whole=WHOLE)
    requests = folder.path / "requests"
    requests.mkdir()
    (requests / "run-1.csv.gz").write_bytes(b"no gzip")
    case = only_case(folder.path)
    assert case.load.recorded is None and any("drawn anew" in words for words in case.assumed)
    (folder.path / "measured.csv.gz").write_bytes(b"no gzip")
    (folder.path / "measured.csv").unlink()
    assert "measured.csv.gz cannot be read" in only_reason(folder.path)


def test_files_of_no_known_kind_are_named(folder):
    folder.table("cases.csv", [{"colour": "red", "speed": 3}])
    assert "columns of no known kind" in only_reason(folder.path)
    (folder.path / "cases.csv").write_bytes(b"")
    assert "columns of no known kind" in only_reason(folder.path)


def test_missing_columns_of_a_run_are_assumed_and_said(folder):
    kept = {
        "case_id", "model", "gpu", "engine", "stage_rates_rps", "stage_durations_s",
        "output_tokens_requested", "question_tokens_nominal",
    }  # fmt: skip
    folder.table("cases.csv", [{k: v for k, v in row("vllm_s2r").items() if k in kept}])
    case = only_case(folder.measured("run-1", whole=WHOLE).path)
    assert case.load.prompts == 0 and case.load.input_tokens == 447 + 35
    said = " ".join(case.assumed)
    for words in ("max_num_seqs 256", "every prompt is new", "bf16 weights", "5.5 s between"):
        assert words in said


def test_figures_too_good_are_suspect(folder):
    rows = [
        row("silicon", tpot_ms=1.0),
        row("silicon", case_id="drafted", model="deepseek-ai/DeepSeek-R1", engine="trtllm",
            agg_tp_size=8, agg_moe_tp_size=8, agg_n_gpus=8),
    ]  # fmt: skip
    fast, drafted = read_cases(folder.table("cases.csv", rows).path)[0]
    assert "less than reading the weights takes" in fast.suspect
    assert "speculative decoding" in drafted.suspect
    capped = row("splitwise", hardware="h100-80gb-pcap", prompt_time_ms=1.0)
    assert "power-capped" in only_case(folder.table("cases.csv", [capped]).path).suspect
    beyond = row("splitwise", batch_size=64, prompt_size=512)
    assert "peak" in only_case(folder.table("cases.csv", [beyond]).path).suspect


# --- names ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said, meant",
    [
        ("LLaMA v2 70B", "meta-llama/Llama-2-70b-hf"),
        ("meta-llama3-8b-instruct", "meta-llama/Llama-3.1-8B-Instruct"),
        ("GPTJ 6B", "EleutherAI/gpt-j-6b"),
        ("Qwen/Qwen3-235B-A22B-FP8", "Qwen/Qwen3-235B-A22B"),
        ("nvidia/DeepSeek-V3.1-NVFP4", "deepseek-ai/DeepSeek-V3"),
        ("Qwen/Qwen3-30B-A3B-Instruct-2507", "Qwen/Qwen3-30B-A3B-Instruct-2507"),
    ],
)
def test_models_have_many_names(tmp_path, said, meant):
    assert known_beside(tmp_path).model(said).name == meant


@pytest.mark.parametrize(
    "said, meant",
    [
        ("H100 80GB HBM3", "h100-sxm-80gb"),
        ("A100-SXM4-80GB", "a100-sxm-80gb"),
        ("A100-PCIE-80GB", "a100-pcie-80gb"),
        ("NVIDIA GeForce RTX 4090", "rtx-4090-24gb"),
        ("RTXPRO6000-96GB", "rtx-pro-6000-96gb"),
        ("gb300_nvl72", "gb300-288gb"),
        ("AMD Instinct MI300X", "mi300x-192gb"),
    ],
)
def test_gpus_have_many_names(tmp_path, said, meant):
    assert known_beside(tmp_path).gpu(said).name == meant


def test_a_model_and_a_gpu_that_only_the_data_describe(folder):
    changed = row("silicon", model="maker/New-9B-FP8", gpu="x900_sxm", agg_tp_size=1,
                  agg_moe_tp_size=1, agg_n_gpus=1)  # fmt: skip
    folder.describe([NEW_MODEL], [NEW_GPU]).table("cases.csv", [changed])
    case = only_case(folder.path)
    assert case.model.head_dim == 128 and case.model.layers == 40
    assert case.replica.gpu.bandwidth_bytes_per_s == 4e12
    assert case.replica.gpu.achieved_bandwidth == UNKNOWN["achieved_bandwidth"], (
        "the share of unknown silicon"
    )
    assert predict(case, 1)["tpot_mean"] > 0


def test_latent_attention_and_experts_from_models_json(folder):
    catalogue = known_beside(folder.path).model("deepseek-ai/DeepSeek-V2-Lite")
    read = known_beside(folder.describe([LATENT_MODEL]).path).model("maker/Latent-16B")
    assert parameters(read) == parameters(catalogue)
    assert kv_bytes_per_token(read) == kv_bytes_per_token(catalogue)


@pytest.mark.parametrize(
    "entry, words",
    [
        (NEW_MODEL | {"architecture": "NemotronHForCausalLM"}, "Mamba layers"),
        (NEW_MODEL | {"architecture": "UnheardOfForCausalLM"}, "are not known"),
        (NEW_MODEL | {"n_layers": None}, "num_hidden_layers"),
        (NEW_MODEL | {"hidden_size": "wide", "head_dim": 128}, "hidden"),
    ],
)
def test_models_that_cannot_be_expressed_are_refused(folder, entry, words):
    folder.describe([entry]).table("cases.csv", [row("silicon", model="maker/New-9B")])
    assert words in only_reason(folder.path)


def test_a_gpu_described_in_part_is_refused(folder):
    entry = NEW_GPU | {"mem_bw_gb_s": None}
    folder.describe(gpus=[entry]).table("cases.csv", [row("silicon", gpu="x900")])
    assert "no mem_bw_gb_s" in only_reason(folder.path)


# --- selections, and nothing lost ----------------------------------------------------------------


def test_split_and_names_select_rows(folder):
    rows = [
        row("nim", case_id="a-1"),
        row("nim", case_id="a-2", split="held-out"),
        row("nim", case_id="b-1", split=None),
    ]
    folder.table("cases.csv", rows)
    assert [case.case_id for case in read_cases(folder.path)[0]] == ["a-1", "a-2", "b-1"]
    assert [case.case_id for case in read_cases(folder.path, only=["a-*"])[0]] == ["a-1", "a-2"]
    assert only_case(folder.path, split="held-out", only=["a-*"]).case_id == "a-2"
    cases, refused = read_cases(folder.path, split="dev")
    assert [case.case_id for case in cases] == ["a-1"]
    assert [(x.case_id, "no split stated" in x.reason) for x in refused] == [("b-1", True)]


def test_a_repeated_case_id_is_refused(folder):
    cases, refused = read_cases(folder.table("cases.csv", [row("nim"), row("nim")]).path)
    assert len(cases) == 1 and "earlier row" in refused[0].reason


def test_folders_of_data_sets_and_none_at_all(folder):
    folder.table("cases.csv", [row("nim")])
    assert only_case(folder.path.parent).dataset == "set"
    assert "no CSV files" in only_reason(folder.path / "missing")


def damaged(rows, rng):
    """The same rows with cells emptied or overwritten."""
    junk = ["", "nan", "inf", "-1", "0", "1e99", "3.5", "many", "1|2", "True", "[1]", "16"]
    return [
        {k: rng.choice(junk) if k != "case_id" and rng.random() < 0.15 else v for k, v in r.items()}
        for r in rows
    ]


@pytest.mark.parametrize("seed", range(8))
def test_nothing_raises_and_nothing_is_lost(folder, seed):
    """Every row of every kind is a case or refused, whatever stands in its cells."""
    rng = np.random.default_rng(seed)
    wanted = set()
    for kind in ROWS:
        rows = [row(kind, case_id=f"{kind}-{i}") for i in range(20)]
        wanted |= {r["case_id"] for r in rows}
        folder.table(f"{kind}.csv", damaged(rows, rng))
    for i in range(5):
        for file in (f"requests/vllm_s2r-{i}.csv", f"requests_llmservingsim-{i}.csv"):
            folder.table(file, damaged(request_rows(10, output_tokens=8), rng))
    figures = [
        {"case_id": f"vllm_s2r-{i}", "stage_index": -1, "metric": name, "value": value}
        for i in range(20)
        for name, value in WHOLE.items()
    ]
    cases, refused = read_cases(folder.table("measured.csv", damaged(figures, rng)).path)
    assert sorted(x.case_id for x in [*cases, *refused]) == sorted(wanted)
    assert cases and all(x.reason and "unreadable" not in x.reason for x in refused)


# --- the published measurements ------------------------------------------------------------------


@pytest.mark.slow
def test_every_published_row_is_a_case_or_refused(truth):
    cases, refused = read_cases(truth)
    told = {(x.dataset, x.case_id) for x in [*cases, *refused]}
    assert len(told) == len(cases) + len(refused)
    files = [*truth.glob("*/cases.csv*"), *truth.glob("*/results.csv*")]
    assert told == {
        (path.parent.name, name) for path in files for name in pd.read_csv(path)["case_id"]
    }
    reasons = {x.reason.split(" hold")[0] for x in refused}
    assert reasons <= {"MLPerf logs", "no concurrency"}


def test_published_overloads(truth):
    """The four runs its README names, and no other."""
    cases, _ = read_cases(truth / "vllm_s2r")
    overloads = {case.case_id for case in cases if case.overloaded}
    assert overloads == {"trn-065057", "trn-135247", "trn-160939", "trn-170634"}
    assert sum(case.load.recorded is not None for case in cases) == 16


def test_published_split_is_dev(truth):
    path = truth / "nim_closed_loop"
    everything, dev = read_cases(path), read_cases(path, split="dev")
    assert len(everything[0]) == len(dev[0]) and read_cases(path, split="test") == ([], [])
