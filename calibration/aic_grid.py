"""The engine steps whose times aiconfigurator is asked for."""

from collections.abc import Iterator
from typing import Any, NamedTuple

GRID = 1
"""Raise it with any change of the steps asked for: older tables on disk are then left alone."""

BATCHES = (1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
CONTEXTS = (128, 512, 1024, 2048, 4096, 8192, 16384, 32768)
KV_TOKENS_MAX = 500_000
"""Steps whose decodes read more fit into few GPUs' memory: left out."""
EVEN_CHUNKS = (64, 256, 512, 1024, 1536, 2048, 3072, 4096, 6144, 8192)
ODD_CHUNKS = (32, 100, 160, 400, 700, 1300, 2500, 5000)
CHUNKS = (*EVEN_CHUNKS, *ODD_CHUNKS)
"""Prompt tokens of one step. Kernels like multiples of 256, chunks need not be any: both kinds."""
PREFIXES = (0, 2048, 8192, 24576)
"""Tokens of the same prompt computed before."""
SEVERAL_PROMPTS = ((4, 256), (4, 512), (8, 256), (2, 1024), (4, 1024))
MIXED_BATCHES = (8, 32, 128)
MIXED_CONTEXTS = (1024, 4096)


class Step(NamedTuple):
    """One step asked for: the load as `step_s` counts it, over all ranks, and its seconds."""

    prefill_tokens: int
    decode_tokens: int
    sequences: int
    kv_tokens: int
    attention_pairs: int
    seconds: float


def steps_of(engine: Any, batches: int) -> Iterator[Step]:
    """Every step of the grid. It counts one rank's micro-batch, we all `batches` of them."""

    def step(chunk: int, prompts: int, prefix: int, batch: int, context: int, ms: float) -> Step:
        prefill = prompts * chunk
        pairs = prompts * (chunk * prefix + chunk * (chunk + 1) // 2) + batch * (context + 1)
        return Step(
            batches * prefill,
            batches * batch,
            batches * (prompts + batch),
            batches * (prompts * prefix + batch * context),
            batches * pairs,
            ms / 1e3,
        )

    for batch in BATCHES:
        for context in CONTEXTS:
            if batch * context <= KV_TOKENS_MAX:
                ms = engine.decode_step_latency(batch, context, 1)
                yield step(0, 0, 0, batch, context, ms)
    for chunk in CHUNKS:
        for prefix in PREFIXES:
            ms = engine.predict_prefill_latency(1, chunk + prefix, prefix)
            yield step(chunk, 1, prefix, 0, 0, ms)
    for prompts, chunk in SEVERAL_PROMPTS:
        ms = engine.predict_prefill_latency(prompts, chunk, 0)
        yield step(chunk, prompts, 0, 0, 0, ms)
    for chunk in CHUNKS:
        for batch in MIXED_BATCHES:
            for context in sorted({max(chunk, context) for context in MIXED_CONTEXTS}):
                if batch * context > KV_TOKENS_MAX:
                    continue
                parts = engine.mixed_step_breakdown(chunk, batch, chunk, 2 * (context - chunk))
                # It finds attention by an operator's name, and finds none in models of latent
                # attention: their mixed steps are no answer.
                if parts[3] > 0:
                    yield step(chunk, 1, 0, batch, context, parts[0])
