"""What prompts share: chains against their definition, popularity against Zipf's law, traces
against their `hash_ids`."""

import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from scenarios.demand import Prefix
from simulator.streams import stream
from simulator.traffic import Chains, TraceError, draw_workload
from simulator.traffic import prefixes as prefixes_module
from simulator.traffic.prefixes import (
    behind,
    draw_chains,
    draw_variants,
    first_of,
    merged,
    positions,
    take,
)
from simulator.traffic.recordings.traces import read_trace
from tests.oracles.small import small_scenario

FALSE_ALARM = 1e-4
CHAT = {
    "name": "chat",
    "arrivals": {"kind": "poisson", "rate": "5/s"},
    "input_tokens": {"kind": "lognormal", "median": 200, "p95": 900},
    "output_tokens": {"kind": "lognormal", "median": 40, "p95": 200},
}
SYSTEM = {"tokens": 800}
DOCUMENT = {"tokens": 3000, "variants": 4, "zipf": 1.0}


def workload_of(*groups, replication=0, horizon="60s"):
    scenario = small_scenario(traffic=list(groups), horizon=horizon, preroll="5s", drain="10s")
    return draw_workload(scenario, 7, replication)


def segments(chains):
    """Per row its (key, end) pairs."""
    bounds = zip(chains.first[:-1].tolist(), chains.first[1:].tolist(), strict=True)
    pairs = list(zip(chains.keys.tolist(), chains.ends.tolist(), strict=True))
    return [pairs[begin:end] for begin, end in bounds]


def chains_of(rows):
    """Chains of explicit (key, end) pairs per row."""
    pairs = np.array([pair for row in rows for pair in row], dtype=np.int64).reshape(-1, 2)
    return Chains(first_of(np.array([len(row) for row in rows])), pairs[:, 0], pairs[:, 1])


def assert_sound(workload):
    """What the prefix cache relies on (simulator/traffic/prefixes.py, Chains)."""
    chains = workload.chains
    assert chains.first.dtype == chains.keys.dtype == chains.ends.dtype == np.int64
    assert (chains.first[0], chains.first[-1]) == (0, chains.keys.size)
    assert chains.ends.size == chains.keys.size
    assert len(chains) == len(workload)
    assert np.all(np.diff(chains.first) >= 0)
    assert np.all(chains.keys >= 0)
    before: dict[int, tuple[tuple[int, ...], int]] = {}
    tokens = workload.input_tokens + workload.output_tokens
    for row, most in zip(segments(chains), tokens.tolist(), strict=True):
        ends = [0, *(end for _, end in row), most + 1]
        assert ends == sorted(set(ends))
        parents = ()
        for key, end in row:
            assert before.setdefault(key, (parents, end)) == (parents, end)
            parents = (*parents, key)


# --- prefixes of a scenario ---------------------------------------------------------------------


def test_prefixes_stand_in_front_of_the_prompt_and_change_nothing_else():
    plain, longer = workload_of(CHAT), workload_of(CHAT | {"prefixes": [SYSTEM, DOCUMENT]})
    assert plain.chains is None
    assert np.array_equal(longer.input_tokens, plain.input_tokens + 3800)
    for column in ("arrival_ns", "output_tokens", "group"):
        assert np.array_equal(getattr(longer, column), getattr(plain, column))
    assert_sound(longer)
    rows = segments(longer.chains)
    assert {end for row in rows for _, end in row} == {800, 3800}
    assert len({row[0] for row in rows}) == 1
    assert len({row[1] for row in rows}) == 4


def test_a_variant_after_another_parent_is_another_chain():
    group = CHAT | {"prefixes": [{"tokens": 5, "variants": 3}, {"tokens": 5, "variants": 3}]}
    workload = workload_of(group, horizon="5min")
    assert_sound(workload)
    rows = segments(workload.chains)
    assert len({row[0] for row in rows}) == 3
    assert len({row[1] for row in rows}) == 9


def test_groups_share_no_keys():
    twin = CHAT | {"prefixes": [SYSTEM, DOCUMENT]}
    workload = workload_of(twin, CHAT | {"name": "plain"}, twin | {"name": "twin"})
    assert_sound(workload)
    rows = segments(workload.chains)
    keys = [
        {
            key
            for row, group in zip(rows, workload.group, strict=True)
            if group == i
            for key, _ in row
        }
        for i in range(3)
    ]
    assert not keys[0] & keys[2]
    assert not keys[1]
    assert np.all((workload.chains.counts > 0) == (workload.group != 1))


