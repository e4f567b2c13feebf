"""Results of load-test tools: every format to the exact value and unit, and what is said of files
that are none. The samples are made up in each tool's shape; two real ones lie outside the tree."""

import copy
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML

from calibration.loadtests import (
    METRICS,
    STATISTICS,
    RequestColumns,
    Run,
    UnreadableLoadTest,
    read_load_test,
    suspicions,
)

SAMPLES = Path(__file__).parent / "samples"
REAL = Path(__file__).parents[3] / "shared" / "data" / "trace-samples"
JSON_SAMPLES = sorted(path.name for path in SAMPLES.glob("*.json*"))
VLLM_FIGURES = {
    "ttft_mean": 85.5,
    "ttft_p50": 80.25,
    "ttft_p99": 140.0,
    "tpot_mean": 24.5,
    "tpot_p50": 24.0,
    "tpot_p99": 27.5,
    "itl_mean": 24.25,
    "itl_p50": 23.75,
    "itl_p99": 61.0,
}


def sample(name):
    return read_load_test(SAMPLES / name)


def spread(metric, mean_ms, middle=0.9):
    """The samples' distributions: p50 is `middle` of the mean, p90 1.5, p95 2 and p99 3 of it."""
    shares = zip(STATISTICS, (1.0, middle, 1.5, 2.0, 3.0), strict=True)
    return {f"{metric}_{name}": pytest.approx(mean_ms * share) for name, share in shares}


def written(tmp_path, content, name="result"):
    path = tmp_path / name
    path.unlink(missing_ok=True)  # ext4 brings a file to the disk that is written over: 5 ms
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def loaded(name):
    return json.loads((SAMPLES / name).read_text())


def message_of(path):
    with pytest.raises(UnreadableLoadTest) as caught:
        read_load_test(path)
    return str(caught.value)


# vllm bench serve


def test_vllm_figures_are_read_in_ms():
    test = sample("vllm_plain.json")
    (run,) = test.runs
    assert run == Run(
        name="8 at once",
        tool="vllm-bench",
        model="example/tiny-8b",
        concurrency=8.0,
        rate_per_s=None,
        duration_s=40.0,
        requests=100,
        failed=0,
        input_tokens_mean=512.0,
        output_tokens_mean=128.0,
        measured=VLLM_FIGURES
        | {"e2e_mean": 3200.0, "e2e_p50": 3190.0, "e2e_p90": 3300.0, "e2e_p99": 3400.0},
    )
    assert (test.tool, test.notes) == ("vllm-bench", ())


def test_vllm_appended_results_are_runs_of_their_own():
    test = sample("vllm_appended.json")
    assert [run.name for run in test.runs] == ["8 at once", "2.5/s", "8 at once (2)"]
    assert [(run.concurrency, run.rate_per_s) for run in test.runs] == [
        (8.0, None),
        (None, 2.5),
        (8.0, None),
    ]
    assert all(run.measured == VLLM_FIGURES for run in test.runs)
    assert test.notes == ("run 3: left out: no request was completed (100 failed)",)


def test_vllm_results_without_a_line_break_between_them(tmp_path):
    once = (SAMPLES / "vllm_plain.json").read_text().strip()
    assert len(read_load_test(written(tmp_path, once + once)).runs) == 2


def test_vllm_requests_in_seconds_become_columns_in_ms():
    test = sample("vllm_detailed.json")
    (run,) = test.runs
    columns = run.per_request
    assert columns.arrival_s.tolist() == [0.0, 0.0, 0.5]
    assert columns.input_tokens.tolist() == [100.0] * 3
    assert columns.output_tokens.tolist() == [4.0] * 3
    assert columns.ttft_ms == pytest.approx([100.0, 200.0, 120.0])
    assert columns.e2e_ms == pytest.approx([160.0, 290.0, 210.0])
    assert (run.requests, run.failed) == (3, 1)
    assert VLLM_FIGURES.items() <= run.measured.items()  # what the tool says stands
    assert run.measured["e2e_mean"] == pytest.approx(220.0)
    assert run.measured["tpot_p90"] == pytest.approx(30.0)
    assert test.notes == (
        "ttft_p90, ttft_p95, tpot_p90, tpot_p95, e2e: computed here from 3 single requests",
    )


