"""A service's clients as a scenario's `population`: who asks how much, how burstily, and when.

From ServeGen's files: for each client and window the rate and the coefficient of variation of its
gaps, and the lengths of its requests.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from calibration.traffic.demand import MISSING_LEAST, Demand, level
from calibration.traffic.lengths import fit_lengths
from calibration.traffic.lognormals import Sample, sample
from calibration.traffic.rounding import seconds, significant
from simulator.traffic.arrivals.demand_file import long_zeros
from simulator.traffic.recordings.clients import Client, Clients

Floats = NDArray[np.float64]
Yaml = dict[str, Any]

CV_MAX = 50.0
"""A scenario's limit."""
SIGMA_MAX = 3.0
ZIPF_MAX = 20.0
OWN_LEVELS = (np.arange(1000) + 0.5) / 1000
FACTOR_LEVELS = (np.arange(100) + 0.5) / 100
SIGMA_STEPS = np.array([1.0, 0.85, 0.7, 0.55, 0.4, 0.3, 0.2, 0.1])
CHECKED = (0.5, 0.9, 0.99)
CLOSE = 0.08
"""Relative, of those quantiles."""
ROUNDS = 30
DAMPING = 0.7
LEVELS = (np.arange(400) + 0.5) / 400
"""Of each client's lengths, from which the lengths of all are put together."""
PROMPT = (("input_tokens",), ("text_tokens", "image_tokens"))
"""Fields that make up a prompt: of a text model, or of one that takes images."""
ANSWER = (("output_tokens",),)


@dataclass(frozen=True)
class Population:
    """What the clients of a service are like, rate-weighted.

    shares float64[clients]: of the rate, falling. cvs: of the gaps of one client; median and 95th
    percentile. active_share: of windows, those in which a client asks at all.
    """

    rate_per_s: float
    shares: Floats
    cv: float
    cv_p95: float
    weibull_share: float
    active_share: float
    demand: Demand


def measured(clients: Clients) -> Population:
    """Heavy clients count for more throughout: they are what the service feels. Windows that nobody
    asked in for long are gaps of the recording."""
    totals_per_s = clients.total_rate_per_s()
    totals_per_s[long_zeros(totals_per_s, clients.window_s, MISSING_LEAST * clients.window_s)] = (
        np.nan
    )
    windows = int(np.isfinite(totals_per_s).sum())
    totals = np.array([client.rate_per_s.sum() for client in clients.clients])
    asked = totals > 0
    active = np.array([client.start_s.size / windows for client in clients.clients])
    shares = totals / totals.sum()
    rates = np.concatenate([client.rate_per_s for client in clients.clients])
    cvs = sample(np.concatenate([client.cv for client in clients.clients]), rates)
    weibull = np.concatenate([np.array(client.pattern) == "Weibull" for client in clients.clients])
    hours = np.zeros(totals_per_s.size, dtype=np.int64)
    series = Demand(totals_per_s, hours, clients.window_s)
    return Population(
        float(totals.sum() / windows),
        np.sort(shares[asked])[::-1],
        float(cvs.quantiles(0.5)),
        float(cvs.quantiles(0.95)),
        float(rates[weibull].sum() / rates.sum()),
        float(active @ shares),
        series,
    )


def zipf_of(shares: Floats) -> float:
    """The exponent under which these shares are most likely: the least Kullback-Leibler divergence
    from them.

    >>> shares = np.arange(1.0, 51.0) ** -1.3
    >>> round(zipf_of(shares / shares.sum()), 3)
    1.3
    """
    ranks = np.log(np.arange(1.0, shares.size + 1.0))

    def surprise(exponent: float) -> float:
        return float(exponent * (shares @ ranks) + np.log(np.exp(-exponent * ranks).sum()))

    found = optimize.minimize_scalar(surprise, bounds=(0.0, ZIPF_MAX), method="bounded")
    return float(found.x)


