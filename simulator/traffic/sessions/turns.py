"""Drawn sessions: how long their prompts and answers are, and the pauses between them."""

import numpy as np

from scenarios.demand import DrawnSessions, FromTrace, Traffic
from simulator.traffic.drawing import RngOf
from simulator.traffic.follow_ups import linked
from simulator.traffic.lengths.counts import draw_durations
from simulator.traffic.lengths.tokens import draw_lengths, draw_pairs
from simulator.traffic.sessions.contexts import prompts_of
from simulator.traffic.sessions.layout import GOES_ON, RESULT, SENT, TURN, lay_out
from simulator.traffic.sessions.nominal import pauses_ns
from simulator.traffic.sessions.session_rows import SessionRows, draw_front


def draw_turns(traffic: Traffic, wanted: DrawnSessions, size: int, rng_of: RngOf) -> SessionRows:
    """`size` sessions of this group."""
    answers = traffic.output_tokens
    assert not isinstance(answers, FromTrace), "refused beside drawn sessions"
    layout = lay_out(wanted, size, rng_of)
    fresh, answer = np.zeros((2, layout.kind.size), dtype=np.int64)
    pause_s = np.zeros(layout.kind.size)
    opening = layout.first[:-1]
    fresh[opening], answer[opening] = draw_pairs(traffic, size, rng_of)
    parts = [(TURN, wanted.follow_up_tokens, wanted.think, "turns")]
    tools, agents = wanted.tools, wanted.agents
    if tools is not None:
        parts.append((RESULT, tools.result_tokens, tools.time, "tools"))
    if agents is not None:
        parts.append((SENT, agents.input_tokens, agents.time, "sub-agents"))
        parts.append((GOES_ON, agents.follow_up_tokens, agents.time, "sub-agents go on"))
    for kind, lengths, time, name in parts:
        rows = np.flatnonzero(layout.kind == kind)
        fresh[rows] = draw_lengths(lengths, rows.size, rng_of(name, "input_tokens"))
        answer[rows] = draw_lengths(answers, rows.size, rng_of(name, "output_tokens"))
        pause_s[rows] = draw_durations(time, rows.size, rng_of(name, "time"))
    if agents is not None:
        reports, rng = layout.reports_to, rng_of("sub-agents", "report_tokens")
        np.add.at(fresh, reports, draw_lengths(agents.report_tokens, reports.size, rng))
    thought = np.zeros(answer.size, dtype=np.int64)
    if traffic.reasoning_tokens is not None:
        rng = rng_of("reasoning_tokens")
        thought = draw_lengths(traffic.reasoning_tokens, answer.size, rng)
    compaction = wanted.compaction
    contexts = prompts_of(
        layout.before,
        fresh,
        answer,
        repeats_answer=traffic.reasoning_tokens is None,
        prefix_tokens=traffic.prefix_tokens,
        compaction=None if compaction is None else (compaction.above, compaction.to),
    )
    return SessionRows(
        first=layout.first,
        input_tokens=contexts.prompt,
        output_tokens=answer + thought,
        follow_ups=linked(layout.parents, layout.children, pauses_ns(pause_s)),
        front=draw_front(traffic, size, rng_of),
        own=contexts.shared,
        own_row=np.arange(answer.size),
    )