def test_vllm_latencies_of_newer_versions_are_taken_as_stated(tmp_path):
    data = loaded("vllm_detailed.json") | {"latencies": [0.2, 0.3, 0.0, 0.25]}
    (run,) = read_load_test(written(tmp_path, data)).runs
    assert run.per_request.e2e_ms == pytest.approx([200.0, 300.0, 250.0])


def test_vllm_lists_that_do_not_fit_are_said(tmp_path):
    data = loaded("vllm_detailed.json")
    test = read_load_test(written(tmp_path, data | {"ttfts": [0.1]}))
    assert test.runs[0].per_request is None
    assert test.notes == ("lists of single requests differ in length [1, 4]: left out",)
    test = read_load_test(written(tmp_path, data | {"completed": 4}))
    assert "3 of 4 listed requests succeeded, not as many as stated" in test.notes


@pytest.mark.parametrize(
    "changed, note",
    [
        ({"max_concurrency": None}, "neither rate nor concurrency was limited"),
        ({"max_concurrency": None, "request_rate": float("inf")}, "all requests came at once"),
        ({"burstiness": 0.5}, "burstiness 0.5: gaps between requests are not exponential"),
        (
            {"ramp_up_strategy": "linear", "ramp_up_start_rps": 1, "ramp_up_end_rps": 9},
            "the rate grew (linear) from 1 to 9 per second",
        ),
        (
            {"request_rate": 4.0, "mean_client_queue_time_ms": 12.5},
            "requests waited 12.5 ms (mean) in the client",
        ),
        ({"spec_decode_acceptance_length": 2.4}, "speculative decoding: 2.4 tokens per step"),
    ],
)
def test_vllm_oddities_are_noted(tmp_path, changed, note):
    test = read_load_test(written(tmp_path, loaded("vllm_plain.json") | changed))
    assert note in "\n".join(test.notes)


def test_vllm_failures_before_they_were_counted(tmp_path):
    data = loaded("vllm_plain.json") | {"num_prompts": 104}
    del data["failed"]
    assert read_load_test(written(tmp_path, data)).runs[0].failed == 4
    del data["num_prompts"]
    assert read_load_test(written(tmp_path, data)).runs[0].failed is None


# GuideLLM


def test_guidellm_v1_sweep():
    test = sample("guidellm_v1.json")
    one, throughput, constant = test.runs
    assert one.measured == spread("ttft", 50.0, 1.0) | spread("tpot", 30.0, 1.0) | spread(
        "e2e", 2000.0, 1.0
    )
    assert (one.model, one.input_tokens_mean, one.output_tokens_mean) == (
        "example/tiny-8b",
        256.0,
        64.0,
    )
    assert [(r.concurrency, r.rate_per_s, r.requests, r.failed) for r in test.runs] == [
        (1.0, None, 30, 0),
        (None, None, 400, 12),
        (None, 3.5, 210, 0),
    ]
    assert one.duration_s == 60.0
    assert one.per_request.arrival_s.tolist() == [0.0, 2.0]
    assert one.per_request.ttft_ms.tolist() == [250.0, 125.0]
    assert one.per_request.e2e_ms.tolist() == [2000.0, 2000.0]
    assert throughput.per_request is None and constant.per_request is None
    assert test.notes == (
        "run 1: 1 requests were cut off at the end: no failures, not counted",
        "run 1: single requests are a sample: 2 of 30",
        "its inter_token_latency is read as tpot (per request, weighted by tokens) (3 runs)",
        "run 2: as many at once as the client could send",
        "run 3: 4 requests were cut off at the end: no failures, not counted",
        "run 4: left out: no request was completed (25 failed)",
    )