def test_another_group_leaves_the_chains_of_the_first_as_they_were():
    group = CHAT | {"prefixes": [SYSTEM, DOCUMENT]}
    alone, both = workload_of(group), workload_of(group, CHAT | {"name": "plain"})
    mine = np.flatnonzero(both.group == 0)
    assert segments(take(both.chains, mine)) == segments(alone.chains)


def test_another_level_leaves_the_draws_of_the_first_as_they_were():
    one = workload_of(CHAT | {"prefixes": [DOCUMENT]})
    two = workload_of(CHAT | {"prefixes": [DOCUMENT, DOCUMENT]})
    assert [row[0] for row in segments(two.chains)] == [row[0] for row in segments(one.chains)]


def test_replications_draw_their_own_variants():
    group = CHAT | {"prefixes": [DOCUMENT]}
    first, second = (segments(workload_of(group, replication=i).chains) for i in range(2))
    assert first[:50] != second[:50]
    assert first == segments(workload_of(group).chains)


@pytest.mark.parametrize("zipf", [0.0, 0.7, 1.0, 2.5])
def test_variants_follow_zipfs_law(zipf):
    """Chi-square over 20 variants, the rare ones of a steep law as one."""
    prefix = Prefix(tokens=1, variants=20, zipf=zipf)
    drawn = draw_variants(prefix, 50_000, stream(15, "variants"))
    weights = np.array([1 / k**zipf for k in range(1, 21)])
    expected = 50_000 * weights / weights.sum()
    counted = np.bincount(drawn, minlength=20)
    often = expected >= 20
    if not often.all():
        counted = [*counted[often], counted[~often].sum()]
        expected = [*expected[often], expected[~often].sum()]
    assert stats.chisquare(counted, expected).pvalue > FALSE_ALARM


levels = st.builds(
    lambda tokens, variants, zipf: {"tokens": tokens, "variants": variants, "zipf": zipf},
    st.integers(1, 2000),
    st.integers(1, 6),
    st.sampled_from([0.0, 1.0, 20.0]),
)


@settings(max_examples=40, deadline=None)
@given(
    shared=st.lists(st.lists(levels, max_size=3), min_size=1, max_size=3),
    trace=st.booleans(),
    scale=st.sampled_from([0.4, 1.0, 2.5]),
)
def test_chains_of_any_workload_are_sound(tmp_path_factory, shared, trace, scale):
    """Increasing ends inside the request, and equal keys only after equal keys at equal ends."""
    groups = [CHAT | {"name": f"g{i}", "prefixes": part} for i, part in enumerate(shared)]
    if trace:
        path = tmp_path_factory.getbasetemp() / "shared.jsonl"
        if not path.exists():
            path.write_text(conversation_trace())
        groups[0] |= recorded(path, rate_scale=scale)
    workload = workload_of(*groups, horizon="20s")
    if trace or any(shared):
        assert_sound(workload)
    else:
        assert workload.chains is None


# --- chains as arrays ---------------------------------------------------------------------------

rows_of_chains = st.lists(st.integers(0, 3), min_size=1, max_size=8).map(
    lambda counts: [[(10 * i + j, j + 1) for j in range(n)] for i, n in enumerate(counts)]
)


@given(rows=rows_of_chains, data=st.data())
def test_taken_rows_are_the_rows_themselves(rows, data):
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=9))
    taken = take(chains_of(rows), np.array(chosen, dtype=np.int64))
    assert segments(taken) == [rows[i] for i in chosen]


@given(rows=rows_of_chains)
def test_behind_puts_row_behind_row(rows):
    back = rows[::-1]
    both = segments(behind(chains_of(rows), chains_of(back)))
    assert both == [one + other for one, other in zip(rows, back, strict=True)]


@given(first=rows_of_chains, second=rows_of_chains, data=st.data())
def test_merged_groups_keep_their_rows_and_no_key_in_common(first, second, data):
    order = data.draw(st.permutations(range(len(first) + len(second))))
    above = chains_of(first).key_count
    moved = [[(key + above, end) for key, end in row] for row in second]
    both = merged([chains_of(first), chains_of(second)], np.array(order))
    assert segments(both) == [[*first, *moved][i] for i in order]


