"""Which rows can be used; of those that cannot, why."""

import numpy as np
from numpy.typing import NDArray

from scenarios.demand import TOKENS_MAX
from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.form import Reading
from simulator.traffic.formats.rows import Floats, Raw, Rows, take
from simulator.traffic.prefixes import Chains

Mask = NDArray[np.bool_]


def sound(raw: Raw, reading: Reading, faults: Faults) -> Rows:
    """The rows that can be used."""
    names = reading.names
    left = np.ones(raw.line.size, dtype=bool)

    def refuse(reason: str, where: Mask) -> None:
        """A row is refused once, for the first reason that holds."""
        faults.add(reason, raw.line[left & where])
        left[where] = False

    with np.errstate(invalid="ignore"):
        refuse(f"{names[0]} is no time", np.isnan(raw.arrival_s))
        refuse(f"{names[0]} is not finite", np.isinf(raw.arrival_s))
        refuse(f"{names[0]} is negative", (raw.arrival_s < 0) & reading.from_zero)
        for name, tokens in zip(names[1:], (raw.input_tokens, raw.output_tokens), strict=True):
            refuse(f"{name} is not a number", ~np.isfinite(tokens))
            refuse(f"{name} is negative", tokens < 0)
            refuse(f"{name} has a fraction of a token", tokens % 1 != 0)
            refuse(f"{name} is more than {TOKENS_MAX:,} tokens", tokens > TOKENS_MAX)
        refuse("a request without prompt tokens", raw.input_tokens == 0)
        refuse("a request without output tokens: it failed", raw.output_tokens == 0)
        if raw.broken is not None:
            refuse(reading.broken, raw.broken)
        if raw.chains is not None:
            refuse("more hash_ids than its prompt has blocks", beyond(raw.chains, raw.input_tokens))
    chosen = np.flatnonzero(left)
    inputs, outputs = (
        np.where(left, column, 1).astype(np.int64)
        for column in (raw.input_tokens, raw.output_tokens)
    )
    rows = take(Rows(raw.arrival_s, inputs, outputs, raw.chains, raw.links), chosen)
    if rows.chains is None:
        return rows
    # The last block of a prompt need not be full.
    ends = np.minimum(rows.chains.ends, np.repeat(rows.input_tokens, rows.chains.counts))
    chains = Chains(rows.chains.first, rows.chains.keys, ends)
    return Rows(rows.arrival_s, rows.input_tokens, rows.output_tokens, chains, rows.links)


def beyond(chains: Chains, input_tokens: Floats) -> Mask:
    """Rows with a block that begins where the prompt is over already."""
    counts = chains.counts
    begins = np.zeros(counts.size)
    many = np.flatnonzero(counts > 1)
    begins[many] = chains.ends[chains.first[many + 1] - 2]
    return (counts > 0) & (begins >= input_tokens)
