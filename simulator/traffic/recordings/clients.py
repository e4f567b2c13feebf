"""Demand told by client: what each asks for, window by window, and how long its requests are."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.recordings.length_tables import LengthTable

Floats = NDArray[np.float64]
Tables = Mapping[str, tuple[tuple[float, LengthTable], ...]]
"""By field, tables and when they begin to hold (s), in order of time."""


@dataclass(frozen=True)
class Client:
    """One client. Arrays have an entry per window in which it asked for anything, in order of time.

    start_s float64[windows]; rate_per_s, cv float64[windows]: of the gaps between its requests.
    pattern: the family that fits its gaps best, one of PATTERNS. shape, scale float64[windows]: of
    that family as fitted, in seconds; shape times scale need not be exactly 1 / rate.
    lengths: by field ('input_tokens', 'output_tokens', for images also 'text_tokens' and
    'image_tokens'), tables and when they begin to hold (s), in order of time.
    """

    client_id: int
    start_s: Floats
    rate_per_s: Floats
    cv: Floats
    pattern: tuple[str, ...]
    shape: Floats
    scale: Floats
    lengths: Tables

    def length_table(self, field: str, at_s: float) -> LengthTable | None:
        """The table that holds at `at_s`: the latest begun, or the first; None without any."""
        known = self.lengths.get(field, ())
        begun = [table for start_s, table in known if start_s <= at_s]
        return begun[-1] if begun else (known[0][1] if known else None)


@dataclass(frozen=True)
class Clients:
    """All clients of a service. window_s: length of a window; span_s: from 0 to the end of the last
    window of the file. notes: what the files lack."""

    clients: tuple[Client, ...]
    window_s: float
    span_s: float
    notes: tuple[str, ...] = ()

    def total_rate_per_s(self) -> Floats:
        """Requests per second of all clients together, per window from 0 to span_s."""
        total = np.zeros(round(self.span_s / self.window_s))
        for client in self.clients:
            np.add.at(total, (client.start_s // self.window_s).astype(int), client.rate_per_s)
        return total
