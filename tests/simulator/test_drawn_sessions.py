"""Drawn sessions: who waits for whom, how prompts grow, and what they share.

First exact cases by hand, then what holds of any session.
"""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scenarios.demand import Traffic
from simulator.streams import stream
from simulator.traffic import NOBODY
from simulator.traffic.sessions.contexts import PROMPT_MAX
from simulator.traffic.sessions.layout import FIRST, GOES_ON, RESULT, SENT, TURN, lay_out
from simulator.traffic.sessions.session_rows import copied, together
from simulator.traffic.sessions.whole import draw_sessions
from tests.oracles.graphs import assert_sound_graph, edges, segments

FALSE_ALARM = 1e-4


def constant(number):
    return {"kind": "constant", "count": number}


def tokens(number):
    return {"kind": "constant", "tokens": number}


def time(text):
    return {"kind": "constant", "time": text}


CHAT = {"kind": "drawn", "turns": constant(3), "follow_up_tokens": tokens(10), "think": time("2s")}
TOOLS = {"calls": constant(2), "result_tokens": tokens(30), "time": time("500ms")}
AGENTS = {
    "share": 1.0, "number": constant(2), "requests": constant(3), "input_tokens": tokens(40),
    "follow_up_tokens": tokens(7), "time": time("100ms"), "report_tokens": tokens(11),
}  # fmt: skip


def group(sessions=CHAT, **parts):
    return Traffic.model_validate(
        {
            "name": "all",
            "arrivals": {"kind": "poisson", "rate": "1/s"},
            "input_tokens": tokens(100),
            "output_tokens": tokens(5),
            "prefixes": [{"tokens": 50}],
            "sessions": sessions,
        }
        | parts
    )


def rng_of(*purpose):
    return stream(17, "sessions", *purpose)


def drawn(traffic, size=1, replication=0):
    return draw_sessions(traffic, size, lambda *purpose: rng_of(replication, *purpose))


def chains(sessions):
    """Per row its (key, end) pairs."""
    return segments(sessions.chains(np.arange(sessions.input_tokens.size)))


# --- by hand ------------------------------------------------------------------------------------


def test_each_turn_repeats_all_before_it_and_adds_its_own():
    """50 + 100 tokens, then the answer of 5 and 10 new ones each time."""
    session = drawn(group())
    assert session.first.tolist() == [0, 3]
    assert session.input_tokens.tolist() == [150, 165, 180]
    assert session.output_tokens.tolist() == [5, 5, 5]
    assert edges(session.follow_ups) == [(0, 1), (1, 2)]
    assert session.follow_ups.pause_ns.tolist() == [0, 2_000_000_000, 2_000_000_000]
    assert session.follow_ups.otherwise.tolist() == [NOBODY] * 3


def test_a_context_is_one_segment_whose_end_grows():
    """Up to the end of the answer: the next prompt repeats it."""
    one, two, three = chains(drawn(group()))
    assert [end for _, end in one] == [50, 155]
    assert [end for _, end in two] == [50, 170]
    assert [end for _, end in three] == [50, 185]
    assert {tuple(key for key, _ in row) for row in (one, two, three)} == {(one[0][0], one[1][0])}


def test_sessions_share_the_prefixes_and_nothing_else():
    rows = chains(drawn(group(), size=2))
    assert len({row[0] for row in rows}) == 1
    assert len({row[1][0] for row in rows}) == 2


def test_tool_results_come_back_within_a_turn():
    session = drawn(group(CHAT | {"turns": constant(2), "tools": TOOLS}))
    kinds = lay_out(group(CHAT | {"turns": constant(2), "tools": TOOLS}).sessions, 1, rng_of).kind
    assert kinds.tolist() == [FIRST, RESULT, RESULT, TURN, RESULT, RESULT]
    assert session.input_tokens.tolist() == [150, 185, 220, 235, 270, 305]
    assert (session.follow_ups.pause_ns[1:] / 1e9).tolist() == [0.5, 0.5, 2.0, 0.5, 0.5]
    assert edges(session.follow_ups) == [(i, i + 1) for i in range(5)]


