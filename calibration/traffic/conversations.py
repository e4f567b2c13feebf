"""A recording of requests that follow each other -> one or a few groups of sessions.

Long first prompts may be followed much more often than short ones (a document and questions on it,
beside small talk). Turns of a group do not depend on its first prompts: then there are groups.
"""

from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic.arrivals import ArrivalFit, fit_arrivals
from calibration.traffic.emerging import Emerging, Wanted, dispersion, put_right
from calibration.traffic.following import NOBODY, Following
from calibration.traffic.lengths import fit_lengths
from calibration.traffic.rounding import per_second, seconds, significant
from calibration.traffic.sessions import SessionFit, fit_sessions, is_steady
from calibration.traffic.windows import rate_table
from simulator.traffic.recordings.traces import Trace

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Yaml = dict[str, Any]

PERIODS = 12
ROWS = 150_000
"""Drawn in one round, at most by recordings that are not longer themselves."""
SWINGS = 4
"""Rounds in which the swing of the rates is found."""
GROUPS_MAX = 3
GROUP_LEAST = 0.15
"""Share of the requests that a group must have."""
RATIO_LEAST = 2.0
"""Of the chances that a first prompt is followed, on the two sides of a length ..."""
GAIN_LEAST = 50.0
"""... and how much more likely the recording must be with two chances (its logarithm)."""


def fit_conversations(
    trace: Trace, arrival_s: Floats, seen: Following, prefix: int, name: str
) -> tuple[list[Yaml], list[str]]:
    """The groups, and what is to be said of them."""
    together = fit_arrivals(arrival_s, trace.span_s)
    classes = divided(seen, trace.input_tokens)
    names = [name] if len(classes) == 1 else [f"{name}-{i + 1}" for i in range(len(classes))]
    groups = [
        fit_group(trace, arrival_s, seen, rows, prefix, called)
        for rows, called in zip(classes, names, strict=True)
    ]
    block = [group for group, _ in groups]
    notes = [f"{group['name']}: {text}" for group, said in groups for text in said]
    if prefix:
        notes.append(f"prefixes: at least 90 % of prompts begin with the same {prefix} tokens")
    if together.table is not None and is_steady(arrival_s[seen.parent == NOBODY], trace.span_s):
        most = int(np.argmax([rows.sum() for rows in classes]))
        block = swinging(block, most, together, trace.span_s)
        notes.append(
            f"{block[most]['name']}: its table of {together.table.recorded.size} rates every "
            f"{together.table.every_s:g} s swings so far that all requests vary as recorded "
            f"within {together.table.every_s:g} s"
        )
    return block, notes


def fit_group(
    trace: Trace, arrival_s: Floats, seen: Following, rows: Bools, prefix: int, name: str
) -> tuple[Yaml, list[str]]:
    """One group, as if its rate were constant: the sessions that `rows` (bool[rows]) are of."""
    found = fit_sessions(
        seen, arrival_s, trace.input_tokens, trace.output_tokens, trace.span_s, prefix, rows,
        None if trace.sessions is None else trace.sessions.pause_s,
    )  # fmt: skip
    arrivals: Yaml = {"kind": "poisson"} if found.steady else all_at_once(found, trace.span_s)

    def block_of(now: Emerging) -> list[Yaml]:
        group: Yaml = {"name": name, "arrivals": arrivals | {"rate": per_second(now.rate_per_s)}}
        if prefix:
            group["prefixes"] = [{"tokens": prefix}]
        group["input_tokens"] = now.input_tokens
        group["output_tokens"] = fit_lengths(trace.output_tokens[rows])
        return [group | {"sessions": found.sessions}]

    watched_s = trace.span_s - found.from_s
    start = Emerging(found.first_tokens.astype(float), found.begins_s.size / watched_s)
    # A part of steady traffic has prompts like the whole.
    part = min(1.0, ROWS / int(rows.sum())) if found.steady else 1.0
    prompts, rate_per_s = trace.input_tokens[rows].astype(float), rows.sum() / trace.span_s
    wanted = Wanted(prompts, float(rate_per_s), part * trace.span_s)
    group = block_of(put_right(start, wanted, block_of))[0]
    return group, session_notes(found, float((seen.parent[rows] != NOBODY).mean()))


