"""How long the requests of ServeGen's clients are: by client and window, as recorded."""

from collections.abc import Sequence

import numpy as np

from scenarios.demand import TOKENS_MAX, ServegenArrivals
from simulator.traffic.arrivals.gaps import Floats
from simulator.traffic.formats.faults import TraceError
from simulator.traffic.lengths.choices import Ints, draw_choices
from simulator.traffic.recordings.servegen import Client
from simulator.traffic.recordings.servegen_requests import Asked, recorded_by

OUTPUT = "output_tokens"


def draw_client_lengths(
    arrivals: ServegenArrivals, asked: Asked, side: str, rng: np.random.Generator
) -> Ints:
    """Prompts or answers (`side`: input_tokens, output_tokens) of all requests, independently.

    A client whose lengths were not recorded asks like another one, drawn anew in every replication,
    by how many requests those send. Raises TraceError where no client has lengths.
    """
    clients = recorded_by(arrivals)[0].clients
    asks_like = lenders(clients, side, rng, arrivals.file.path)
    summands = max(len(fields(client, side)) for client in clients)
    chances = rng.random((summands, asked.client.size))
    found = np.empty(asked.client.size, dtype=np.int64)
    order = np.argsort(asked.client, kind="stable")
    edges = np.searchsorted(asked.client[order], np.arange(len(clients) + 1))
    for number in np.flatnonzero(np.diff(edges)):
        rows = order[edges[number] : edges[number + 1]]
        known = clients[asks_like[number]]
        found[rows] = lengths_of(known, side, asked.recorded_s[rows], chances[:, rows])
    return found


def lenders(clients: Sequence[Client], side: str, rng: np.random.Generator, path: str) -> Ints:
    """Of each client, whose lengths its requests have: its own where they are known."""
    knows = np.array([bool(fields(client, side)) for client in clients])
    if not knows.any():
        raise TraceError(f"{path}: no client has {side}: name a `lengths_file`, or other lengths")
    sends = np.array([client.rate_per_s.sum() for client in clients]) * knows
    weights = sends if sends.any() else knows
    return np.where(knows, np.arange(knows.size), draw_choices(weights, knows.size, rng))


def fields(client: Client, side: str) -> list[str]:
    """The recorded fields that make up a prompt or an answer: text and images add up."""
    if side == OUTPUT or side in client.lengths:
        return [side] if client.lengths.get(side) else []
    return [name for name in sorted(client.lengths) if name.endswith("_tokens") and name != OUTPUT]


def lengths_of(client: Client, side: str, recorded_s: Floats, chances: Floats) -> Ints:
    """Whole tokens, at least 1, by the tables that held when each request was recorded.

    chances float64[summands, requests]: uniform, a row for each field that adds up.
    """
    total = np.zeros(recorded_s.size)
    for place, field in enumerate(fields(client, side)):
        tables = client.lengths[field]
        begins_s = np.array([start_s for start_s, _ in tables])
        holds = np.maximum(np.searchsorted(begins_s, recorded_s, side="right") - 1, 0)
        for which in np.flatnonzero(np.bincount(holds)):
            rows = holds == which
            total[rows] += tables[which][1].quantile(chances[place][rows])
    return np.clip(np.rint(total), 1, TOKENS_MAX).astype(np.int64)
