"""Instants of a file -> seconds from its first row: floats have no room for a date and a tenth of a
microsecond at once."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from simulator.traffic.formats.rows import Floats


class Calendar:
    """Dates and times in ISO 8601; without a zone they are taken for UTC."""

    def __init__(self) -> None:
        self.first: np.datetime64 | None = None

    def seconds(self, texts: Sequence[Any]) -> Floats:
        """NaN where a text is no time. Rows before the first one are negative.

        >>> clock = Calendar()
        >>> clock.seconds(["2024-05-10 23:59:59.5+00:00", "2024-05-11T01:00:01+01:00", "noon"])
        array([0. , 1.5, nan])
        """
        when = pd.to_datetime(
            pd.Series(texts, dtype=object), utc=True, format="ISO8601", errors="coerce"
        )
        instants = when.to_numpy(dtype="datetime64[ns]")
        known = instants[~np.isnat(instants)]
        if self.first is None and known.size:
            self.first = known[0]
        if self.first is None:
            return np.full(instants.size, np.nan)
        since = (instants - self.first).astype("timedelta64[ns]")
        return np.where(np.isnat(since), np.nan, since.astype(np.int64) / 1e9)


class Epoch:
    """Seconds from an origin long ago."""

    def __init__(self) -> None:
        self.first_s: float | None = None

    def seconds(self, values_s: Floats) -> Floats:
        known = values_s[np.isfinite(values_s)]
        if self.first_s is None and known.size:
            self.first_s = float(known[0])
        return values_s - (self.first_s or 0.0)