def test_nothing_has_no_positions():
    none = np.empty(0, dtype=np.int64)
    assert positions(none, none).size == 0
    assert take(chains_of([[], []]), np.array([1, 0])).keys.size == 0


def test_keys_stay_whole_numbers_of_64_bits(monkeypatch):
    """Windows times prefixes times blocks beyond 2^62 are numbered anew, with the same meaning."""
    prefixes = [Prefix(tokens=7, variants=3)]
    rows = chains_of([[(i % 4, 5), (4 + i % 8, 9)] for i in range(60)])
    window = np.arange(60) // 20

    def drawn():
        return draw_chains(prefixes, 60, lambda level: stream(16, level), rows, window)

    usual = drawn()
    monkeypatch.setattr(prefixes_module, "KEYS_MAX", 20)
    dense = drawn()
    pairs = set(zip(usual.keys.tolist(), dense.keys.tolist(), strict=True))
    assert len(pairs) == len(set(usual.keys.tolist())) == len(set(dense.keys.tolist()))
    assert np.array_equal(usual.ends, dense.ends)


# --- hash_ids of traces -------------------------------------------------------------------------


def line(at_s, prompt, ids):
    row = {"timestamp": at_s * 1000, "input_length": prompt, "output_length": 5}
    return json.dumps(row | ({} if ids is None else {"hash_ids": ids})) + "\n"


def conversation_trace():
    """100 requests, one a second: ten conversations whose prompts grow by a block and a bit."""
    text, ids, known = "", iter(range(1, 10_000)), {}
    for at_s in range(100):
        turn = at_s // 10
        blocks = [*known.get(at_s % 10, [0]), next(ids)]
        known[at_s % 10] = blocks
        tail = [next(ids)] if turn % 2 else []
        text += line(at_s, 512 * len(blocks) + (100 if tail else 0), blocks + tail)
    return text


def recorded(path, **settings):
    return {
        "arrivals": {"kind": "trace", "file": str(path), "block": "10s", **settings},
        "input_tokens": {"kind": "trace"},
        "output_tokens": {"kind": "trace"},
    }


def test_hash_ids_are_blocks_of_512_tokens(tmp_path):
    """The last segment of a prompt ends with it; a row without ids shares nothing."""
    path = tmp_path / "rows.jsonl"
    path.write_text(
        line(0, 1200, [7, 3, 9]) + line(1, 1024, [7, 3]) + line(2, 3000, [7, 4]) + line(3, 10, None)
    )
    one, two, three, four = segments(read_trace(str(path)).chains)
    assert [end for _, end in one] == [512, 1024, 1200]
    assert two == one[:2]
    assert (three[0], [end for _, end in three]) == (one[0], [512, 1024])
    assert three[1] != one[1]
    assert four == []


def test_a_part_of_a_block_is_another_block(tmp_path):
    """A prompt cut short inside a block does not hold what the whole block holds."""
    path = tmp_path / "rows.jsonl"
    path.write_text(line(0, 1024, [7, 3]) + line(1, 1000, [7, 3]))
    whole, part = segments(read_trace(str(path)).chains)
    assert whole[0] == part[0]
    assert whole[1][0] != part[1][0]


def test_parquet_and_jsonl_say_the_same(tmp_path):
    rows = [(4, 600, [2, 5]), (0, 512, [2]), (2, 9, None), (3, 1500, [2, 6, 8])]
    (tmp_path / "rows.jsonl").write_text("".join(line(*row) for row in rows))
    at_s, prompts, ids = zip(*rows, strict=True)
    pd.DataFrame(
        {"arrival_s": at_s, "input_tokens": prompts, "output_tokens": 5, "hash_ids": ids}
    ).to_parquet(tmp_path / "rows.parquet")
    one, other = (
        read_trace(str(tmp_path / name)).chains for name in ("rows.jsonl", "rows.parquet")
    )
    assert segments(one) == segments(other)
    assert one.counts.tolist() == [1, 0, 3, 2]  # sorted by arrival


def test_a_file_without_hash_ids_shares_nothing(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(line(at_s, 600, None) for at_s in range(5)))
    assert read_trace(str(path)).chains is None


