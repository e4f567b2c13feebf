"""Which requests fared worst, on a period small enough to see."""

import numpy as np
import pandas as pd

from planner.worst import Worst, limits_used, worst_requests
from scenarios.objectives import parse_objective
from simulator.run import COMPLETED, REJECTED, UNFINISHED, Run, incident_frame
from tests.made_sets import NO_ACCOUNTS

TTFT_S = np.array([0.1, 0.4, 0.2, 0.3, 0.1])
FINISH_S = np.array([2.0, 2.0, 9.0, 4.0, np.nan])
OUTCOME = np.array([COMPLETED, COMPLETED, COMPLETED, REJECTED, UNFINISHED])


def period() -> Run:
    """Five requests that arrive together; two of them never complete."""
    n = TTFT_S.size
    whole = {
        name: np.zeros(n, dtype=int)
        for name in ("replica", "preemptions", "retries", "cached_tokens")
    }
    return Run(
        arrival_s=np.zeros(n), input_tokens=np.full(n, 100), output_tokens=np.full(n, 11),
        group=np.array([0, 0, 1, 1, 0]), first_token_s=TTFT_S, finish_s=FINISH_S,
        outcome=OUTCOME, fault=np.full(n, -1), faults=(), horizon_s=60.0,
        itl_histogram=np.zeros(1, dtype=int), timeline=pd.DataFrame(),
        incidents=incident_frame(), accounts=NO_ACCOUNTS, steps=0, prefill_tokens=0,
        busy_share=0.0, stopped_early=False, **whole,
    )  # fmt: skip


def objectives(*texts: str):
    return [parse_objective(text) for text in texts]


def test_by_the_tightest_limit_and_of_those_that_never_complete_the_longest_first():
    ttft, e2e = asked = objectives("ttft p95 <= 200ms", "e2e mean <= 10s", "goodput >= 90%")[:2]
    assert worst_requests(period(), asked) == [
        Worst(4, np.inf, ttft.text),  # had not ended
        Worst(3, np.inf, ttft.text),
        Worst(1, 2.0, ttft.text),
        Worst(2, 1.0, ttft.text),  # 0.9 of E2E
        Worst(0, 0.5, ttft.text),
    ]
    used, tightest = limits_used(period(), [e2e])
    assert used[:3].tolist() == [0.2, 0.2, 0.9] and (tightest == 0).all()


def test_a_limit_of_a_class_is_for_its_groups_alone():
    (own,) = objectives("ttft p95 <= 200ms")
    own = own._replace(groups=frozenset({1}))
    worst = worst_requests(period(), [own], count=3)
    assert [one.request for one in worst] == [3, 2, 4]
    assert (worst[2].used, worst[2].objective) == (None, None)


def test_without_limits_by_e2e():
    worst = worst_requests(period(), objectives("error_rate <= 1%"))
    assert [one.request for one in worst] == [4, 3, 2, 0, 1]
    assert {one.used for one in worst} == {None}


def test_among_some_and_no_more_than_asked_for():
    among = np.array([True, True, True, False, False])
    worst = worst_requests(period(), objectives("ttft p95 <= 200ms"), among, 2)
    assert [one.request for one in worst] == [1, 2]
    assert worst_requests(period(), [], np.zeros(5, dtype=bool)) == []