def test_guidellm_v2_takes_the_users_limit_not_the_clients():
    test = sample("guidellm_v2.json")
    assert [run.name for run in test.runs] == ["16 at once", "4/s", "4/s, at most 32 at once"]
    assert [run.concurrency for run in test.runs] == [16.0, None, 32.0]
    assert [run.rate_per_s for run in test.runs] == [None, 4.0, 4.0]
    assert {(r.model, r.requests, r.failed, r.duration_s) for r in test.runs} == {
        ("example/tiny-70b", 120, 2, 30.5)
    }
    assert test.runs[0].measured["tpot_p95"] == 120.0


def test_guidellm_without_streaming_measures_no_first_token(tmp_path):
    """The tool writes zeros where nothing counted."""
    data = loaded("guidellm_v2.json")
    for name in ("time_to_first_token_ms", "inter_token_latency_ms"):
        for benchmark in data["benchmarks"]:
            benchmark["metrics"][name]["successful"] = copy.deepcopy(
                benchmark["metrics"][name]["errored"]
            )
    test = read_load_test(written(tmp_path, data))
    assert test.runs[0].measured == spread("e2e", 4000.0, 1.0)
    assert test.notes == ()


def test_guidellm_strategies_we_do_not_know_are_said(tmp_path):
    data = loaded("guidellm_v2.json")
    data["benchmarks"][0]["config"]["strategy"] = {"type_": "trace"}
    test = read_load_test(written(tmp_path, data))
    assert (test.runs[0].concurrency, test.runs[0].rate_per_s) == (None, None)
    assert "run 1: strategy 'trace' states neither a rate nor a concurrency" in test.notes


# AIPerf


def test_aiperf_takes_the_unit_of_each_block():
    test = sample("aiperf.json")
    (run,) = test.runs
    assert run.measured == (
        spread("ttft", 100.0) | spread("tpot", 20.0) | spread("itl", 40.0) | spread("e2e", 3000.0)
    )
    assert replace(run, measured={}) == Run(
        name="6 at once",
        tool="aiperf",
        model="example/tiny-8b",
        concurrency=6.0,
        rate_per_s=None,
        duration_s=60.0,
        requests=120,
        failed=3,
        input_tokens_mean=550.0,
        output_tokens_mean=146.0,
        measured={},
    )
    assert test.notes == ("its inter_token_latency is read as tpot (mean per request)",)


def test_aiperf_unknown_units_and_older_configurations(tmp_path):
    data = loaded("aiperf.json")
    data["time_to_first_token"]["unit"] = "furlongs"
    data["input_config"] = {
        "endpoint": {"model_names": ["a", "b"]},
        "loadgen": {"request_rate": 2.5, "concurrency": 100},
    }
    del data["benchmark_duration"], data["error_request_count"]
    test = read_load_test(written(tmp_path, data))
    (run,) = test.runs
    assert (run.model, run.rate_per_s, run.concurrency) == ("a", 2.5, 100.0)
    assert (run.duration_s, run.failed) == (65.0, 0)  # from start_time and end_time
    assert "ttft_mean" not in run.measured
    assert "time_to_first_token is in the unknown unit 'furlongs': left out" in test.notes


def test_aiperf_without_a_load_says_so(tmp_path):
    test = read_load_test(written(tmp_path, loaded("aiperf.json") | {"input_config": {}}))
    assert test.runs[0].name == "unlimited"
    assert any("neither concurrency nor rate" in note for note in test.notes)


def test_genai_perf():
    (run,) = sample("genai_perf.json").runs
    assert (run.model, run.concurrency, run.requests) == ("example/tiny-8b", 6.0, 50)
    assert (run.failed, run.duration_s) == (None, None)  # it does not say
    assert run.measured == spread("ttft", 100.0) | spread("tpot", 20.0) | spread("e2e", 3000.0)


