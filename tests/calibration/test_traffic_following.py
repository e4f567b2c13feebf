"""Sessions inferred from what prompts repeat, on hand-made hash ids of blocks of 100 tokens."""

import numpy as np
import pytest

from calibration.traffic.following import (
    NOBODY,
    common_prefix_tokens,
    following,
    infer_following,
)
from calibration.traffic.turns import chances, follow_ups, mean_turns, turns_of
from simulator.traffic.formats.rows import joined_chains
from simulator.traffic.prefixes import Chains
from simulator.traffic.recordings.recorded_chains import numbered

BLOCK = 100


def chains_of(*prompts):
    """Chains of (tokens, ids of blocks)."""
    parts = [
        Chains(
            np.array([0, len(ids)]),
            np.array(ids, dtype=np.int64),
            np.minimum((np.arange(len(ids)) + 1) * BLOCK, tokens),
        )
        for tokens, ids in prompts
    ]
    tokens = np.array([tokens for tokens, _ in prompts])
    return numbered(joined_chains(parts), BLOCK), tokens


def test_who_repeats_nearly_all_of_a_prompt_follows_it():
    chains, tokens = chains_of(
        (350, [1, 2, 3, 4]),              # begins a session
        (250, [1, 2, 9]),                 # repeats two of four blocks: too little ... see below
        (620, [1, 2, 3, 5, 6, 7, 8]),     # all whole blocks of row 0 and more: follows
        (300, [20, 21, 22]),              # nothing in common
        (900, [1, 2, 3, 5, 6, 7, 30, 31, 32]),  # follows row 2
    )  # fmt: skip
    seen = infer_following(chains, tokens, BLOCK, common_tokens=0)
    # Row 1 misses a block and a half of row 0: no more than two, so it follows.
    assert seen.parent.tolist() == [NOBODY, 0, 0, NOBODY, 2]
    assert seen.hit_tokens.tolist() == [0, 200, 300, 0, 600]
    assert seen.depth.tolist() == [0, 1, 1, 0, 2]
    assert seen.root.tolist() == [0, 0, 0, 3, 0]
    assert seen.followed_by.tolist() == [1, NOBODY, 4, NOBODY, NOBODY]


def test_a_part_of_a_long_prompt_is_no_session():
    long = [*range(1, 41)]
    chains, tokens = chains_of((4000, long), (1000, [*range(1, 10), 99]), (4200, [*long, 50, 51]))
    seen = infer_following(chains, tokens, BLOCK, common_tokens=0)
    assert seen.parent.tolist() == [NOBODY, NOBODY, 0]
    assert seen.hit_tokens.tolist() == [0, 900, 4000]


def test_what_all_prompts_share_makes_no_session():
    """A system prompt of two blocks: short prompts that are little more than it do not follow."""
    chains, tokens = chains_of(
        (250, [1, 2, 3]), (260, [1, 2, 4]), (450, [1, 2, 4, 5, 6]), (280, [1, 2, 7]),
        (255, [1, 2, 8]), (270, [1, 2, 9]),
    )  # fmt: skip
    assert common_prefix_tokens(chains) == 200
    seen = infer_following(chains, tokens, BLOCK, common_tokens=200)
    assert (seen.parent == NOBODY).all()


def test_the_latest_of_several_that_are_repeated_is_followed():
    chains, tokens = chains_of((300, [1, 2, 3]), (300, [1, 2, 3]), (400, [1, 2, 3, 4]))
    seen = infer_following(chains, tokens, BLOCK, common_tokens=0)
    assert seen.parent.tolist() == [NOBODY, 0, 1]


def test_prompts_without_ids_begin_sessions():
    chains, tokens = chains_of((50, []), (300, [1, 2, 3]), (60, []), (400, [1, 2, 3, 4]))
    seen = infer_following(chains, tokens, BLOCK, common_tokens=0)
    assert seen.parent.tolist() == [NOBODY, NOBODY, NOBODY, 1]


# --- how often and how soon ----------------------------------------------------------------------


def test_follow_ups_that_few_were_watched_for_count_for_the_others():
    """Ten requests a second apart; the first is followed after 8 s. Only requests of the first two
    seconds were watched that long: it counts for all of them in proportion."""
    parent = np.full(11, NOBODY)
    parent[10] = 0
    seen = following(parent, np.zeros(11, dtype=int))
    arrival_s = np.array([0.0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 8.0])
    found = follow_ups(seen, arrival_s, 10.0, np.ones(11, dtype=bool))
    watched = np.mean(10.0 - arrival_s >= 8.0)
    assert found.weight.tolist() == [pytest.approx(1 / watched)]


def test_chances_by_turn_and_the_turns_they_make():
    turns = turns_of(np.array([0.5, 0.25, 0.0]))
    assert turns == {"kind": "table", "counts": [1, 2, 3], "weights": [0.5, 0.375, 0.125]}
    assert mean_turns(turns) == 1.625
    assert turns_of(np.array([0.75])) == {"kind": "geometric", "mean": 4.0}


def test_sessions_that_were_under_way_are_not_counted():
    """Sixty sessions of two: those whose first request is not `known` tell nothing."""
    rows = np.arange(120)
    parent = np.where(rows >= 60, rows - 60, NOBODY)
    seen = following(parent, np.zeros(120, dtype=int))
    arrival_s = np.concatenate([np.linspace(0, 50, 60), np.linspace(1, 51, 60)])
    known = arrival_s > 25.0
    found = follow_ups(seen, arrival_s, 1e6, known)
    assert found.parent.size == 30 and np.all(known[found.parent])
    assert chances(seen, found, known)[0] == pytest.approx(0.99)  # all of them, capped