def fit_arrivals(seen: Population, window_s: float, length_sigma: float) -> Yaml:
    """Clients' coming and going explains a part of how the total changes from window to window; the
    rest is a level that all share."""
    zipf = zipf_of(seen.shares)
    weights = np.arange(1.0, seen.shares.size + 1.0) ** -zipf
    squared = float(((weights / weights.sum()) ** 2).sum())
    own = squared * (1.0 / seen.active_share - 1.0)
    total = float(np.nanvar(seen.demand.values) / np.nanmean(seen.demand.values) ** 2)
    # Variances of factors that multiply: 1 + total = (1 + own) (1 + level).
    left = max(0.0, (1.0 + total) / (1.0 + own) - 1.0)
    arrivals: Yaml = {
        "kind": "population",
        "rate": f"{significant(seen.rate_per_s):g}/s",
        "clients": int(seen.shares.size),
        "zipf": significant(zipf),
        "family": "weibull" if seen.weibull_share > 0.5 else "gamma",
        "cv": significant(min(seen.cv, CV_MAX)),
        "cv_p95": significant(min(seen.cv_p95, CV_MAX)),
        "active_share": significant(seen.active_share),
        "window": seconds(window_s),
    }
    if length_sigma:
        arrivals["length_sigma"] = significant(min(length_sigma, SIGMA_MAX))
    levels = level(seen.demand.values, seen.demand.every_s, left, own)
    return arrivals | ({"modulation": levels} if levels else {})


@dataclass(frozen=True)
class PooledLengths:
    """tokens float64[n], weights float64[n]: of all clients' requests together. between: standard
    deviation of the logarithm of clients' medians, weighted by their requests. clients: with known
    lengths. share: of the rate."""

    tokens: Floats
    weights: Floats
    between: float
    clients: int
    share: float

    @property
    def sample(self) -> Sample:
        return sample(self.tokens, self.weights)


def pooled(clients: Clients, fields: tuple[tuple[str, ...], ...]) -> PooledLengths | None:
    """The lengths of all clients that have them; None when none has."""
    known = [(client, tokens) for client in clients.clients
             if (tokens := lengths_of(client, fields)) is not None]  # fmt: skip
    if not known:
        return None
    requests = np.array([client.rate_per_s.sum() for client, _ in known])
    everybody = sum(client.rate_per_s.sum() for client in clients.clients)
    weights = requests / requests.sum()
    medians = np.log(np.maximum([np.median(tokens) for _, tokens in known], 1.0))
    between = np.sqrt(weights @ (medians - weights @ medians) ** 2)
    return PooledLengths(
        np.concatenate([tokens for _, tokens in known]),
        np.repeat(weights / LEVELS.size, LEVELS.size),
        float(between),
        len(known),
        float(requests.sum() / everybody),
    )


def lengths_of(client: Client, fields: tuple[tuple[str, ...], ...]) -> Floats | None:
    """Quantiles of a client's lengths at `LEVELS`; where a prompt has parts, of their sum as if
    they rose together."""
    for parts in fields:
        tables = [client.length_table(name, 0.0) for name in parts]
        if all(tables):
            found = [table.quantile(LEVELS) for table in tables if table is not None]
            return np.asarray(np.sum(found, axis=0))
    return None


def common_sigma(known: list[PooledLengths]) -> float:
    """The spread between clients, of prompts and answers alike: at most as large as each shows, and
    as the lengths of all together leave room for. Clients differ in more ways than by a factor."""
    between = min((part.between for part in known), default=0.0)
    for sigma in between * SIGMA_STEPS:
        if all(room(part, sigma) for part in known):
            return float(sigma)
    return 0.0


def room(seen: PooledLengths, sigma: float) -> bool:
    """Whether some lengths times the factors come out as the lengths of all together."""
    wanted = seen.sample.quantiles(CHECKED)
    product = np.exp(np.quantile(product_logs(own_logs(seen, sigma), sigma), CHECKED))
    return bool(np.all(np.abs(product - wanted) <= CLOSE * wanted + 0.5))


def fit_own_lengths(seen: PooledLengths, sigma: float) -> Yaml:
    """Lengths of one client, behind its factor."""
    return fit_lengths(np.exp(own_logs(seen, sigma)))


def own_logs(seen: PooledLengths, sigma: float) -> Floats:
    """Logarithms of lengths which, times a lognormal factor per client of deviation `sigma`, come
    out as those of all clients: by turns, their quantiles get what those of the product lack."""
    logs = np.log(np.maximum(seen.sample.quantiles(OWN_LEVELS), 1.0))
    own = logs.copy()
    for _ in range(ROUNDS if sigma else 0):
        product = np.quantile(product_logs(own, sigma), OWN_LEVELS)
        own = np.maximum.accumulate(np.maximum(own + DAMPING * (logs - product), 0.0))
    return own


def product_logs(own: Floats, sigma: float) -> Floats:
    """Every quantile meets every factor: the product's distribution, without any noise."""
    return np.asarray((own[:, None] + sigma * special.ndtri(FACTOR_LEVELS)).ravel())