def test_aiperf_records():
    test = sample("aiperf_records.jsonl")
    (run,) = test.runs
    assert (run.requests, run.failed, run.duration_s) == (3, 2, 0.38)
    assert (run.input_tokens_mean, run.output_tokens_mean) == (500.0, pytest.approx(23 / 3))
    assert run.per_request.arrival_s.tolist() == [0.0, 0.0, 0.15]  # ns since 1970, to the ns
    assert run.per_request.ttft_ms.tolist() == [100.0, 120.0, 110.0]
    assert run.per_request.e2e_ms.tolist() == [140.0, 160.0, 230.0]
    assert run.measured["itl_mean"] == run.measured["tpot_mean"] == pytest.approx(10.0)
    assert run.measured["ttft_p50"] == 110.0
    assert test.notes[1:] == (
        "1 warm-up requests: left out",
        "ttft, e2e: computed here from 3 single requests",
    )


# inference-perf


@pytest.mark.parametrize(
    "name, concurrency, rate, duration_s, tokens",
    [
        ("stage", None, 5.0, 60.0, (200.0, 128.5)),
        # A concurrent stage states an internal rate, and the newer token counts are the server's.
        ("concurrent", 8.0, None, 61.5, (220.0, 128.0)),
        ("summary", None, None, 60.0, (200.0, 128.5)),
    ],
)
def test_inference_perf_seconds_become_ms(name, concurrency, rate, duration_s, tokens):
    (run,) = sample(f"inference_perf_{name}.json").runs
    assert (run.concurrency, run.rate_per_s) == (concurrency, rate)
    assert (run.requests, run.failed, run.duration_s) == (300, 3, duration_s)
    assert (run.input_tokens_mean, run.output_tokens_mean) == tokens
    assert run.measured == (
        spread("ttft", 250.0) | spread("tpot", 10.0) | spread("itl", 10.5) | spread("e2e", 1500.0)
    )


def test_inference_perf_oddities_are_noted():
    (note,) = sample("inference_perf_summary.json").notes
    assert note.startswith("a summary over all stages")
    (note,) = sample("inference_perf_concurrent.json").notes
    assert note == "client and server count the output tokens of 7 requests apart"


def test_inference_perf_requests_of_both_ages():
    test = sample("inference_perf_requests.json")
    (run,) = test.runs
    assert (run.requests, run.failed, run.duration_s) == (3, 1, 11.0)
    assert run.per_request.arrival_s.tolist() == [0.0, 0.5, 0.75]
    assert run.per_request.output_tokens.tolist() == [3.0, 3.0, 3.0]  # the server's where it counts
    assert run.per_request.ttft_ms.tolist() == [250.0, 500.0, 250.0]
    assert run.per_request.e2e_ms.tolist() == [1000.0, 1000.0, 500.0]
    assert run.measured["itl_mean"] == 250.0
    assert test.notes[-1] == "ttft, tpot, e2e: computed here from 3 single requests"


def test_inference_perf_requests_with_computed_metrics(tmp_path):
    rows = [
        {
            "start_time": 7.0,
            "end_time": 8.0,
            "computed_metrics": {
                "time_to_first_token": 0.5,
                "inter_token_latencies": [0.25, 0.25],
                "input_tokens": 9,
                "output_tokens": 3,
            },
            "error": None,
        }
    ]
    (run,) = read_load_test(written(tmp_path, rows)).runs
    assert (run.input_tokens_mean, run.output_tokens_mean) == (9.0, 3.0)
    assert run.measured["ttft_mean"] == 500.0
    assert run.measured["tpot_mean"] == run.measured["itl_p99"] == 250.0


# CSV


def test_csv_rows_are_runs():
    test = sample("runs.csv")
    assert [run.name for run in test.runs] == ["low", "2.5/s", "8 at once", "8 at once (2)"]
    assert test.runs[0] == Run(
        name="low",
        tool="csv",
        model=None,
        concurrency=8.0,
        rate_per_s=None,
        duration_s=40.0,
        requests=100,
        failed=0,
        input_tokens_mean=512.0,
        output_tokens_mean=128.0,
        measured={"ttft_mean": 85.5, "tpot_mean": 24.5, "e2e_p99": 3400.0},
    )
    second = test.runs[1]
    assert (second.rate_per_s, second.input_tokens_mean, second.requests) == (2.5, 512.5, None)


