"""The prefix cache, which deals in segments, against vLLM's, which deals in blocks."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from simulator.simulate import serve
from simulator.traffic import Chains, Workload
from tests.oracles.block_cache import tokens_found
from tests.oracles.small import small_scenario

BLOCK = 16


def conversations(seed: int, sessions: int, documents: int, growing: bool = False) -> Workload:
    """Turns of conversations about some documents, mixed, each arriving when all before it have
    ended. A turn repeats the prompt and the answer of the one before; ends fall anywhere, block
    boundaries included. `growing`: the turns of a session are one segment."""
    rng = np.random.default_rng(seed)
    keys: dict[object, int] = {}
    document_tokens = rng.integers(1, 12 * BLOCK, documents)
    open_: dict[int, list[tuple[int, int]]] = {}
    rows = []
    for _ in range(5 * sessions):
        session = int(rng.integers(sessions))
        document = session % documents
        first = [(keys.setdefault(("document", document), len(keys)), document_tokens[document])]
        chain = open_.setdefault(session, first)
        asked = int(rng.choice([rng.integers(1, 100), BLOCK * rng.integers(1, 5)]))
        output = int(rng.choice([1, rng.integers(1, 60), BLOCK * rng.integers(1, 3)]))
        prompt = int(chain[-1][1]) + asked
        turn = len(chain)
        if growing:
            talk = keys.setdefault(("talk", session), len(keys))
            chain = [chain[0], (talk, prompt + output)]
        else:
            question = keys.setdefault(("question", session, turn), len(keys))
            answer = keys.setdefault(("answer", session, turn), len(keys))
            chain = [*chain, (question, prompt), (answer, prompt + output)]
        open_[session] = chain
        rows.append((prompt, output, chain))
    arrival_ns = np.arange(len(rows), dtype=np.int64) * 1_000_000_000
    flat = np.array([pair for _, _, chain in rows for pair in chain], dtype=np.int64)
    first = np.cumsum([0, *(len(chain) for _, _, chain in rows)], dtype=np.int64)
    return Workload(
        arrival_ns,
        np.array([prompt for prompt, _, _ in rows], dtype=np.int32),
        np.array([output for _, output, _ in rows], dtype=np.int32),
        np.zeros(len(rows), dtype=np.int16),
        Chains(first, flat[:, 0].copy(), flat[:, 1].copy()),
    )


def found(workload: Workload, blocks: int) -> np.ndarray:
    scenario = small_scenario(
        engine={"prefix_caching": True, "num_gpu_blocks": blocks},
        latency={"per_step": "1ms"},
        horizon=f"{len(workload)}s",
    )
    fleet = scenario.fleet.model_copy(update={"replicas": 1})
    return serve(scenario, fleet, workload, 0, 0).cached_tokens


@settings(max_examples=100, deadline=None)
@given(
    st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 4),
    st.sampled_from([150, 200, 400, 100_000]), st.booleans(),
)  # fmt: skip
def test_it_finds_what_vllm_finds(seed, sessions, documents, blocks, growing):
    """To the token, with room for everything and with room for little."""
    workload = conversations(seed, sessions, documents, growing)
    fits = workload.input_tokens + workload.output_tokens <= blocks * BLOCK
    assume(fits.all())
    expected = list(tokens_found(workload, blocks, BLOCK))
    assert found(workload, blocks).tolist() == expected


@pytest.mark.parametrize("blocks", [200, 100_000])
def test_a_segment_that_grows_is_as_good_as_one_for_each_part(blocks):
    """The block by block cache says so; that ours does follows from the test above."""
    apart, together = (conversations(3, 40, 4, growing) for growing in (False, True))
    assert apart.chains.keys.size > 2 * together.chains.keys.size
    found_in = [list(tokens_found(workload, blocks, BLOCK)) for workload in (apart, together)]
    assert found_in[0] == found_in[1] == found(together, blocks).tolist()


def test_evictions_matter_in_these_cases():
    """The test above would be blind if 200 blocks were as good as any number."""
    workload = conversations(0, 40, 4)
    little, ample = (sum(tokens_found(workload, blocks, BLOCK)) for blocks in (200, 100_000))
    assert 0.2 * ample < little < 0.9 * ample
