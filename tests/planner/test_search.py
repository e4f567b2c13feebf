"""The search against fleets whose true P(SLA) is known."""

import numpy as np
import pytest

from planner.search import SCREENING, Promise, search
from simulator.monte_carlo import Trial


class Synthetic:
    """Fleets of known p(c), coupled as real ones: one uniform number per replication decides for
    all sizes, so more replicas never hurt."""

    def __init__(self, seed, p_of, coupled=True):
        self.seed, self.p_of, self.coupled = seed, p_of, coupled
        self.asked: list[Trial] = []

    def kept(self, trial):
        self.asked.append(trial)
        own = () if self.coupled else (trial.replicas,)
        rng = np.random.default_rng((self.seed, trial.replication, *own))
        return bool(rng.random() < self.p_of(trial.replicas))

    def run(self, low, start, high, promise):
        asking = search(low, start, high, promise)
        trial = next(asking)
        while True:
            try:
                trial = asking.send(self.kept(trial))
            except StopIteration as answer:
                return answer.value


P_OF = {1: 0.0, 2: 0.1, 3: 0.5, 4: 0.85, 5: 0.97, 6: 0.995, 7: 0.9999}


def p_of(replicas):
    return P_OF.get(replicas, 0.0 if replicas < 1 else 1.0)


@pytest.mark.parametrize("start", [1, 3, 5, 9, 16])
def test_the_answer_does_not_hang_on_the_first_guess(start):
    world = Synthetic(1, p_of)
    certificate = world.run(1, start, 16, Promise(0.9, 0.95))
    assert (certificate.replicas, certificate.status) == (5, "certified")
    assert certificate.tally(4).status in ("rejected", "undecided")


def test_screening_never_enters_the_certificate():
    world = Synthetic(1, p_of)
    certificate = world.run(1, 4, 16, Promise(0.9, 0.95))
    certifying = [t for t in world.asked if t.replication < SCREENING]
    own = [t for t in certifying if t.replicas == certificate.replicas]
    assert len(own) == certificate.tally(certificate.replicas).runs
    assert len(set(own)) == len(own)


def test_every_run_of_the_certified_fleet_is_its_own():
    for seed in range(30):
        certificate = Synthetic(seed, p_of).run(1, 4, 16, Promise(0.9, 0.95))
        assert certificate.tally(certificate.replicas).inherited == 0


def test_nothing_within_the_bounds_keeps_the_sla():
    certificate = Synthetic(1, lambda c: 0.2).run(1, 2, 6, Promise(0.95, 0.95))
    assert (certificate.replicas, certificate.status) == (None, "infeasible")
    assert certificate.tally(6).status == "rejected"


@pytest.mark.parametrize("coupled", [True, False])
@pytest.mark.slow
def test_a_share_at_the_promise_stays_undecided_rather_than_guessed(coupled):
    """At p = p0 for every size, acceptance is an error: at most alpha of seeds may see one."""
    promise = Promise(0.9, 0.95, coupled)
    wrong = sum(
        Synthetic(seed, lambda c: 0.9, coupled).run(1, 2, 3, promise).status == "certified"
        for seed in range(100)
    )
    # Binomial(100, 0.05) exceeds 15 with probability 4e-5.
    assert wrong <= 15


def test_one_replica_is_enough():
    certificate = Synthetic(3, lambda c: 1.0).run(1, 1, 4, Promise(0.95, 0.95))
    assert certificate.replicas == 1
    # 1 + WINDOW <= 4 fails, so there is one round and it has all of alpha: 72 runs.
    assert certificate.tally(1).runs == 72


@pytest.mark.parametrize("coupled", [True, False])
@pytest.mark.slow
def test_wrong_answers_are_rare(coupled):
    """A fleet with p < p0 is certified in at most alpha of 400 searches. Binomial(400, 0.05)
    exceeds 39 with probability 2e-5. The promise is 0.9: size 4 has 0.85, 5 has 0.97, and within
    the economic 100 runs the answer is 5 or, when 5 fails often by chance, 6."""
    promise = Promise(0.9, 0.95, coupled)
    answers = [
        Synthetic(seed, p_of, coupled).run(1, 4, 16, promise).replicas for seed in range(400)
    ]
    too_small = sum(answer is not None and answer < 5 for answer in answers)
    assert too_small <= 39
    assert np.mean([answer in (5, 6) for answer in answers]) > 0.9


def test_a_larger_fleet_that_breaks_where_a_smaller_one_passed_is_counted():
    """Size 4 breaks on some replications on which 3 passes: the inherited passes are run and the
    failures count before anything is certified."""

    class Contrary(Synthetic):
        def kept(self, trial):
            if trial.replicas == 4 and trial.replication % 10 == 3:
                return False
            return super().kept(trial)

    world = Contrary(2, lambda c: {3: 0.6, 4: 0.99}.get(c, 0.0))
    certificate = world.run(1, 4, 6, Promise(0.7, 0.95))
    assert certificate.tally(4).failed >= certificate.tally(4).runs // 10


def test_what_fails_after_the_boundary_was_crossed_does_not_take_it_back():
    """Size 5 keeps its first 38 periods, which certifies it, and fails four of the next 62, with
    which it would not be certified anew; size 4 stays undecided throughout."""

    class Late(Synthetic):
        def kept(self, trial):
            if trial.replicas == 4 and trial.replication < SCREENING:
                return trial.replication % 10 != 0
            if trial.replicas == 5 and trial.replication in (50, 60, 70, 80):
                return False
            return trial.replicas >= 4

    certificate = Late(0, p_of).run(1, 4, 16, Promise(0.9, 0.95))
    assert (certificate.replicas, certificate.status) == (5, "certified")
    assert certificate.tally(4).status == "undecided"
    assert certificate.tally(5)[1:4] == (100, 4, "certified")
