"""What prompts of single requests have in common: a system prompt, and documents behind it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from calibration.traffic.following import common_prefix_tokens, earlier_segments
from calibration.traffic.rounding import significant
from simulator.traffic.prefixes import Chains

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]
Yaml = dict[str, Any]

SHARING_LEAST = 0.6
"""Of requests that must share more than the common prefix for documents to be told."""
VARIANTS_MAX = 1_000_000
ZIPF_MAX = 5.0


@dataclass(frozen=True)
class Shared:
    prefixes: list[Yaml] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        return sum(prefix["tokens"] for prefix in self.prefixes)


def fit_shared(chains: Chains, input_tokens: Ints) -> Shared:
    """The prefixes of a group whose requests do not follow each other."""
    common = common_prefix_tokens(chains)
    prefixes: list[Yaml] = [{"tokens": common}] if common else []
    notes = [f"prefixes: at least 90 % of prompts begin with the same {common} tokens"] * bool(
        common
    )
    tokens, document = documents(chains, common)
    sharing = document >= 0
    if sharing.mean() < SHARING_LEAST:
        left = float(np.maximum(tokens - common, 0)[sharing].sum() / input_tokens.sum())
        if left >= 0.01:
            notes.append(
                f"{left:.0%} of prompt tokens are shared beyond that, by {sharing.mean():.0%} of "
                "requests: not told"
            )
        return Shared(prefixes, notes)
    length = int(np.median(tokens[sharing])) - common
    counts = np.sort(np.bincount(document[sharing]))[::-1]
    variants, zipf = popularity(counts[counts > 0].astype(float))
    prefixes.append({"tokens": length, "variants": variants, "zipf": significant(zipf)})
    notes.append(
        f"prefixes: behind it {sharing.mean():.0%} share one of about {variants:,} documents of "
        f"{length:,} tokens in the median"
    )
    return Shared(prefixes, notes)


def documents(chains: Chains, common: int) -> tuple[Ints, Ints]:
    """Per row the tokens, and the key, of its longest segment beyond `common` tokens that another
    row has too; key -1 where there is none."""
    before = earlier_segments(chains)
    again = np.zeros(chains.keys.size, dtype=bool)
    again[before[before >= 0]] = True
    usable = (again | (before >= 0)) & (chains.ends > common)
    rows = np.repeat(np.arange(len(chains)), chains.counts)
    tokens, key = np.zeros(len(chains), dtype=np.int64), np.full(len(chains), -1, dtype=np.int64)
    # Ends rise within a row: the last usable one stays.
    tokens[rows[usable]] = chains.ends[usable]
    key[rows[usable]] = chains.keys[usable]
    return tokens, key


def popularity(counts: Floats) -> tuple[int, float]:
    """Variants and Zipf exponent under which as many different ones as seen, and two requests of
    the same as often as seen, are to be expected."""
    requests, different = counts.sum(), counts.size
    same = float((counts * (counts - 1)).sum() / max(1.0, requests * (requests - 1)))

    def of(logs: Floats) -> Floats:
        ranks = np.arange(1.0, np.ceil(np.exp(logs[0])) + 1.0)
        shares = ranks ** -logs[1]
        shares /= shares.sum()
        seen = float(-np.expm1(requests * np.log1p(-np.minimum(shares, 1 - 1e-12))).sum())
        return np.array([np.log(seen / different), np.log((shares**2).sum() / same)])

    if same == 0.0 or different < 2:
        return max(1, int(different)), 0.0
    low, high = np.log([different, min(VARIANTS_MAX, 30.0 * different)])
    best, zipf, least = low, 0.0, np.inf
    # The number of variants is whole: a grid of it, and the exponent by root for each.
    for log_variants in np.linspace(low, high, 12):
        exponent = optimize.minimize_scalar(
            lambda z, v=log_variants: float(of(np.array([v, z]))[1] ** 2),
            bounds=(0.0, ZIPF_MAX), method="bounded",
        ).x  # fmt: skip
        off = float((of(np.array([log_variants, exponent])) ** 2).sum())
        if off < least:
            best, zipf, least = log_variants, float(exponent), off
    return round(float(np.exp(best))), zipf
