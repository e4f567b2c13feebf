"""Every sample of shared/data, to the row: counts, first rows, sums, as the files have them."""

import numpy as np
import pandas as pd
import pytest

from simulator.traffic.formats.reading import open_trace
from simulator.traffic.recordings.conversion import convert
from simulator.traffic.recordings.servegen import read_clients
from simulator.traffic.recordings.traces import TraceError, read_lengths, read_trace
from tests.recordings import SAMPLES, TRACES, needs_traces
from tests.simulator.dialects import same

AGENTS = TRACES / "agent_claudecode_sessions_a.parquet"
pytestmark = needs_traces

# File, format, rows, last arrival in s, first row, sums of input and output, step, block, segments.
READ = [
    ("azure_llm_2023_code_head.csv", "Azure LLM CSV",
     200, 199.089585, (4808, 10), 414_215, 4_907, 0.0, None, None),
    ("burstgpt_v1_first3.csv", "BurstGPT CSV",
     3, 113.0, (472, 18), 1_976, 524, 0.0, None, None),
    ("inference_perf_otel_simple_chain.json", "OpenTelemetry spans",
     3, 6.0, (8, 38), 183, 132, 0.0, 1, 6),
    ("llmservingsim_example_trace.jsonl", "LLMServingSim JSONL",
     10, 0.980043269, (10, 70), 120, 591, 0.0, 16, 3),
    ("llmservingsim_vllm_requests.jsonl", "LLMServingSim JSONL",
     300, 29.1005213, (2358, 531), 257_239, 195_753, 0.0, None, None),
    ("mooncake_conversation_head.jsonl", "Mooncake JSONL",
     60, 15.0, (6758, 500), 743_189, 21_759, 3.0, 512, 1_486),
    ("splitwise_sim_test_trace.csv", "Splitwise CSV",
     3, 3.0, (4096, 32), 8_192, 56, 0.0, None, None),
    ("vidur_splitwise_conv_head.csv", "Vidur CSV",
     100, 42.685223, (374, 44), 80_197, 17_052, 0.0, None, None),
    ("weka_trace_0057.json", "Weka kv-cache-tester sessions",
     8, 109.0, (13129, 492), 114_011, 1_821, 0.0, 64, 36),
]  # fmt: skip
PARQUET = [
    ("code_azure2023_a", 7_491, 2_392.6, 0.0, (4808, 10), None),
    ("chat_azure2023_a", 14_176, 2_400.0, 0.0, (374, 44), None),
    ("chat_mooncake_conversation_a", 6_758, 2_097.0, 3.0, (6758, 500), 169_404),
    ("longctx_mooncake_synthetic", 3_993, 1_022.0, 0.0, (40160, 6), 121_877),
]
REFUSED = {
    "guidellm_report_v2.json": "a result of GuideLLM, not recorded traffic; use it with "
    "`fleetcast calibrate`",
    "inference_perf_lifecycle.yaml": "a result of inference-perf",
    "skypilot_preemption_us-east-1f_v100_4node.json": "how many spot instances were up",
    "servegen_m-large_chunk-106-trace.csv": "demand of clients (ServeGen)",
    "servegen_m-large_chunk-106-dataset.json": "demand of clients (ServeGen)",
    "README.md": "unknown trace format",
}


@pytest.mark.parametrize(
    "name, kind, rows, last_s, first, inputs, outputs, step_s, block, segments", READ,
    ids=[row[0] for row in READ],
)  # fmt: skip
def test_a_sample_is_read_to_the_row(
    name, kind, rows, last_s, first, inputs, outputs, step_s, block, segments
):
    assert open_trace(SAMPLES / name).format == kind
    trace = read_trace(str(SAMPLES / name))
    assert trace.arrival_s.size == rows
    assert trace.arrival_s[0] == 0.0
    assert trace.arrival_s[-1] == pytest.approx(last_s, abs=1e-6)
    assert (trace.input_tokens[0], trace.output_tokens[0]) == first
    assert (trace.input_tokens.sum(), trace.output_tokens.sum()) == (inputs, outputs)
    assert trace.step_s == step_s
    assert trace.block_tokens == block
    assert (None if trace.chains is None else trace.chains.keys.size) == segments


@pytest.mark.parametrize("name, rows, last_s, step_s, first, segments", PARQUET)
def test_prepared_traces_are_read_as_their_readme_says(name, rows, last_s, step_s, first, segments):
    trace = read_trace(str(TRACES / f"{name}.parquet"))
    assert trace.arrival_s.size == rows
    assert trace.arrival_s[-1] == pytest.approx(last_s, abs=0.1)
    assert trace.step_s == step_s
    assert (trace.input_tokens[0], trace.output_tokens[0]) == first
    assert (None if trace.chains is None else trace.chains.keys.size) == segments
    assert trace.sessions is None


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_trace_says_what_it_is(name):
    with pytest.raises(TraceError) as caught:
        read_trace(str(SAMPLES / name))
    assert REFUSED[name] in str(caught.value)


def test_every_sample_is_in_one_of_the_two_lists():
    known = {row[0] for row in READ} | set(REFUSED)
    assert {path.name for path in SAMPLES.iterdir()} == known