def test_sub_agents_fork_and_join():
    """Two turns; behind the first one two sub-agents of three requests each, in their own contexts
    behind the same prefix. The second turn has their reports in its prompt."""
    session = drawn(group(CHAT | {"turns": constant(2), "agents": AGENTS}))
    assert session.input_tokens.tolist() == [
        150, 90, 102, 114, 90, 102, 114, 150 + 5 + 10 + 2 * 11,
    ]  # fmt: skip
    assert edges(session.follow_ups) == [
        (0, 1), (0, 4), (1, 2), (2, 3), (3, 7), (4, 5), (5, 6), (6, 7),
    ]  # fmt: skip
    assert session.follow_ups.waits.tolist() == [0, 1, 1, 1, 1, 1, 1, 2]
    assert (session.follow_ups.pause_ns / 1e9).tolist() == [0.0, *[0.1] * 6, 2.0]
    rows = chains(session)
    assert [row[1][0] for row in rows] == [rows[i][1][0] for i in (0, 1, 1, 1, 4, 4, 4, 0)]
    assert len({rows[i][1][0] for i in (0, 1, 4)}) == 3
    assert [row[1][1] for row in rows] == (session.input_tokens + 5).tolist()
    assert len({row[0] for row in rows}) == 1


def test_the_last_request_of_a_session_sends_nobody_off():
    kinds = lay_out(group(CHAT | {"tools": TOOLS, "agents": AGENTS}).sessions, 3, rng_of).kind
    main = np.isin(kinds, (FIRST, TURN, RESULT)).sum()
    assert main == 3 * 3 * 3
    assert (kinds == SENT).sum() == 2 * (main - 3)
    assert (kinds == GOES_ON).sum() == 2 * 2 * (main - 3)


def test_a_share_without_agents_and_an_agent_without_requests():
    """A count of 0 at once sends nobody off; 0 requests count as 1."""
    nobody = CHAT | {"turns": constant(2), "agents": AGENTS | {"number": constant(0)}}
    assert drawn(group(nobody)).input_tokens.tolist() == [150, 165]
    short = CHAT | {"turns": constant(2), "agents": AGENTS | {"requests": constant(0)}}
    assert drawn(group(short)).input_tokens.tolist() == [150, 90, 90, 187]
    assert drawn(group(CHAT | {"turns": constant(0)})).input_tokens.tolist() == [150]


def test_compaction_begins_anew_behind_the_prefixes():
    """150, 165; 180 would be above 170, so 50 + 20 + 10; then it grows again."""
    wanted = CHAT | {"turns": constant(5), "compaction": {"above": 170, "to": 20}}
    session = drawn(group(wanted))
    assert session.input_tokens.tolist() == [150, 165, 80, 95, 110]
    keys = [row[1][0] for row in chains(session)]
    assert keys[0] == keys[1] != keys[2] == keys[3] == keys[4]
    assert [row[1][1] for row in chains(session)] == [155, 170, 85, 100, 115]
    # Exactly `above` is not above it.
    assert drawn(group(wanted | {"compaction": {"above": 180, "to": 20}})).input_tokens[2] == 180


def test_a_first_prompt_is_never_compacted():
    wanted = CHAT | {"compaction": {"above": 120, "to": 20}}
    assert drawn(group(wanted)).input_tokens.tolist() == [150, 80, 95]


def test_reasoning_is_generated_and_not_repeated():
    """The next prompt has the answer without it, whose KV is another there: only the prompt is
    shared."""
    session = drawn(group(reasoning_tokens=tokens(1000)))
    assert session.input_tokens.tolist() == [150, 165, 180]
    assert session.output_tokens.tolist() == [1005] * 3
    assert [row[1][1] for row in chains(session)] == [150, 165, 180]


def test_prompts_beyond_any_model_stay_within_32_bits():
    wanted = CHAT | {"turns": constant(9), "follow_up_tokens": tokens(1 << 28)}
    session = drawn(group(wanted))
    assert session.input_tokens.max() == PROMPT_MAX
    assert (session.input_tokens + session.output_tokens).max() < 2**31
    assert np.all(np.diff(session.input_tokens) >= 0)


def test_no_sessions_at_all():
    sessions = drawn(group(CHAT | {"tools": TOOLS, "agents": AGENTS}), size=0)
    assert len(sessions) == sessions.input_tokens.size == 0
    assert chains(sessions) == []


