"""A recording of whole agent sessions -> groups of a scenario, judged by sessions drawn anew."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from calibration.traffic import match
from calibration.traffic.agents import AgentGroup, AgentRows, agent_rows, fit_agents
from calibration.traffic.drawn import figures_of, scenario_of, within
from calibration.traffic.emerging import Emerging, Wanted, put_right
from calibration.traffic.figures.traffic import figures_of_trace
from calibration.traffic.fitted import RATE_OPEN, Fitted
from calibration.traffic.following import following, infer_following
from calibration.traffic.lengths import fit_lengths
from calibration.traffic.rounding import significant
from simulator.traffic import Workload, draw_workload
from simulator.traffic.drawing import NS_PER_S
from simulator.traffic.recordings.recorded_sessions import Sessions
from simulator.traffic.recordings.traces import Trace

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Yaml = dict[str, Any]

REQUESTS = {name: kind for name, kind in match.REQUESTS.items()
            if not name.startswith(("rate", "dispersion", "gap", "empty", "peak"))}  # fmt: skip
SESSIONS = {
    "session_requests_p50": match.Kind(),
    "session_requests_p90": match.Kind(),
    "pause_s_p50": match.Kind(),
    "pause_s_p90": match.Kind(),
}
APART_S = 60 * 86_400.0
"""Time over which sessions are drawn, so long that nearly all end within it."""


def fit_agent_trace(trace: Trace, name: str, number: int) -> Fitted:
    """Judged by `number` drawings of as many sessions. Arrivals of sessions are not told."""
    assert trace.sessions is not None
    rows = rows_of(trace, trace.sessions)
    groups = fit_agents(rows)
    sessions = int(trace.sessions.session.max()) + 1
    names = [name] if len(groups) == 1 else [group.name for group in groups]
    block = [
        group_yaml(group, called, sessions) for group, called in zip(groups, names, strict=True)
    ]
    measured = measured_figures(trace, rows)
    drawn = [drawn_figures(block, sessions, trace.block_tokens, r) for r in range(number)]
    kinds = REQUESTS | SESSIONS
    compared = match.compared({k: measured[k] for k in kinds}, drawn, kinds)
    about = f"{trace.arrival_s.size:,} requests of {sessions:,} sessions, each with its own clock"
    return Fitted("agents", about, block, notes_of(groups), compared, number)


def rows_of(trace: Trace, sessions: Sessions) -> AgentRows:
    hits = np.zeros(trace.input_tokens.size, dtype=np.int64)
    if trace.chains is not None and trace.block_tokens is not None:
        hits = infer_following(trace.chains, trace.input_tokens, trace.block_tokens, 0).hit_tokens
    return agent_rows(
        sessions.session, following(sessions.parent, hits), trace.input_tokens,
        trace.output_tokens, sessions.pause_s,
    )  # fmt: skip


def group_yaml(group: AgentGroup, name: str, sessions: int) -> Yaml:
    """A traffic group, its first prompts put right so that all prompts come out as recorded."""
    arrivals: Yaml = {"kind": "poisson", "rate": RATE_OPEN}
    if group.share < 1.0:
        arrivals["rate"] = f"{significant(group.share)}/min"

    def block_of(now: Emerging) -> list[Yaml]:
        made: Yaml = {"name": name, "arrivals": arrivals}
        if group.prefix_tokens:
            made["prefixes"] = [{"tokens": group.prefix_tokens}]
        made |= {
            "input_tokens": now.input_tokens,
            "output_tokens": fit_lengths(group.output_tokens),
            "sessions": group.sessions,
        }
        return [made]

    def apart(now: Emerging) -> list[Yaml]:
        return far_apart(block_of(now), group.share * sessions)

    start = Emerging(group.first_tokens.astype(float), 1.0)
    wanted = Wanted(group.prompts.astype(float), None, APART_S)
    return block_of(put_right(start, wanted, apart))[0]


def far_apart(block: list[Yaml], sessions: float) -> list[Yaml]:
    """The same with so few sessions that all but the last ones end within `APART_S`."""
    asked = [float(group["arrivals"]["rate"].removesuffix("/min")) for group in block]
    rates = [sessions * rate / sum(asked) / APART_S for rate in asked]
    return [
        group | {"arrivals": {"kind": "poisson", "rate": f"{rate!r}/s"}}
        for group, rate in zip(block, rates, strict=True)
    ]


# --- figures -----------------------------------------------------------------------------------


def measured_figures(trace: Trace, rows: AgentRows) -> dict[str, float]:
    """Requests of the main agent; pauses as the file tells them."""
    requests = np.bincount(rows.agent[rows.main])
    return match.flat(figures_of_trace(trace)) | session_figures(
        requests[requests > 0], rows.pause_s[rows.main & (rows.before >= 0)]
    )


def drawn_figures(
    block: list[Yaml], sessions: int, block_tokens: int | None, replication: int
) -> dict[str, float]:
    scenario = scenario_of(far_apart(block, sessions), APART_S)
    workload = draw_workload(scenario, match.SEED, replication)
    rows = within(workload, APART_S)
    assert workload.follow_ups is not None
    waits = workload.follow_ups.waits[rows] > 0
    pauses_s = workload.follow_ups.pause_ns[rows][waits] / NS_PER_S
    requests = np.bincount(firsts(workload)[rows])
    return match.flat(figures_of(workload, rows, block_tokens)) | session_figures(
        requests[requests > 0], pauses_s
    )


def firsts(workload: Workload) -> Ints:
    """Per row the first request of its session: whom others wait for stands before them."""
    graph = workload.follow_ups
    assert graph is not None
    first = np.arange(len(workload))
    for parent, child in zip(graph.parents.tolist(), graph.rows.tolist(), strict=True):
        first[child] = first[parent]
    return first


def session_figures(requests: Ints, pauses_s: Floats) -> dict[str, float]:
    known = pauses_s[np.isfinite(pauses_s)]
    return {
        "session_requests_p50": float(np.quantile(requests, 0.5)),
        "session_requests_p90": float(np.quantile(requests, 0.9)),
        "pause_s_p50": float(np.quantile(known, 0.5)) if known.size else np.nan,
        "pause_s_p90": float(np.quantile(known, 0.9)) if known.size else np.nan,
    }


def notes_of(groups: list[AgentGroup]) -> list[str]:
    notes = [
        "arrivals: each session of the file has a clock of its own, so that it does not tell when "
        f"sessions begin: `rate: {RATE_OPEN}` (of all groups together) stands in for yours"
    ]
    if groups[0].prefix_tokens:
        notes.append(
            f"prefixes: what contexts keep when they are compacted, {groups[0].prefix_tokens:,} "
            "tokens in the median; that sessions share it is assumed"
        )
    for group in groups:
        limit = group.sessions.get("compaction")
        rest = (
            "; never compacted"
            if limit is None
            else (
                f"; prompts that would grow beyond {limit['above']:,} tokens are compacted to "
                f"{limit['to']:,} and the prefix"
            )
        )
        what = f"{group.share:.0%} of sessions, {group.mean_turns:.0f} requests each"
        notes.append(f"{group.name}: {what}{rest}")
    return notes
