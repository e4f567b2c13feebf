"""A hidden state that sets the rate: on and off, or any Markov chain.

The path of the state runs in seconds, so that bursts last as long as the scenario says whatever
the rate does meanwhile; it is one more factor of the rate. Arrivals are a renewal process in the
operational time that the product makes: with exponential gaps a Markov-modulated Poisson process.

Source: Fischer and Meier-Hellstern 1993, 'The Markov-modulated Poisson process (MMPP) cookbook',
https://doi.org/10.1016/0166-5316(93)90035-S.
"""

from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate

import numpy as np

from scenarios.demand import MarkovArrivals, OnOffArrivals
from simulator.traffic.arrivals.steps import Floats, Steps
from simulator.traffic.drawing import Period
from simulator.traffic.lengths.choices import shares_below


@dataclass(frozen=True)
class Chain:
    """levels float64[states], of mean one over time; lasts_s float64[states]: mean stays, which
    are exponential; follow float64[states, states]: the chance of each next state, by row."""

    levels: Floats
    lasts_s: Floats
    follow: Floats

    @property
    def stationary(self) -> Floats:
        """The share of time in each state."""
        return time_shares(self.follow, self.lasts_s)


def chain_of(arrivals: OnOffArrivals | MarkovArrivals) -> Chain:
    if isinstance(arrivals, OnOffArrivals):
        levels, lasts_s = np.array([1.0, 0.0]), np.array([arrivals.on_s, arrivals.off_s])
        follow = np.array([[0.0, 1.0], [1.0, 0.0]])
    else:
        levels = np.array([state.level for state in arrivals.states])
        lasts_s = np.array([state.lasts_s for state in arrivals.states])
        follow = 1.0 - np.eye(levels.size)
        for index, state in enumerate(arrivals.states):
            if state.next is not None:
                follow[index] = state.next
        follow /= follow.sum(axis=1, keepdims=True)
    return Chain(levels / (time_shares(follow, lasts_s) @ levels), lasts_s, follow)


def time_shares(follow: Floats, lasts_s: Floats) -> Floats:
    """How much of the time a chain spends in each state: the balance of its visits, times stays."""
    states = lasts_s.size
    balance = np.vstack([follow.T - np.eye(states), np.ones(states)])
    visits = np.linalg.lstsq(balance, np.append(np.zeros(states), 1.0))[0]
    shares = np.maximum(visits, 0.0) * lasts_s
    return np.asarray(shares / shares.sum())


def draw_path(chain: Chain, period: Period, rng: np.random.Generator) -> Steps:
    """The factor that the state is over the period, which meets the chain long under way: the
    first state by its share of time, its rest as long as any stay (exponential)."""
    below = [shares_below(row).tolist() for row in chain.follow]
    stays = chain.stationary
    usual_s = float(1.0 / (stays / chain.lasts_s).sum())
    state = bisect_right(shares_below(stays).tolist(), rng.random())
    visited, lasted = [np.array([state])], [rng.exponential(chain.lasts_s[[state]])]
    covered_s, span_s = float(lasted[0][0]), period.end_s - period.start_s
    while covered_s < span_s:
        size = int((span_s - covered_s) / usual_s * 1.1) + 16
        jumps = accumulate(
            rng.random(size).tolist(), lambda at, chance: bisect_right(below[at], chance),
            initial=int(visited[-1][-1]),
        )  # fmt: skip
        visited.append(np.array(list(jumps))[1:])
        lasted.append(rng.exponential(chain.lasts_s[visited[-1]]))
        covered_s += float(lasted[-1].sum())
    ends_s = period.start_s + np.cumsum(np.concatenate(lasted))
    needed = int(np.searchsorted(ends_s, period.end_s)) + 1
    times_s = np.minimum(np.append(period.start_s, ends_s[:needed]), period.end_s)
    times_s[-1] = period.end_s
    return Steps(times_s, chain.levels[np.concatenate(visited)[:needed]])