@pytest.mark.parametrize(
    "ids, reason",
    [
        ([1, 2, 3], "more hash_ids than its prompt has blocks"),
        ("12", "hash_ids is no list of whole numbers"),
        ([1.5], "hash_ids is no list of whole numbers"),
        ([[1], [2, 3]], "hash_ids is no list of whole numbers"),
        ([True], "hash_ids is no list of whole numbers"),
        ([1, None], "hash_ids is no list of whole numbers"),
        (3, "hash_ids is no list of whole numbers"),
    ],
)
def test_hash_ids_that_cannot_be_meant_so_are_told_with_their_line(tmp_path, ids, reason):
    path = tmp_path / "rows.jsonl"
    path.write_text(line(0, 1024, [1, 2]) + line(1, 600, ids))
    with pytest.raises(TraceError) as caught:
        read_trace(str(path))
    assert str(caught.value).startswith(f"{path}: 1 of 2 rows")
    assert f"1 row: {reason} (line 2)" in str(caught.value)


@pytest.mark.parametrize("ids", [[5, 2], [1, 1], [2]])
def test_a_block_behind_other_blocks_is_another(tmp_path, ids):
    """Some files number what is in a block, not what is before it; a cache wants both."""
    path = tmp_path / "rows.jsonl"
    path.write_text(line(0, 1024, [1, 2]) + line(1, 1024, ids) + line(2, 1024, [1, 2]))
    one, two, three = segments(read_trace(str(path)).chains)
    assert one == three
    assert [key for key, _ in two][ids[0] == 1 :] == list({key for key, _ in two} - {one[0][0]})
    assert not {key for key, _ in two[1:]} & {key for key, _ in one}


def test_windows_share_inside_and_never_across(tmp_path):
    """Ten windows of 10 s; the block that begins all prompts of the trace is one key in each."""
    path = tmp_path / "rows.jsonl"
    path.write_text(conversation_trace())
    workload = workload_of(CHAT | recorded(path), horizon="85s")
    assert_sound(workload)
    heads = np.array([row[0][0] for row in segments(workload.chains)])
    window = (workload.arrival_ns + 5 * 10**9) // (10 * 10**9)
    assert np.unique(heads).size == np.unique(window).size == 10
    assert np.unique(np.stack([heads, window]), axis=1).shape[1] == 10


def test_windows_laid_over_each_other_do_not_share(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(conversation_trace())
    workload = workload_of(CHAT | recorded(path, block="90s", rate_scale=3), horizon="75s")
    assert_sound(workload)
    heads = [row[0][0] for row in segments(workload.chains)]
    assert len(set(heads)) == 3


def test_prefixes_go_in_front_of_what_was_recorded(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(conversation_trace())
    plain = workload_of(CHAT | recorded(path))
    longer = workload_of(CHAT | recorded(path) | {"prefixes": [SYSTEM, DOCUMENT]})
    assert_sound(longer)
    assert np.array_equal(longer.input_tokens, plain.input_tokens + 3800)
    for before, after in zip(segments(plain.chains), segments(longer.chains), strict=True):
        assert [end for _, end in after] == [800, 3800, *(3800 + end for _, end in before)]
    # Equal recorded blocks behind different documents are different.
    pairs = {(after[1][0], after[2][0]) for after in segments(longer.chains)}
    assert len({recorded for _, recorded in pairs}) == len(pairs)


def test_hash_ids_are_of_the_recorded_prompt_and_of_no_other(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_text(conversation_trace())
    group = CHAT | recorded(path) | {"input_tokens": {"kind": "constant", "tokens": 700}}
    assert workload_of(group).chains is None


def test_keys_of_many_groups_stay_whole_numbers():
    """Key spaces of 2**61 each would not add up within 64 bits."""
    groups = [
        Chains(np.array([0, 2, 3]), np.array([0, 1 << 61, 1 << 61]), np.array([5, 9, 9]))
        for _ in range(4)
    ]
    together = merged(groups, np.arange(8))
    assert together.keys.min() >= 0
    shared = [set(together.keys[at : at + 3].tolist()) for at in range(0, 12, 3)]
    assert [len(keys) for keys in shared] == [2] * 4
    assert len(set.union(*shared)) == 8
    assert together.ends.tolist() == [5, 9, 9] * 4