def test_csv_tells_every_fault_with_its_line():
    path = SAMPLES / "broken.csv"
    lines = message_of(path).splitlines()
    assert lines[0] == f"{path} has 7 faults"
    assert [line.removeprefix(f"{path}:") for line in lines if line.startswith(f"{path}:")] == [
        "1: concurency: unknown column",
        "1: ttft_mean_s: unknown column",
        "3: input_tokens: got '-1'",
        "3: requests: got 'many'",
        "4: 3 cells under 5 columns",
        "5: requests: got '0.5'",
        "5: input_tokens: empty",
    ]
    assert "    did you mean `concurrency`?" in lines
    assert "    did you mean `ttft_mean_ms`?" in lines


@pytest.mark.parametrize(
    "text, fault",
    [
        ("input_tokens,output_tokens\n5,5\n", "1: concurrency or rate_per_s: missing"),
        ("concurrency,input_tokens,ttft_mean_ms\n5,5,5\n", "1: output_tokens: missing"),
        ("concurrency,input_tokens,output_tokens\n5,5,5\n", "1: latency: missing"),
        (
            "concurrency,input_tokens,input_tokens,output_tokens,ttft_mean_ms\n5,5,5,5,5\n",
            "1: input_tokens: the column stands 2 times",
        ),
        ("concurrency,input_tokens,output_tokens,ttft_mean_ms\n", "1: a header without rows"),
        ("\n#\nconcurrency,input_tokens,output_tokens,ttft_mean_ms\n5,5,5,\n", "4: ttft_mean_ms"),
        ("concurrency,input_tokens,output_tokens,ttft_mean_ms\n5,nan,5,5\n", "2: input_tokens"),
    ],
)
def test_csv_faults(tmp_path, text, fault):
    assert f":{fault}" in message_of(written(tmp_path, text))


# What is no result


@pytest.mark.parametrize(
    "content, looks",
    [
        (b"", "an empty file"),
        (b" \n\t", "an empty file"),
        (b"\x1f\x8b\x08\x00", "a gzip file; unpack it first"),
        (b"PK\x03\x04....", "a zip file; unpack it first"),
        (b"\x00\x01\x02", "a binary file"),
        (b"\xff\xfe\x80", "a binary file"),
        (b"hello", "text that is no JSON and no CSV of ours: 'hello'"),
        (b"a,b,c\n1,2,3\n", "text that is no JSON and no CSV of ours: 'a,b,c'"),
        (b"{}", "JSON without any named fields"),
        (b"[1, 2]", "JSON without any named fields"),
        (b"[]", "JSON without any named fields"),
        (b'{"a": 1, "b": 2}', "JSON with the keys 'a', 'b': no result of a load test we know"),
        (b"[" * 100_000, "JSON that"),
    ],
)
def test_other_files_are_told_apart(tmp_path, content, looks):
    path = written(tmp_path, content)
    message = message_of(path)
    assert message.startswith(f"{path}: {looks}")
    for tool in ("vllm bench serve", "GuideLLM", "AIPerf", "inference-perf", "CSV"):
        assert tool in message


def test_a_folder_is_no_result(tmp_path):
    assert "a folder; name one of its files" in message_of(tmp_path)


def test_a_missing_file_is_the_systems_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_load_test(tmp_path / "none.json")


@pytest.mark.parametrize("name", JSON_SAMPLES)
def test_truncated_json_is_told_with_its_place(tmp_path, name):
    text = (SAMPLES / name).read_text().rstrip()
    path = written(tmp_path, text[: len(text) - 20])
    assert f"JSON that breaks off or is broken at {path}:" in message_of(path)


