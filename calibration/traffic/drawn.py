"""Traffic of a scenario block, drawn as any scenario's is, and measured as a recording is."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.figures.traffic import TrafficFigures, figures
from scenarios.model import Scenario
from simulator.traffic import Chains, Workload, draw_workload
from simulator.traffic.drawing import NS_PER_S
from simulator.traffic.prefixes import first_of, positions, take

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Yaml = dict[str, Any]

SERVED_BY = {
    "version": 1,
    "name": "drawn",
    "model": "meta-llama/Llama-3.1-8B-Instruct",
    "replica": {"gpu": "h100-sxm-80gb", "engine": {"name": "vllm"}},
    "fleet": {"replicas": 1},
}
"""What a scenario needs beside traffic; nothing of it has a bearing on what is drawn."""


def scenario_of(block: list[Yaml], span_s: float) -> Scenario:
    """A period of `span_s` of this traffic."""
    return Scenario.model_validate(
        {
            **SERVED_BY,
            "horizon": f"{span_s!r}s",
            "preroll": "0s",
            "drain": "0s",
            "starts_at": "random",
            "traffic": block,
        }
    )


def replications(
    block: list[Yaml], span_s: float, number: int, seed: int, block_tokens: int | None
) -> Iterator[TrafficFigures]:
    """The figures of `number` drawn periods."""
    scenario = scenario_of(block, span_s)
    for replication in range(number):
        workload = draw_workload(scenario, seed, replication)
        rows = within(workload, span_s)
        if rows.size > 1:
            yield figures_of(workload, rows, block_tokens)


def within(workload: Workload, span_s: float) -> Ints:
    """The rows that arrive in [0, span_s), nominally: a workload also has those that may."""
    return np.flatnonzero(
        (workload.arrival_ns >= 0) & (workload.arrival_ns < round(span_s * NS_PER_S))
    )


def figures_of(workload: Workload, rows: Ints, block_tokens: int | None) -> TrafficFigures:
    inputs = workload.input_tokens[rows].astype(np.int64)
    chains = None if workload.chains is None else take(workload.chains, rows)
    return figures(
        workload.arrival_ns[rows] / NS_PER_S,
        inputs,
        workload.output_tokens[rows],
        None if chains is None else as_recorded(chains, inputs, block_tokens or 1),
        block_tokens=block_tokens,
    )


def as_recorded(chains: Chains, input_tokens: Ints, block_tokens: int) -> Chains:
    """The chains as a file would tell them: whole blocks of prompts, answers left out, and a key
    that stands for one end.

    Segments of one key that end at different places (the growing context of a session) are divided
    at each of those places.
    """
    rows = np.repeat(np.arange(len(chains)), chains.counts)
    ends = np.minimum(chains.ends, input_tokens[rows]) // block_tokens * block_tokens
    begins = np.concatenate([[0], ends[:-1]])
    begins[chains.first[:-1][chains.counts > 0]] = 0
    span = int(ends.max(initial=0)) + 1
    _, key = np.unique(chains.keys, return_inverse=True)
    # All places at which some segment of a key ends, key by key.
    places = np.unique(key * span + ends)
    low = np.searchsorted(places, key * span + begins, side="right")
    counts = np.maximum(np.searchsorted(places, key * span + ends, side="right") - low, 0)
    at = positions(low, counts)
    per_row = np.bincount(rows, counts, minlength=len(chains)).astype(np.int64)
    return Chains(first_of(per_row), at, places[at] % span)
