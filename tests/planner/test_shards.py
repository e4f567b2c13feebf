"""Shares of a plan: every period has one owner, and guesses are what was seen."""

import pytest

from planner.search import SCREENING
from planner.shards import Seen, Shard, Share
from simulator.monte_carlo import Trial
from tests.oracles.small import small_scenario


@pytest.mark.parametrize("of", [1, 2, 3, 8])
def test_every_period_has_one_owner_and_owners_have_as_many(of):
    scenario = small_scenario()
    shards = [Shard(number, of) for number in range(1, of + 1)]
    owners = [[s.number for s in shards if s.owns(scenario, index)] for index in range(4 * of)]
    assert all(len(each) == 1 for each in owners)
    assert [owners.count([shard.number]) for shard in shards] == [4] * of


def test_of_few_periods_the_first_owner_is_another_for_another_scenario():
    scenarios = [small_scenario(seed=seed) for seed in range(30)]
    firsts = [[Shard(n, 8).owns(scenario, 0) for n in range(1, 9)].index(True)
              for scenario in scenarios]  # fmt: skip
    assert len(set(firsts)) > 4


def seen(kept, failed):
    fleet = Seen()
    for index in range(kept + failed):
        fleet.learn(Trial(2, index), {"kept": index >= failed, "stopped_early": False})
    return fleet


@pytest.mark.parametrize("kept, failed, share", [(1000, 0, 0.0), (800, 200, 0.2), (0, 1000, 1.0)])
def test_others_fail_about_as_often_as_what_was_seen(kept, failed, share):
    fleet = seen(kept, failed)
    assert [fleet.guess() for _ in range(200)].count(False) == pytest.approx(200 * share, abs=2)


def test_of_a_fleet_that_nobody_saw_a_first_failure_is_a_while_away():
    fleet = Seen()
    assert [fleet.guess() for _ in range(21)].index(False) == 19


class Fake:
    """Runs of which the store has those below ten."""

    def __init__(self):
        self.simulated = []

    def known(self, trial):
        return {"kept": False} if trial.replication < 10 else None

    def __call__(self, trial, coming):
        self.simulated.append((trial.replication, coming))
        return {"kept": False, "stopped_early": True, "ttft": 1.0}


def test_a_shard_simulates_its_own_and_what_screens():
    runs, scenario = Fake(), small_scenario()
    share = Share(Shard(1, 4), lambda scenario: runs)
    first = next(index for index in range(4) if share.shard.owns(scenario, index))
    share(scenario, Trial(2, SCREENING))
    asked = [share(scenario, Trial(2, index)) for index in range(24)]
    own = list(range(first, 24, 4))
    ends = {index: 20 if index < 20 else SCREENING for index in own}
    assert [each for each in runs.simulated if each[0] in own] == [
        (index, range(index, ends[index], 4)) for index in own
    ]
    assert runs.simulated[0] == (SCREENING, None)
    assert {index for index, _ in runs.simulated} == {SCREENING, *own, *range(10)}
    assert len(share.own) == 6 and len(share.screened) == 1
    assert len(share.theirs) == len([index for index in range(10) if index not in own])
    assert len(share.guessed) == 24 - len(share.own) - len(share.theirs)
    assert all(row["ttft"] == 1.0 for row in asked), "guesses look like what was seen"
    assert [share(scenario, Trial(2, index))["kept"] for index in range(24)] == [
        row["kept"] for row in asked
    ], "and stay"