def test_lengths_of_a_file_go_together_in_first_requests(tmp_path):
    """Rows of a file: prompt i and answer 1000 + i. Later answers are any of the file."""
    path = tmp_path / "pairs.csv"
    text = "".join(f"2024-01-01 00:00:{i:02},{i + 1},{1001 + i}\n" for i in range(50))
    path.write_text("TIMESTAMP,ContextTokens,GeneratedTokens\n" + text)
    lengths = {"kind": "file", "file": str(path)}
    sessions = drawn(group(prefixes=[], input_tokens=lengths, output_tokens=lengths), size=200)
    opening = sessions.first[:-1]
    assert np.all(sessions.output_tokens[opening] - sessions.input_tokens[opening] == 1000)
    assert len(set(sessions.input_tokens[opening].tolist())) > 30
    later = np.delete(sessions.output_tokens, opening)
    assert np.all((later > 1000) & (later <= 1050))
    assert (later == np.repeat(sessions.output_tokens[opening], 2)).sum() < 40


# --- as arrays ----------------------------------------------------------------------------------


def test_copies_are_sessions_of_their_own():
    """The same requests and links, prefixes shared as before, and nothing else in common."""
    sessions = drawn(group(CHAT | {"turns": constant(2), "agents": AGENTS}), size=3)
    twice = copied(sessions, np.array([2, 0, 2]))
    assert len(twice) == 3
    assert_sound_graph(twice.follow_ups)
    for part in range(3):
        rows = slice(8 * part, 8 * part + 8)
        assert twice.input_tokens[rows].tolist() == sessions.input_tokens[:8].tolist()
        links = [(a - 8 * part, b - 8 * part) for a, b in edges(twice.follow_ups)
                 if 8 * part <= a < 8 * part + 8]  # fmt: skip
        assert links == edges(sessions.follow_ups)[:8]
    rows = chains(twice)
    assert len({row[0] for row in rows}) == 1
    assert len({row[1][0] for row in rows}) == 9


def test_blocks_of_sessions_together_are_all_of_them():
    blocks = [drawn(group(), size, replication=size) for size in (2, 1)]
    both = together(blocks)
    assert_sound_graph(both.follow_ups)
    assert both.first.tolist() == [0, 3, 6, 9]
    assert len({row[1][0] for row in chains(both)}) == 3
    assert np.array_equal(both.input_tokens[6:], blocks[1].input_tokens)


# --- of any session -----------------------------------------------------------------------------