@pytest.mark.parametrize("name", [row[0] for row in READ] + [row[0] for row in PARQUET])
def test_a_converted_trace_is_the_trace(name, tmp_path):
    path = SAMPLES / name if "." in name else TRACES / f"{name}.parquet"
    done = convert(path, tmp_path / "out.parquet")
    assert done.faults.rows == 0
    read_trace.cache_clear()
    assert same(read_trace(str(path)), read_trace(str(tmp_path / "out.parquet")))


@pytest.mark.parametrize(
    "name, rows, first",
    [("arxiv_summarization", 28_257, (3772, 54)), ("sharegpt_llama31_8b", 300, (2358, 531))],
)
def test_lengths_are_read_and_converted(name, rows, first, tmp_path):
    path = TRACES / f"lengths_{name}.parquet"
    inputs, outputs = read_lengths(str(path))
    assert inputs.size == outputs.size == rows
    assert (inputs[0], outputs[0]) == first
    convert(path, tmp_path / "out.parquet")
    again = read_lengths(str(tmp_path / "out.parquet"))
    assert np.array_equal(inputs, again[0]) and np.array_equal(outputs, again[1])


# --- sessions of agents -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def agents(tmp_path_factory):
    """The trace without its fourteen failed requests."""
    out = tmp_path_factory.mktemp("agents") / "agents.parquet"
    done = convert(AGENTS, out)
    assert list(done.faults.counts.values()) == [14]
    return read_trace(str(out))


def test_failed_requests_of_agents_are_refused():
    with pytest.raises(TraceError, match=r"14 rows: a request without output tokens: it failed"):
        read_trace(str(AGENTS))


@pytest.mark.slow
def test_agents_are_read_as_their_readme_says(agents):
    assert agents.arrival_s.size == 27_927 - 14
    assert agents.block_tokens == 64
    assert agents.sessions.relative
    assert np.unique(agents.sessions.session).size == 416
    assert np.median(np.bincount(agents.sessions.session)) == 44.5
    firsts = np.flatnonzero(agents.sessions.parent < 0)
    assert firsts.size == 416
    assert np.sort(agents.arrival_s[firsts])[-2:].tolist() == [0.0, 92.0], "one lost its first"


def test_chains_of_agents_are_compact_and_say_what_hit_blocks_say(agents):
    """By an infinite cache; a row whose failed parent was left out shares all the same."""
    frame = pd.read_parquet(AGENTS)
    blocks, hits = int(frame.n_blocks.sum()), int(frame.hit_blocks.sum())
    chains = agents.chains
    assert chains.keys.size < blocks / 50
    rows = np.repeat(np.arange(len(chains)), chains.counts)
    _, first, place = np.unique(chains.keys, return_index=True, return_inverse=True)
    seen = rows[first][place] < rows
    begins = np.concatenate([[0], chains.ends[:-1]])
    begins[chains.first[:-1][chains.counts > 0]] = 0
    found = int(((chains.ends - begins) * seen).sum()) / 64
    assert found == pytest.approx(hits, rel=1e-3)  # less what failed requests had and gave
    assert int((chains.ends - begins).sum()) / 64 == pytest.approx(blocks, rel=1e-3)


def test_pauses_of_agents_are_their_think_times(agents):
    """Where a request follows one of its own agent; the median of those that are not zero."""
    frame = pd.read_parquet(AGENTS)
    recorded = frame.think_time_s[frame.think_time_s > 0]
    told = agents.sessions.pause_s[np.isfinite(agents.sessions.pause_s)]
    assert np.median(told) == pytest.approx(recorded.median(), abs=1.0)
    assert np.nanmedian(agents.sessions.service_s) == pytest.approx(frame.api_time_s.median(), 1e-2)


# --- clients ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name, clients, windows, span_days, known",
    [
        ("m-large", 162, 99_839, 14, 147),
        ("m-mid", 108, 106_385, 14, 73),
        ("mm-image", 35, 2_094, 1, 35),
    ],
)
def test_clients_are_read_as_their_readme_says(name, clients, windows, span_days, known):
    """One of m-mid's 109 never asks for anything, so no window of it is left."""
    found = read_clients(TRACES / f"clients_servegen_{name}.parquet")
    assert len(found.clients) == clients
    assert sum(client.start_s.size for client in found.clients) == windows
    assert (found.window_s, found.span_s) == (600.0, span_days * 86_400.0)
    assert sum(bool(client.lengths) for client in found.clients) == known
    demand = pd.read_parquet(TRACES / f"demand_servegen_{name}_10min.parquet")
    assert np.allclose(found.total_rate_per_s(), demand.rate_rps, rtol=1e-4, atol=1e-3)


def test_a_chunk_of_servegen_is_read():
    found = read_clients(SAMPLES / "servegen_m-large_chunk-106-trace.csv")
    (client,) = found.clients
    assert client.client_id == 106
    assert client.start_s.size == 0, "the sample is cut off before anything is asked for"
    assert (found.window_s, found.span_s) == (600.0, 180_000.0)
    table = client.length_table("input_tokens", 216_000.0)
    assert (table.values[0], table.values[-1]) == (81, 102)
    assert table.chances[0] == pytest.approx(0.0014529124290054154)
    assert table.chances[-1] == 1.0