def swinging(block: list[Yaml], most: int, together: ArrivalFit, span_s: float) -> list[Yaml]:
    """The groups with the recorded table of rates on the largest, `most`: further out than recorded
    by what other groups and late follow-ups level off. Found by drawing."""
    table, factors = together.table, together.factors
    assert table is not None and factors is not None
    own = together.process.dispersion(table.every_s)
    target = together.process.rate_per_s * table.every_s * float(factors.var())
    periods = max(1, min(PERIODS, int(ROWS / (together.process.rate_per_s * span_s))))
    swing, found = 1.0, block
    for _ in range(SWINGS):
        swung = np.maximum(0.0, 1.0 + swing * (factors - 1.0))
        modulation = together.modulation | {"factors": significant(swung / swung.mean())}
        found = list(block)
        found[most] = block[most] | {
            "arrivals": block[most]["arrivals"] | {"modulation": [modulation]}
        }
        excess = dispersion(found, table.every_s, span_s, periods) - own
        swing *= float(np.clip(np.sqrt(target / max(excess, 0.1 * target)), 0.5, 2.0))
    return found


def all_at_once(found: SessionFit, span_s: float) -> Yaml:
    """Where all sessions began with the recording none goes on from before it: the table of rates
    ends with nothing, which is what stands before its beginning."""
    table = rate_table(found.begins_s, span_s)
    silent = np.zeros(int(np.ceil(span_s / table.every_s)))
    own = 1.0 / (found.begins_s.size / span_s * table.every_s)
    modulation = {
        "kind": "table",
        "every": seconds(table.every_s),
        "factors": significant(np.concatenate([table.shrunk(own), silent])),
    }
    return {"kind": "poisson", "modulation": [modulation]}


def session_notes(found: SessionFit, share: float) -> list[str]:
    notes = [f"{share:.0%} of requests follow another; {found.mean_turns:.2f} requests a session"]
    if not found.steady:
        notes.append(
            "all sessions began with the recording, so that the table of rates ends with zeros and "
            "none goes on from before the period: this is no steady traffic"
        )
    elif found.from_s:
        notes.append(
            f"what seems to begin in the first {found.from_s:,.0f} s is left out: most of it began "
            "before the recording"
        )
    return notes


# --- groups ------------------------------------------------------------------------------------


def divided(seen: Following, input_tokens: Ints) -> list[Bools]:
    """The requests of each group, by the length of their session's first prompt."""
    limits = sorted(limits_of(seen, input_tokens, 0, int(input_tokens.max()) + 1, GROUPS_MAX))
    first = input_tokens[seen.root]
    edges = [0, *limits, int(input_tokens.max()) + 1]
    return [(low <= first) & (first < high) for low, high in pairwise(edges)]


def limits_of(seen: Following, input_tokens: Ints, low: int, high: int, groups: int) -> list[int]:
    """Lengths between `low` and `high` at which first prompts are divided into at most `groups`."""
    if groups < 2:
        return []
    firsts = np.flatnonzero(seen.parent == NOBODY)
    firsts = firsts[(input_tokens[firsts] >= low) & (input_tokens[firsts] < high)]
    limit = best_limit(seen, input_tokens, firsts)
    if limit is None:
        return []
    below = limits_of(seen, input_tokens, low, limit, groups - 1)
    return [*below, limit, *limits_of(seen, input_tokens, limit, high, groups - 1 - len(below))]


def best_limit(seen: Following, input_tokens: Ints, firsts: Ints) -> int | None:
    """The length that tells best which first prompts are followed; None where none tells enough."""
    tokens, followed = input_tokens[firsts], seen.followed_by[firsts] != NOBODY
    sizes = np.bincount(seen.root, minlength=seen.root.size)[firsts]
    best, most = None, GAIN_LEAST
    for limit in np.unique(np.quantile(tokens, np.linspace(0.05, 0.95, 37)).astype(np.int64)):
        short = tokens < limit
        requests = min(sizes[short].sum(), sizes[~short].sum())
        if requests < GROUP_LEAST * seen.root.size or short.all() or not short.any():
            continue
        chances = followed[short].mean(), followed[~short].mean()
        if max(chances) < RATIO_LEAST * min(chances):
            continue
        gain = likelihood(followed[short]) + likelihood(followed[~short]) - likelihood(followed)
        if gain > most:
            best, most = int(limit), gain
    return best


def likelihood(events: Bools) -> float:
    """Its logarithm, of events with the chance that they show."""
    share = float(events.mean())
    if share in (0.0, 1.0):
        return 0.0
    return float(events.size * (share * np.log(share) + (1 - share) * np.log1p(-share)))
