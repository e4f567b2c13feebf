"""What one traffic group sends in one replication, before the groups are put together."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from simulator.traffic.follow_ups import FollowUps
from simulator.traffic.prefixes import Chains

NS_PER_S = 1_000_000_000

REQUESTS_MAX = 200_000_000
"""Of one group in one replication: beyond, no machine has the memory to draw and serve them."""


class DemandError(ValueError):
    """Demand that cannot be drawn before the clock starts; the message says what to change."""


RngOf = Callable[..., np.random.Generator]
"""The random stream of one purpose (words and numbers) of one group in one replication."""


@dataclass(frozen=True)
class Period:
    """What is drawn: arrivals in [start_s, end_s); the counted period is [0, horizon_s) of it."""

    start_s: float
    end_s: float
    horizon_s: float
    week_s: float = 0.0
    """Where in the week instant 0 lies, in seconds since Monday 00:00."""
    haste: float = 1.0
    """How many times faster than the fastest engine clients of a closed loop may come round."""


@dataclass(frozen=True)
class Drawing:
    """Rows of one group, in order of their (nominal) arrival.

    arrival_s float64, input_tokens and output_tokens int64, one per row; `follow_ups` as in
    `Workload`: arrivals of rows that wait for others are nominal.
    """

    arrival_s: NDArray[np.float64]
    input_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    chains: Chains
    follow_ups: FollowUps | None = None