@pytest.mark.parametrize("name", [*JSON_SAMPLES, "runs.csv"])
def test_content_tells_the_format_not_the_name(tmp_path, name):
    path = shutil.copy(SAMPLES / name, tmp_path / "unnamed.txt")
    assert len(read_load_test(path).runs) == len(sample(name).runs)
    marked = written(tmp_path, b"\xef\xbb\xbf" + (SAMPLES / name).read_bytes())
    assert read_load_test(marked).tool == sample(name).tool


@pytest.mark.parametrize(
    "name, without, reason",
    [
        ("vllm_plain.json", ["total_output_tokens"], "it does not say how many output tokens"),
        ("aiperf.json", ["input_sequence_length"], "it does not say how many input tokens"),
        ("inference_perf_stage.json", ["successes", "latency"], "it has no latencies"),
    ],
)
def test_a_run_that_teaches_nothing_is_refused(tmp_path, name, without, reason):
    data = loaded(name)
    holder = data
    for key in without[:-1]:
        holder = holder[key]
    del holder[without[-1]]
    assert f"without a usable run; left out: {reason}" in message_of(written(tmp_path, data))


def test_foreign_objects_among_results_are_counted(tmp_path):
    text = (SAMPLES / "vllm_appended.json").read_text() + '\n{"a": 1}\n{"b": 2}'
    test = read_load_test(written(tmp_path, text))
    assert "2 JSON objects are no such result: left out" in test.notes


def places(data, at=()):
    """The paths of a document; of a list the first item stands for all."""
    yield at
    if isinstance(data, dict):
        for key, value in data.items():
            yield from places(value, (*at, key))
    elif isinstance(data, list) and data:
        yield from places(data[0], (*at, 0))


def with_value(data, at, value):
    if not at:
        return value
    changed = copy.copy(data)
    changed[at[0]] = with_value(changed[at[0]], at[1:], value)
    return changed


@pytest.mark.slow
@pytest.mark.parametrize("name", JSON_SAMPLES)
def test_no_odd_value_escapes(tmp_path, name):
    """Whatever stands in one place, the file is read or refused by name."""
    text = (SAMPLES / name).read_text()
    try:
        data = json.loads(text)
    except json.JSONDecodeError:
        data = [json.loads(line) for line in text.splitlines()]
    for at in places(data):
        for odd in (None, "x", [], ["x"], {}, -1, 10**400, float("nan"), True):
            path = written(tmp_path, with_value(data, at, odd))
            try:
                for run in read_load_test(path).runs:
                    assert all(value >= 0 for value in run.measured.values())
                    suspicions(run)
            except UnreadableLoadTest as error:
                assert str(path) in str(error)


# Files of real tools


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no {REAL}")
def test_real_guidellm_report():
    test = read_load_test(REAL / "guidellm_report_v2.json")
    assert [(run.name, run.requests, run.failed) for run in test.runs] == [
        ("2/s", 2, 0),
        ("4/s", 2, 0),
    ]
    first = test.runs[0]
    assert first.model == "e2e-mock-model"
    assert first.measured["ttft_mean"] == pytest.approx(11.481, abs=1e-3)
    assert first.measured["e2e_p50"] == pytest.approx(19.269, abs=1e-3)
    # (e2e - ttft) / 7 for eight tokens, in spite of its name in the report
    assert first.measured["tpot_mean"] == pytest.approx(1.1508, abs=1e-4)
    assert first.duration_s == pytest.approx(5.0196, abs=1e-4)


@pytest.mark.skipif(not REAL.is_dir(), reason=f"no {REAL}")
def test_real_inference_perf_report(tmp_path):
    """It was printed as YAML; the tool writes JSON."""
    data = YAML(typ="safe").load(REAL / "inference_perf_lifecycle.yaml")
    (run,) = read_load_test(written(tmp_path, data)).runs
    assert (run.rate_per_s, run.requests, run.failed, run.duration_s) == (1.0, 3, 0, 2.48)
    assert (run.input_tokens_mean, run.output_tokens_mean) == pytest.approx((200.333, 53.333), 1e-5)
    assert run.measured["e2e_mean"] == 490.0
    assert run.measured["ttft_p95"] == pytest.approx(39.0)
    assert any("Gaps between chunks are 152 ms" in doubt for doubt in suspicions(run))


