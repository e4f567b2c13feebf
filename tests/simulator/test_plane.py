"""The compiled plane's own books on random cases, and that looking at it changes nothing."""

import numpy as np
import pytest

from simulator.kernel.state import NEVER_NS
from simulator.plane import Plane
from simulator.run import COMPLETED, UNFINISHED
from tests.oracles.audit import audit
from tests.oracles.fuzz_cases import random_case

LOOKS = 60


def looked_at(case, planes):
    """A plane whose books are audited again and again while it runs."""

    def make(setup):
        plane = Plane(setup)
        planes.append(plane)
        interval_ns = max((case.end_ns - setup.start_ns) // LOOKS, 1)

        def look():
            while True:
                audit(plane)
                yield plane.env.timeout(interval_ns)

        plane.env.process(look())
        return plane

    return make


@pytest.mark.slow
@pytest.mark.parametrize("caching", [True, False], ids=["caching", "plain"])
@pytest.mark.parametrize("first", range(0, 100, 25))
def test_every_request_has_one_place_and_every_block_one_owner(first, caching):
    """And a look, which brings every replica up to its instant, changes nothing that happens."""
    for seed in range(first, first + 25):
        case, planes = random_case(seed, prefix_caching=caching), []
        outcome = case.play(looked_at(case, planes))
        audit_end(case, outcome)
        assert case.differences(case.play(Plane), outcome) == [], f"seed {seed}"


@pytest.mark.slow
def test_preemption_storms_with_shared_prompts_balance():
    """Cases of few blocks and many sharers, where nodes are evicted, dropped and found again."""
    preempted = cached = 0
    for seed in range(1000, 1060):
        case, planes = (
            random_case(seed, prefix_caching=True, chains="tree", rows=120, replicas=1, pools=1,
                        timeout_steps=None, queue_limit=None, admission_rule=False,
                        allowances=False),
            [],
        )  # fmt: skip
        outcome = case.play(looked_at(case, planes))
        audit_end(case, outcome)
        preempted += int(outcome.preemptions.sum())
        cached += int(outcome.cached_tokens.sum())
    assert preempted > 200
    assert cached > 20_000


def audit_end(case, outcome):
    """What must hold of any outcome."""
    workload, setup = case.setup.workload, case.setup
    ended = outcome.outcome != UNFINISHED
    assert ((outcome.finish_ns == NEVER_NS) == ~ended).all()
    assert (outcome.finish_ns >= outcome.arrival_ns)[ended].all()
    completed = outcome.outcome == COMPLETED
    assert (outcome.first_token_ns <= outcome.finish_ns)[completed].all()
    assert (outcome.first_token_ns > outcome.arrival_ns)[completed].all()
    assert (outcome.replica >= 0)[completed].all()
    assert (outcome.retries <= setup.retries).all()
    assert (outcome.cached_tokens < workload.input_tokens + workload.output_tokens).all()
    assert (outcome.busy_ns <= setup.horizon_ns).all()
    assert (outcome.busy_ns >= 0).all() and outcome.tokens_lost >= 0
    if not outcome.stopped_early:
        samples = setup.horizon_ns // setup.sample_interval_ns + 1
        assert outcome.samples.shape == (samples, 5)
        assert np.all((outcome.samples[:, 4] >= 0) & (outcome.samples[:, 4] <= 1))
