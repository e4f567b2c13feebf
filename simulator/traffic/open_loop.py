"""Requests that do not wait for answers: arrivals, lengths and prefixes of one traffic group."""

from dataclasses import dataclass

import numpy as np

from scenarios.demand import (
    FromTrace,
    PopulationArrivals,
    Renewal,
    ServegenArrivals,
    TraceArrivals,
    Traffic,
)
from simulator.traffic.arrivals.instants import draw_arrivals
from simulator.traffic.arrivals.population import draw_population
from simulator.traffic.arrivals.steps import Floats
from simulator.traffic.drawing import Drawing, Period, RngOf
from simulator.traffic.lengths.choices import Ints
from simulator.traffic.lengths.client_lengths import draw_factors, scaled
from simulator.traffic.lengths.tokens import draw_lengths, draw_pairs
from simulator.traffic.prefixes import Chains, draw_chains, take
from simulator.traffic.recordings.replay import draw_trace_rows
from simulator.traffic.recordings.servegen_lengths import draw_client_lengths
from simulator.traffic.recordings.servegen_requests import draw_asked


@dataclass(frozen=True)
class Arrived:
    """Arrivals of a group and what they bring with them: their client; or, recorded, their lengths,
    what their prompts share, and the number of the drawn window that they come from."""

    arrival_s: Floats
    client: Ints | None = None
    lengths: tuple[Ints, Ints] | None = None
    chains: Chains | None = None
    window: Ints | None = None


def draw_open(traffic: Traffic, period: Period, rng_of: RngOf) -> Drawing:
    """All requests of a group without sessions. Raises TraceError for files that cannot be used."""
    arrived = draw_arrived(traffic, period, rng_of)
    size = arrived.arrival_s.size
    factors = None
    if isinstance(traffic.arrivals, PopulationArrivals) and traffic.arrivals.length_sigma:
        factors = draw_factors(traffic.arrivals, rng_of("client_lengths"))[:, arrived.client]
    inputs, outputs = draw_pairs(traffic, size, rng_of, arrived.lengths)
    if factors is not None:
        inputs = scaled(inputs, factors[0], traffic.input_tokens)
        outputs = scaled(outputs, factors[1], traffic.output_tokens)
    if traffic.reasoning_tokens is not None:
        thought = draw_lengths(traffic.reasoning_tokens, size, rng_of("reasoning_tokens"))
        if factors is not None:
            thought = scaled(thought, factors[1], traffic.reasoning_tokens)
        outputs = outputs + thought
    chains = draw_chains(
        traffic.prefixes,
        size,
        lambda level: rng_of("prefixes", level),
        arrived.chains,
        arrived.window,
    )
    return Drawing(arrived.arrival_s, inputs + traffic.prefix_tokens, outputs, chains)


def draw_starts(traffic: Traffic, period: Period, rng_of: RngOf) -> Floats:
    """Sorted instants in [start_s, end_s) at which sessions begin."""
    return draw_arrived(traffic, period, rng_of).arrival_s


def draw_arrived(traffic: Traffic, period: Period, rng_of: RngOf) -> Arrived:
    match traffic.arrivals:
        case PopulationArrivals() as arrivals:
            return Arrived(*draw_population(arrivals, period, rng_of))
        case TraceArrivals():
            return draw_replayed(traffic, traffic.arrivals, period, rng_of)
        case ServegenArrivals():
            return draw_clients(traffic, traffic.arrivals, period, rng_of)
        case Renewal() as arrivals:
            return Arrived(draw_arrivals(arrivals, period, rng_of))
    raise AssertionError(f"arrivals of kind {traffic.arrivals.kind} wait for answers")


def draw_replayed(
    traffic: Traffic, arrivals: TraceArrivals, period: Period, rng_of: RngOf
) -> Arrived:
    """Rows of a trace, with what their prompts share where the prompts are the trace's."""
    trace, arrival_s, rows, window = draw_trace_rows(arrivals, period, rng_of("windows"))
    chains = trace.chains if isinstance(traffic.input_tokens, FromTrace) else None
    return Arrived(
        arrival_s,
        lengths=(trace.input_tokens[rows], trace.output_tokens[rows]),
        chains=None if chains is None else take(chains, rows),
        window=window,
    )


def draw_clients(
    traffic: Traffic, arrivals: ServegenArrivals, period: Period, rng_of: RngOf
) -> Arrived:
    """Requests of ServeGen's clients, with the lengths of each client where those are wanted."""
    asked = draw_asked(arrivals, period, rng_of)
    parts = {"input_tokens": traffic.input_tokens, "output_tokens": traffic.output_tokens}
    inputs, outputs = (
        draw_client_lengths(arrivals, asked, side, rng_of("client_lengths", side))
        if isinstance(part, FromTrace)
        else np.zeros(asked.client.size, dtype=np.int64)
        for side, part in parts.items()
    )
    return Arrived(asked.arrival_s, asked.client, (inputs, outputs))