# Suspicion

PLAIN = Run(
    name="plain",
    tool="csv",
    model=None,
    concurrency=8.0,
    rate_per_s=None,
    duration_s=40.0,
    requests=100,
    failed=0,
    input_tokens_mean=512.0,
    output_tokens_mean=128.0,
    measured={"ttft_mean": 85.0, "tpot_mean": 24.0, "itl_mean": 24.0, "e2e_mean": 3200.0},
)
OPEN = replace(PLAIN, concurrency=None, rate_per_s=2.5, duration_s=43.2)


def columns(ttft_ms, output_tokens=None):
    ttft_ms = np.asarray(ttft_ms, dtype=float)
    lengths = np.full(ttft_ms.size, 128.0) if output_tokens is None else np.asarray(output_tokens)
    return RequestColumns(
        np.arange(ttft_ms.size, dtype=float),
        np.full(ttft_ms.size, 512.0),
        lengths.astype(float),
        ttft_ms,
        ttft_ms + 3000.0,
    )


@pytest.mark.parametrize("run", [PLAIN, OPEN, replace(PLAIN, per_request=columns([80.0] * 100))])
def test_a_plain_run_is_not_suspected(run):
    assert suspicions(run) == []


@pytest.mark.parametrize(
    "run, doubt",
    [
        (replace(PLAIN, failed=2), "2 of 102 requests failed or timed out (2.0%)"),
        (replace(PLAIN, concurrency=40.0), "Only 100 requests at 40 at once"),
        (replace(OPEN, requests=49, duration_s=22.8), "Only 49 requests (fewer than 50)"),
        (
            replace(PLAIN, measured={**PLAIN.measured, "itl_mean": 48.0}),
            "Gaps between chunks are 48 ms but a token takes 24 ms: chunks hold about 2 tokens",
        ),
        (replace(PLAIN, duration_s=50.0), "2 requests/s x 3.2 s make 6.4 in flight on average"),
        (replace(OPEN, duration_s=60.0), "1.76 requests/s came to an end of 2.5 offered"),
        (
            replace(PLAIN, per_request=columns([900.0] * 8 + [80.0] * 92)),
            "The first 8 requests waited 900 ms for their first token (median), the others 80 ms",
        ),
        (
            replace(PLAIN, per_request=columns([80.0] * 100, [128] * 60 + [100] * 40)),
            "Answers have 116.8 tokens on average where 128 is the most (60% have it)",
        ),
        (
            replace(PLAIN, per_request=columns([80.0] * 100, np.linspace(124, 133, 100).round())),
            "Answers have 128.5 tokens on average where 133 is the most",
        ),
    ],
)
def test_each_doubt_has_its_sentence(run, doubt):
    told = suspicions(run)
    assert any(sentence.startswith(doubt) for sentence in told), told
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in told)


@pytest.mark.parametrize(
    "run",
    [
        replace(PLAIN, failed=1),  # 0.99 %
        replace(PLAIN, requests=None, failed=None, duration_s=None, measured={}),
        # a limit is no length asked for: most answers end well before it
        replace(PLAIN, per_request=columns([80.0] * 100, [2048] * 10 + list(range(20, 110)))),
        # what is drawn from a distribution has no common length
        replace(PLAIN, per_request=columns([80.0] * 100, np.linspace(50, 200, 100).round())),
        # missing values are no figures
        replace(PLAIN, per_request=columns([np.nan] * 100, [np.nan] * 100)),
    ],
)
def test_what_looks_odd_but_is_not(run):
    assert suspicions(run) == []


def test_a_capped_rate_is_not_held_to_littles_law():
    assert suspicions(replace(OPEN, concurrency=30.0)) == []


def test_metric_names_are_those_of_cases():
    assert METRICS == ("ttft", "tpot", "itl", "e2e")
    assert STATISTICS == ("mean", "p50", "p90", "p95", "p99")