counts = st.one_of(
    st.builds(constant, st.integers(0, 4)),
    st.builds(lambda mean: {"kind": "geometric", "mean": mean, "least": 0}, st.floats(0.1, 4.0)),
)
lengths = st.one_of(
    st.builds(tokens, st.integers(1, 50)),
    st.builds(lambda a: {"kind": "table", "tokens": a}, st.lists(st.integers(1, 50), min_size=1)),
)
times = st.one_of(
    st.builds(lambda ms: time(f"{ms}ms"), st.integers(0, 5000)),
    st.just({"kind": "exponential", "mean": "3s"}),
)
drawn_sessions = st.fixed_dictionaries(
    {"kind": st.just("drawn"), "turns": counts, "follow_up_tokens": lengths, "think": times},
    optional={
        "tools": st.fixed_dictionaries({"calls": counts, "result_tokens": lengths, "time": times}),
        "agents": st.fixed_dictionaries(
            {"share": st.floats(0.05, 1.0), "number": counts, "requests": counts,
             "input_tokens": lengths, "follow_up_tokens": lengths, "time": times,
             "report_tokens": lengths}),
        "compaction": st.builds(
            lambda above, to: {"above": above + to, "to": to},
            st.integers(1, 300), st.integers(1, 50)),
    },
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(
    wanted=drawn_sessions,
    size=st.integers(0, 6),
    prefixes=st.lists(st.sampled_from([{"tokens": 50}, {"tokens": 9, "variants": 3}]), max_size=2),
    reasons=st.booleans(),
)
def test_any_session_is_sound(wanted, size, prefixes, reasons):
    """Its first request alone waits for nobody; others stand behind those they wait for. A prompt
    repeats the one before it of its context and that one's answer; equal keys mean so."""
    parts = {"reasoning_tokens": tokens(3)} if reasons else {}
    traffic = group(wanted, prefixes=prefixes, **parts)
    sessions = drawn(traffic, size)
    layout = lay_out(traffic.sessions, size, lambda *purpose: rng_of(0, *purpose))
    assert_sound_graph(sessions.follow_ups)
    assert np.array_equal(np.flatnonzero(~sessions.follow_ups.emerges), sessions.first[:-1])
    session = sessions.session
    assert np.array_equal(session[sessions.follow_ups.parents], session[sessions.follow_ups.rows])
    answers = sessions.output_tokens - 3 * reasons
    prefixed = sum(prefix["tokens"] for prefix in prefixes)
    rows = chains(sessions)
    above = wanted.get("compaction", {}).get("above", np.inf)
    latest = {}
    for row, chain in enumerate(rows):
        prompt, before = sessions.input_tokens[row], layout.before[row]
        key, end = chain[-1]
        assert len(chain) == len(prefixes) + 1
        assert end == prompt + (0 if reasons else answers[row])
        if before != NOBODY and rows[before][-1][0] == key:
            assert prompt > sessions.input_tokens[before] + answers[before]
            assert end > rows[before][-1][1]
            assert prompt <= above
            assert chain[:-1] == rows[before][:-1]
        else:
            assert key not in latest
            assert prompt > prefixed
        latest[key] = row
        if before != NOBODY:
            assert session[before] == session[row]
    ends_without = np.flatnonzero(np.diff(sessions.follow_ups.first) == 0)
    assert np.array_equal(session[ends_without], np.arange(size))  # one request ends a session


def test_numbers_of_turns_calls_and_agents_are_as_asked_for():
    """Means against exact ones: 4 turns, 1 + 3 requests each; 10 % of those that are followed by
    another send off 2 on average, each with 5 requests."""
    wanted = CHAT | {
        "turns": {"kind": "geometric", "mean": 4.0},
        "tools": TOOLS | {"calls": {"kind": "geometric", "mean": 3.0, "least": 0}},
        "agents": AGENTS
        | {
            "share": 0.1,
            "number": {"kind": "geometric", "mean": 2.0},
            "requests": {"kind": "geometric", "mean": 5.0},
        },
    }
    kinds = lay_out(group(wanted).sessions, 20_000, rng_of)
    per_session = {
        kind: np.add.reduceat((kinds.kind == kind).astype(float), kinds.first[:-1])
        for kind in (TURN, RESULT, SENT, GOES_ON)
    }
    exact = {TURN: 3.0, RESULT: 12.0, SENT: 15 * 0.1 * 2, GOES_ON: 15 * 0.1 * 2 * 4}
    for kind, mean in exact.items():
        sample = per_session[kind]
        low, high = stats.t.interval(
            1 - FALSE_ALARM / 4, sample.size - 1, sample.mean(), stats.sem(sample)
        )
        assert low <= mean <= high


def test_a_session_draws_one_variant_of_each_prefix():
    sessions = drawn(group(prefixes=[{"tokens": 50}, {"tokens": 10, "variants": 8}]), size=400)
    variants = np.array([row[1][0] for row in chains(sessions)]).reshape(400, 3)
    assert np.all(variants == variants[:, :1])
    counted = np.unique(variants[:, 0], return_counts=True)[1]
    assert counted.size == 8
    assert stats.chisquare(counted).pvalue > FALSE_ALARM


@pytest.mark.parametrize("key", ["think", "follow_up_tokens", "turns"])
def test_another_part_leaves_the_draws_of_the_first_requests_as_they_were(key):
    other = {"think": time("9s"), "follow_up_tokens": tokens(99), "turns": constant(4)}
    lengths = {"kind": "lognormal", "median": 200, "p95": 900}
    one, two = (
        drawn(group(wanted, input_tokens=lengths), size=30)
        for wanted in (CHAT, CHAT | {key: other[key]})
    )
    assert np.array_equal(one.input_tokens[one.first[:-1]], two.input_tokens[two.first[:-1]])
