"""Failures, attempts, gates, circuit breaker and hedging, worked out by hand from
docs/background/serving-engine.md on both planes. Steps take a second."""

from dataclasses import replace

import pytest

from simulator.data_plane import Attempts, Breaker, Gate, Observation, Pool
from simulator.kernel.step_time import StepTime
from simulator.plane import Plane
from simulator.run import COMPLETED, LOST, REJECTED, TIMED_OUT, UNFINISHED
from simulator.traffic import NS_PER_S
from tests.oracles.fuzz_cases import play
from tests.oracles.fuzz_fleet import Action
from tests.oracles.small import limits, seconds, setup
from tests.oracles.twin import Twin
from tests.oracles.twin_engine import Request
from tests.oracles.twin_routing import dice

MS = NS_PER_S // 1000


def at(time_s, name, replica=-1, *given):
    return Action(round(time_s * NS_PER_S), name, replica, given)


def detected(time_s, replica):
    return [at(time_s, "close", replica), at(time_s, "drain", replica)]


def repaired(time_s, replica):
    return [at(time_s, "start", replica), at(time_s, "open", replica)]


def attempts(first_token_s=None, hedge_s=None, wait_s=0.0, most_s=None, **changed):
    """Every failed attempt is made again, as soon as `wait_s` allows."""
    given = {
        "first_token_timeout_ns": first_token_s and round(first_token_s * NS_PER_S),
        "hedge_ns": hedge_s and round(hedge_s * NS_PER_S),
        "on_rejection": True,
        "on_timeout": True,
        "wait_first_ns": round(wait_s * NS_PER_S),
        "wait_most_ns": round((wait_s if most_s is None else most_s) * NS_PER_S),
    }  # fmt: skip
    return Attempts(**(given | changed))


def gated(given, *gates, gate_of=None):
    """A setup whose rows pass these gates, all of them the first one unless told otherwise."""
    rows = len(given.workload)
    return replace(given, gates=gates, gate_of=given.priority * 0 + (gate_of or [0] * rows))


@pytest.fixture(params=[Plane, Twin], ids=["plane", "twin"])
def run(request):
    """Serves a setup under a script on either plane: its outcome, and what was observed."""

    def serve(given, script=()):
        looks: list[Observation] = []
        script = sorted(script, key=lambda action: action.time_ns)
        outcome = play(request.param(given), script, 200 * NS_PER_S, looks)
        return outcome, looks

    return serve


# Failures


def test_clients_hang_up_on_the_dead_to_the_instant(run):
    case = setup([0, 3], output=50, timeout_ns=5 * NS_PER_S)
    script = [at(2.5, "stop", 0, 7), *(at(t, "look") for t in (5, 5.0001, 8, 8.0001))]
    outcome, looks = run(case, script)
    assert outcome.outcome.tolist() == [TIMED_OUT, TIMED_OUT]
    assert seconds(outcome.finish_ns) == [5, 8]
    assert outcome.fault.tolist() == [7, 7]
    # Control comes before the boundaries of an instant.
    assert [look.running.tolist() for look in looks] == [[1], [0], [0], [0]]
    assert [look.waiting.tolist() for look in looks] == [[1], [1], [1], [0]]
    assert [look.kv_used.tolist() for look in looks] == [[0.01], [0], [0], [0]]
    assert outcome.tokens_lost == 0  # nobody was drained


def test_a_deadline_that_passed_in_the_lost_step_is_noticed_at_the_stop(run):
    pools = [Pool(1, limits(), StepTime(10, 0, 0, 0, 0, 0))]
    case = setup([0], timeout_ns=5 * NS_PER_S, pools=pools)
    script = [at(7, "stop", 0, 1), at(7, "look"), at(7.0001, "look")]
    outcome, looks = run(case, script)
    assert [look.running.tolist() for look in looks] == [[1], [0]]
    assert (seconds(outcome.finish_ns), outcome.fault.tolist()) == ([5], [1])


def test_the_first_of_two_faults_counts_until_the_replica_starts(run):
    script = [at(2.5, "stop", 0, 4), at(3, "stop", 0, 5), *detected(4, 0), *repaired(9, 0)]
    outcome, _ = run(setup([0], retries=2), script)
    assert outcome.fault.tolist() == [4]
    again = [*script, at(11.5, "stop", 0, 6), *detected(12, 0), *repaired(13, 0)]
    outcome, _ = run(setup([0], retries=2), again)
    assert (outcome.fault.tolist(), outcome.retries.tolist()) == ([6], [2])
    by_nothing = [*script, at(11.5, "stop", 0), *detected(12, 0), *repaired(13, 0)]
    outcome, _ = run(setup([0, 9], retries=2), by_nothing)
    assert (outcome.fault.tolist(), outcome.retries.tolist()) == ([4, -1], [2, 1])


def test_tokens_are_lost_that_were_computed_and_whose_requests_run(run):
    """Two steps are over at 2.5 s: ten of the prompt, and one. Request 1 waits."""
    script = [at(2.5, "stop", 0), *detected(4, 0)]
    outcome, _ = run(setup([0, 1], limits={"max_num_seqs": 1}), script)
    assert outcome.tokens_lost == 11
    assert outcome.outcome.tolist() == [LOST, LOST]


def test_steps_are_slower_from_the_next_boundary_on(run):
    script = [at(2.5, "slow", 0, 1.5), at(4.5, "slow", 0, 1.0)]
    outcome, _ = run(setup([0], output=6), script)
    # Steps end at 1, 2, 3; the next one at 4.5, where control comes first.
    assert seconds(outcome.finish_ns) == [6.5]
    assert outcome.busy_ns.tolist() == [6.5 * NS_PER_S]


def test_a_restart_leaves_a_replica_slow(run):
    script = [at(0, "slow", 0, 3.0), at(1, "stop", 0), *detected(1, 0), *repaired(2, 0)]
    outcome, _ = run(setup([3], output=1), script)
    assert seconds(outcome.finish_ns) == [6]


def test_busy_time_is_told_replica_by_replica(run):
    outcome, _ = run(setup([0, 0, 0], output=[5, 3, 1], replicas=4))
    assert outcome.busy_ns.tolist() == [5 * NS_PER_S, 3 * NS_PER_S, NS_PER_S, 0]


def test_what_can_be_observed(run):
    """Of four arrivals one never fits; the replica has two seats."""
    case = setup([0, 0, 0, 1], prompt=[10, 20, 10, 9999], limits={"max_num_seqs": 2})
    script = [at(t, "look") for t in (0, 1, 2.5, 6)]
    script += [at(3, "stop", 0), *detected(3, 0), at(7, "look")]
    outcome, (before, first, running, drained, last) = run(replace(case, retries=1), script)
    assert (before.arrivals, first.arrivals, running.arrivals) == (0, 3, 4)
    assert (first.first_tokens, running.first_tokens) == (0, 2)
    assert running.ttft_ns == 2 * NS_PER_S
    assert (running.waiting.tolist(), running.running.tolist()) == ([1], [2])
    assert running.kv_used.tolist() == [0.03]
    assert (drained.stranded, drained.waiting.tolist(), drained.kv_used.tolist()) == (3, [0], [0])
    assert (last.first_tokens, last.ttft_ns) == (2, 2 * NS_PER_S)
    assert outcome.outcome.tolist() == [UNFINISHED] * 3 + [REJECTED]


# Attempts


def once_in(interval_s, burst=1):
    """A gate that lets one in, and the next one after so long."""
    return Gate(interval_ns=round(interval_s * NS_PER_S), burst=burst)


def test_waits_double_up_to_the_longest(run):
    """Rejected at 1 s, and again at 1 + 2, 3 + 4 and 7 + 6."""
    case = setup([0, 1], retries=3, attempts=attempts(wait_s=2, most_s=6))
    outcome, _ = run(gated(case, once_in(100)))
    assert outcome.outcome.tolist() == [COMPLETED, REJECTED]
    assert outcome.retries.tolist() == [0, 3]
    assert seconds(outcome.finish_ns) == [5, 13]


def test_jitter_shortens_a_wait_by_the_luck_of_the_retry(run):
    case = setup([0, 1], retries=1, salt=9, attempts=attempts(wait_s=2, jitter_ppm=500_000))
    outcome, _ = run(gated(case, once_in(100)))
    luck = dice(9, Request(1, 10, 5, retries=1), 2) % 1_000_000
    wait_ns = 2 * NS_PER_S - 2 * NS_PER_S * (500_000 * luck // 1_000_000) // 1_000_000
    assert outcome.finish_ns[1] == NS_PER_S + wait_ns
    assert NS_PER_S < wait_ns < 2 * NS_PER_S


def test_no_wait_is_shorter_than_a_millisecond(run):
    rules = attempts(wait_s=2, jitter_ppm=1_000_000, most_s=1e-4)
    outcome, _ = run(gated(setup([0, 1], retries=5, attempts=rules), once_in(100)))
    assert outcome.finish_ns[1] == NS_PER_S + 5 * MS


def test_without_a_wait_only_failures_are_tried_again(run):
    outcome, _ = run(gated(setup([0, 1], retries=5, attempts=attempts()), once_in(100)))
    assert (outcome.outcome[1], outcome.retries[1]) == (REJECTED, 0)


def test_a_client_out_of_patience_is_found_when_it_would_be_sent_again(run):
    rules = attempts(wait_s=3)
    case = setup([0, 1], retries=9, attempts=rules, timeout_ns=7 * NS_PER_S)
    outcome, _ = run(gated(case, once_in(100)))
    # Sent again at 4, 7 and 10; it waited until 8.
    assert (outcome.outcome[1], outcome.retries[1]) == (TIMED_OUT, 3)
    assert seconds(outcome.finish_ns) == [5, 8]


def test_a_failure_waits_from_its_detection_on(run):
    script = [at(1.5, "stop", 0), *detected(4, 0)]
    outcome, _ = run(setup([0], replicas=2, retries=1, attempts=attempts(wait_s=2)), script)
    assert seconds(outcome.first_token_ns) == [7]
    assert outcome.replica.tolist() == [1]


def test_reasons_are_told_apart(run):
    script = [at(1.5, "stop", 0), *detected(4, 0)]
    rules = attempts(wait_s=2, on_failure=False)
    outcome, _ = run(setup([0], replicas=2, retries=1, attempts=rules), script)
    assert (outcome.outcome.tolist(), seconds(outcome.finish_ns)) == ([LOST], [4])


@pytest.mark.parametrize(
    "share_ppm, burst, retried", [(0, 2, 2), (500_000, 1, 1), (500_000, 5, 5), (250_000, 3, 3)]
)
def test_the_budget_starts_full_and_holds_no_more(run, share_ppm, burst, retried):
    """Five requests fail together; what they add to a full budget is lost."""
    rules = attempts(budget_ppm=share_ppm, budget_burst=burst)
    script = [at(1.5, "stop", 0), *detected(2, 0)]
    outcome, _ = run(setup([0] * 5, retries=1, attempts=rules), script)
    assert outcome.retries.tolist() == [1] * retried + [0] * (5 - retried)
    assert outcome.outcome.tolist() == [UNFINISHED] * retried + [LOST] * (5 - retried)


def test_first_arrivals_fill_the_budget_and_retries_do_not(run):
    """One retry at 2 s; the arrivals from 3 s on bring another half each, the last one nothing
    because it never fits."""
    rules = attempts(budget_ppm=500_000, budget_burst=1)
    script = [at(1.5, "stop", 0), *detected(2, 0)]
    script += [*repaired(2.5, 0), at(3.5, "stop", 0), *detected(4, 0)]
    case = setup([0, 3, 3.1], prompt=[10, 10, 9999], retries=5, attempts=rules)
    outcome, _ = run(case, script)
    assert outcome.retries.tolist() == [1, 0, 0]
    assert outcome.outcome.tolist() == [LOST, LOST, REJECTED]
    script = [at(1.5, "stop", 0), *detected(2, 0)]
    script += [*repaired(2.5, 0), at(3.5, "stop", 0), *detected(4, 0)]
    outcome, _ = run(setup([0, 3, 3.1], retries=5, attempts=rules), script)
    assert outcome.retries.tolist() == [2, 0, 0]


ONE_SEAT = {"max_num_seqs": 1}


def test_a_client_hangs_up_for_want_of_a_first_token_and_comes_back(run):
    """Request 1 waits behind request 0. Its attempt ends at 2.5, noticed at 3; sent again at 4 it
    gets its first token at 6, the very instant at which it would have hung up again."""
    rules = attempts(first_token_s=2, wait_s=1)
    outcome, _ = run(setup([0, 0.5], retries=1, limits=ONE_SEAT, attempts=rules))
    assert outcome.outcome.tolist() == [COMPLETED, COMPLETED]
    assert outcome.retries.tolist() == [0, 1]
    assert seconds(outcome.first_token_ns) == [1, 6]
    assert seconds(outcome.finish_ns) == [5, 10]
    once, _ = run(setup([0, 0.5], limits=ONE_SEAT, attempts=rules))
    assert once.outcome.tolist() == [COMPLETED, TIMED_OUT]
    assert seconds(once.finish_ns) == [5, 2.5]


def test_the_first_token_saves_an_attempt_that_was_late_unnoticed(run):
    pools = [Pool(1, limits(), StepTime(10, 0, 0, 0, 0, 0))]
    case = setup([0], output=2, pools=pools, attempts=attempts(first_token_s=2, wait_s=1))
    outcome, _ = run(case)
    assert (seconds(outcome.first_token_ns), seconds(outcome.finish_ns)) == ([10], [20])


def test_who_runs_out_of_patience_at_the_same_instant_has_timed_out(run):
    rules = attempts(first_token_s=2, wait_s=1)
    case = setup([0, 0.5], retries=5, limits=ONE_SEAT, attempts=rules, timeout_ns=2 * NS_PER_S)
    outcome, _ = run(replace(case, breaker=Breaker(1, NS_PER_S, 1_000_000)))
    assert outcome.outcome.tolist() == [TIMED_OUT, TIMED_OUT]
    assert outcome.retries.tolist() == [0, 0]
    assert seconds(outcome.finish_ns) == [2, 2.5]


def test_patience_that_ended_before_anybody_noticed_makes_no_difference_to_a_timeout(run):
    """At 10 s it is noticed that the client of request 1 hung up at 2.5; its patience ended at 3.
    It is a retry all the same, which finds that out."""
    pools = [Pool(1, limits(**ONE_SEAT), StepTime(10, 0, 0, 0, 0, 0))]
    rules = attempts(first_token_s=2, wait_s=1)
    case = setup([0, 0.5], pools=pools, attempts=rules, timeout_ns=round(2.5 * NS_PER_S))
    outcome, _ = run(replace(case, retries=5))
    assert outcome.retries.tolist() == [0, 1]
    assert (outcome.outcome[1], seconds(outcome.finish_ns)[1]) == (TIMED_OUT, 3)
    outcome, _ = run(case)
    assert (outcome.outcome[1], seconds(outcome.finish_ns)[1]) == (TIMED_OUT, 2.5)


def test_timeouts_of_one_instant_are_looked_at_by_row(run):
    """Requests 2 and 3 time out at the same boundaries, of the other replica each; one retry is
    left."""
    rules = attempts(first_token_s=1.5, wait_s=1, budget_ppm=0, budget_burst=1)
    case = setup([0, 0, 0.5, 0.5], replicas=2, retries=1, limits=ONE_SEAT, attempts=rules)
    route = [0, 1, 1, 0]
    case = replace(case, routing_rule=lambda request, replicas: route[request.row])
    outcome, _ = run(case)
    assert outcome.retries.tolist() == [0, 0, 1, 0]


def test_who_has_no_patience_left_at_detection_has_timed_out(run):
    script = [at(2.5, "stop", 0, 3), *detected(4, 0)]
    outcome, _ = run(setup([0], timeout_ns=4 * NS_PER_S), script)
    assert (outcome.outcome.tolist(), seconds(outcome.finish_ns)) == ([TIMED_OUT], [4])
    assert outcome.fault.tolist() == [3]


def test_detection_looks_at_patience_alone(run):
    """The attempt would be over at 2 s, after the control of that instant."""
    rules = attempts(first_token_s=2, wait_s=1, on_timeout=False)
    script = [at(0.5, "stop", 0), *detected(2, 0), *repaired(3, 0)]
    outcome, _ = run(setup([0], retries=1, attempts=rules), script)
    assert (outcome.outcome.tolist(), outcome.retries.tolist()) == ([COMPLETED], [1])
    assert seconds(outcome.first_token_ns) == [4]


def test_at_the_end_an_attempt_that_is_over_unnoticed_is_unfinished(run):
    pools = [Pool(1, limits(), StepTime(300, 0, 0, 0, 0, 0))]
    case = setup([0, 0], pools=pools, attempts=attempts(first_token_s=2, wait_s=1))
    assert run(case)[0].outcome.tolist() == [UNFINISHED] * 2
    outcome, _ = run(replace(case, timeout_ns=3 * NS_PER_S))
    assert outcome.outcome.tolist() == [TIMED_OUT] * 2
    assert seconds(outcome.finish_ns) == [3, 3]


# Gates


def test_a_bucket_is_the_generic_cell_rate_algorithm(run):
    """A token in ten seconds, two at most."""
    case = setup([0, 1, 2, 10, 11, 19, 20], output=1)
    outcome, _ = run(gated(case, once_in(10, burst=2)))
    passed = [True, True, False, True, False, False, True]
    assert [one == COMPLETED for one in outcome.outcome.tolist()] == passed
    assert seconds(outcome.finish_ns)[2] == 2


def test_each_gate_has_a_bucket_of_its_own(run):
    case = gated(setup([0, 0, 1, 1], output=1), once_in(9), once_in(9), gate_of=[0, 1, 1, 0])
    assert run(case)[0].outcome.tolist() == [COMPLETED, COMPLETED, REJECTED, REJECTED]


def test_a_gate_sheds_from_so_many_outstanding_per_routable_replica(run):
    case = setup([i / 10 for i in range(8)], replicas=2)
    script = [at(0.65, "close", 1)]
    outcome, _ = run(gated(case, Gate(shed_ppm=2_500_000)), script)
    # Five are held by two replicas; by one of them three, which sheds as well.
    assert outcome.outcome.tolist() == [COMPLETED] * 5 + [REJECTED] * 3
    exact, _ = run(gated(case, Gate(shed_ppm=2_500_001)))
    assert exact.outcome.tolist() == [COMPLETED] * 6 + [REJECTED] * 2


def test_the_stranded_count_as_held_and_have_passed_their_gate(run):
    """Without a routable replica the threshold is that of one. Who was shed takes no token."""
    case = setup([1, 2, 3, 4, 8], output=1)
    gate = Gate(shed_ppm=2_000_000, interval_ns=3 * NS_PER_S, burst=2)
    outcome, _ = run(gated(case, gate), [at(0, "close", 0), at(5, "open", 0)])
    assert outcome.outcome.tolist() == [COMPLETED] * 2 + [REJECTED] * 2 + [COMPLETED]
    assert seconds(outcome.first_token_ns) == [6, 6, None, None, 9]


def test_a_request_that_is_sent_again_passes_its_gate_again(run):
    script = [at(0.5, "stop", 0), *detected(1, 0)]
    case = gated(setup([0], replicas=2, retries=3, attempts=attempts()), once_in(10))
    outcome, _ = run(case, script)
    assert (outcome.outcome.tolist(), outcome.retries.tolist()) == ([REJECTED], [1])


# Circuit breaker


def ejecting(case, failures=1, eject_s=10, at_most_ppm=1_000_000):
    return replace(case, breaker=Breaker(failures, round(eject_s * NS_PER_S), at_most_ppm))


def test_a_dead_replica_is_ejected_and_comes_back(run):
    """Replica 1 is dead. Request 1 hangs up at 2 s; from then to 12 s nobody is sent there; the
    next one is request 5."""
    rules = attempts(first_token_s=2, wait_s=1)
    case = setup([0, 0, 1.5, 3, 11, 12, 12], output=1, replicas=2, retries=1, attempts=rules)
    outcome, _ = run(ejecting(case), [at(0, "stop", 1, 3)])
    assert outcome.replica.tolist() == [0] * 7
    assert outcome.retries.tolist() == [0, 1, 0, 0, 0, 1, 0]
    assert outcome.fault.tolist() == [-1, 3, -1, -1, -1, 3, -1]


@pytest.mark.parametrize("failures, at_most_ppm, goes_on", [(2, 1_000_000, 1), (1, 499_999, 1),
                                                          (1, 500_000, 0)])  # fmt: skip
def test_it_takes_so_many_timeouts_and_only_so_many_are_ejected(
    run, failures, at_most_ppm, goes_on
):
    case = setup([0, 0, 3, 3], output=1, replicas=2, attempts=attempts(first_token_s=2, wait_s=1))
    outcome, _ = run(ejecting(case, failures, 10, at_most_ppm), [at(0, "stop", 1)])
    assert outcome.replica.tolist() == [0, 1, 0, goes_on]


def test_a_first_token_wipes_the_count(run):
    """One seat: of each pair that arrives together the second one hangs up. Between two of those
    there is a first token, unless they are three."""
    rules = attempts(first_token_s=1.5, wait_s=1)
    pairs = setup([0, 0, 10, 10, 20], limits=ONE_SEAT, attempts=rules)
    outcome, _ = run(ejecting(pairs, failures=2))
    assert outcome.outcome.tolist() == [COMPLETED, TIMED_OUT] * 2 + [COMPLETED]
    threes = setup([0, 0, 0, 10, 20], limits=ONE_SEAT, attempts=rules)
    outcome, _ = run(ejecting(threes, failures=2))
    # Ejected at 2 s, for ten; who came at 10 s was stranded until then.
    assert outcome.outcome.tolist() == [COMPLETED, TIMED_OUT, TIMED_OUT, COMPLETED, COMPLETED]
    assert seconds(outcome.first_token_ns) == [1, None, None, 13, 21]


def test_retries_of_the_instant_find_the_replica_ejected(run):
    """Request 1 times out at 2 s and is sent again at 2.001, to nobody; at 7 s it is the first.
    Request 2 times out behind it, from 9 s to 14 s."""
    rules = attempts(first_token_s=1.5, wait_s=1e-3)
    case = setup([0, 0, 5], output=3, limits=ONE_SEAT, retries=1, attempts=rules)
    outcome, _ = run(ejecting(case, eject_s=5))
    assert seconds(outcome.first_token_ns) == [1, 8, 15]
    assert seconds(outcome.finish_ns) == [3, 10, 17]
    assert outcome.retries.tolist() == [0, 1, 1]


def test_timeouts_of_an_ejected_replica_do_not_keep_it_out_longer(run):
    """It is dead. Ejected at 2 s until 5; request 1, which it has held since 1 s, hangs up at 3."""
    rules = attempts(first_token_s=2, wait_s=1)
    case = setup([0, 1, 4], output=1, attempts=rules)
    outcome, _ = run(ejecting(case, eject_s=3), [at(0, "stop", 0)])
    assert outcome.outcome.tolist() == [TIMED_OUT] * 3
    assert seconds(outcome.finish_ns) == [2, 3, 7]  # request 2 was sent at 5 s


def test_an_ejected_replica_may_be_opened_but_is_not_routable(run):
    """Ejected from 2 s to 12 s. Repaired at 5 s, it gets who waits at 12 s."""
    rules = attempts(first_token_s=2, wait_s=1)
    script = [at(0, "stop", 0), *detected(3, 0), *repaired(5, 0)]
    outcome, _ = run(ejecting(setup([0, 4], output=1, attempts=rules)), script)
    assert seconds(outcome.first_token_ns) == [None, 13]
    # Nobody looks at them before: not even at who has no patience left.
    case = setup([0, 4], output=1, attempts=rules, timeout_ns=round(2.5 * NS_PER_S))
    outcome, (look,) = run(ejecting(case), [*script, at(7, "look")])
    assert (look.stranded, seconds(outcome.finish_ns)) == (1, [2, 6.5])
    # Repaired later than that, it gets them then.
    script = [at(0, "stop", 0), *detected(3, 0), *repaired(15, 0)]
    outcome, _ = run(ejecting(setup([0, 4], output=1, attempts=rules)), script)
    assert seconds(outcome.first_token_ns) == [None, 16]


# Hedging


def hedged(arrivals_s, hedge_s=1.0, output=3, replicas=2, first_token_s=None, wait_s=0, **changed):
    rules = attempts(first_token_s, hedge_s, wait_s)
    return setup(arrivals_s, output=output, replicas=replicas, attempts=rules, **changed)


def test_a_copy_overtakes_a_request_on_a_dead_replica(run):
    script = [at(0, "stop", 0, 2), *(at(t, "look") for t in (1, 1.1, 2.001, 2.0011, 9))]
    outcome, looks = run(hedged([0], retries=1), script)
    assert (outcome.outcome.tolist(), outcome.retries.tolist()) == ([COMPLETED], [0])
    assert (seconds(outcome.first_token_ns), seconds(outcome.finish_ns)) == ([2], [4])
    assert (outcome.replica.tolist(), outcome.fault.tolist()) == ([1], [-1])
    # The other one hangs up a millisecond after the first token.
    held = [(look.waiting + look.running).tolist() for look in looks]
    assert held == [[1, 0], [1, 1], [1, 1], [0, 1], [0, 0]]
    assert (looks[-1].arrivals, looks[-1].first_tokens, looks[-1].ttft_ns) == (1, 1, 2 * NS_PER_S)


def test_the_original_wins_at_equal_instants_and_the_loser_takes_its_seat_until_noticed(run):
    """Both get a seat at 4 s. The copy hangs up at 5.001, noticed at 6; what waits behind it begins
    then."""
    case = hedged([0, 0, 0.5, 4.5], hedge_s=3, output=[4, 4, 3, 1], limits=ONE_SEAT)
    route = [0, 1, 0, 1]
    case = replace(case, routing_rule=lambda request, replicas: route[request.row])
    outcome, _ = run(case)
    assert outcome.replica.tolist() == [0, 1, 0, 1]
    assert seconds(outcome.first_token_ns) == [1, 1, 5, 7]
    assert seconds(outcome.finish_ns) == [4, 4, 7, 7]
    assert outcome.busy_ns.tolist() == [7 * NS_PER_S, 7 * NS_PER_S]


def test_two_that_complete_at_once_are_one(run):
    pools = [Pool(1, limits(), StepTime(2, 0, 0, 0, 0, 0)),
             Pool(1, limits(), StepTime(1, 0, 0, 0, 0, 0))]  # fmt: skip
    outcome, _ = run(hedged([0], output=1, pools=pools))
    assert (outcome.outcome.tolist(), outcome.replica.tolist()) == ([COMPLETED], [0])
    assert seconds(outcome.finish_ns) == [2]
    assert outcome.busy_ns.tolist() == [2 * NS_PER_S, NS_PER_S]


def test_a_request_fails_only_with_both(run):
    """Its replica is found dead at 3 s, which is silent; that of its copy at 5 s: a retry."""
    script = [at(0, "stop", 0, 1), at(0, "stop", 1, 2), *detected(3, 0), *detected(5, 1)]
    script += [*repaired(8, 0), at(4, "look")]
    outcome, (look,) = run(hedged([0], retries=1), script)
    assert (outcome.outcome.tolist(), outcome.retries.tolist()) == ([COMPLETED], [1])
    assert (outcome.fault.tolist(), seconds(outcome.first_token_ns)) == ([2], [9])
    assert (look.waiting + look.running).tolist() == [0, 1]
    lost, _ = run(hedged([0]), script)
    assert (lost.outcome.tolist(), seconds(lost.finish_ns)) == ([LOST], [5])
    assert (lost.replica.tolist(), lost.fault.tolist()) == ([1], [2])


def test_the_last_one_to_go_gives_the_reason(run):
    """Original hangs up at 2 s; its copy, of a dead replica too, at 3 s."""
    script = [at(0, "stop", 0, 1), at(0, "stop", 1, 2)]
    outcome, _ = run(hedged([0], first_token_s=2, wait_s=1), script)
    assert (outcome.outcome.tolist(), seconds(outcome.finish_ns)) == ([TIMED_OUT], [3])
    assert (outcome.replica.tolist(), outcome.fault.tolist()) == ([1], [2])
    outcome, _ = run(hedged([0], first_token_s=2, wait_s=1), [*script, *detected(2.5, 1)])
    assert (outcome.outcome.tolist(), seconds(outcome.finish_ns)) == ([LOST], [2.5])


def test_patience_ends_for_both(run):
    script = [at(0, "stop", 0), at(0, "stop", 1)]
    outcome, _ = run(hedged([0], timeout_ns=2 * NS_PER_S), script)
    assert (outcome.outcome.tolist(), seconds(outcome.finish_ns)) == ([TIMED_OUT], [2])


def test_a_winner_that_fails_waits_for_the_loser_to_be_gone(run):
    """The original wins at 1 s, and its replica is found dead at 3 s. The copy has hung up at
    1.001, noticed when its step ends, at 10.5: sent again a millisecond later."""
    pools = [Pool(1, limits(), StepTime(1, 0, 0, 0, 0, 0)),
             Pool(1, limits(), StepTime(10, 0, 0, 0, 0, 0))]  # fmt: skip
    script = [at(2.5, "stop", 0, 4), *detected(3, 0), *repaired(5, 0), at(6, "close", 1)]
    outcome, _ = run(hedged([0], hedge_s=0.5, pools=pools, retries=1), script)
    assert (outcome.outcome.tolist(), outcome.retries.tolist()) == ([COMPLETED], [1])
    assert seconds(outcome.first_token_ns) == [11.501]
    assert (outcome.replica.tolist(), outcome.fault.tolist()) == ([0], [4])


def test_no_copy_without_another_replica_or_place_in_its_queue(run):
    alone, looks = run(hedged([0], replicas=1), [at(0, "stop", 0), at(1.5, "look")])
    assert (looks[0].waiting.tolist(), alone.outcome.tolist()) == ([1], [UNFINISHED])
    case = hedged([0, 0, 0, 0], replicas=2, limits=ONE_SEAT, queue_limit=1, hedge_s=0.5, output=9)
    _, looks = run(case, [at(0.9, "look")])
    assert looks[0].waiting.tolist() == [1, 1]


def test_no_copy_of_who_has_no_patience_left(run):
    """Its replica notices at 10 s."""
    pools = [Pool(2, limits(), StepTime(10, 0, 0, 0, 0, 0))]
    script = [at(5, "look"), at(10.5, "look")]
    outcome, looks = run(hedged([0], 3, pools=pools, timeout_ns=3 * NS_PER_S), script)
    assert [look.running.tolist() for look in looks] == [[1, 0], [0, 0]]
    assert (outcome.outcome.tolist(), seconds(outcome.finish_ns)) == ([TIMED_OUT], [3])


def test_a_loser_with_its_last_token_has_nothing_to_say(run):
    """The original wins at 1 s; its copy has both its tokens by 1.0008 s."""
    pools = [Pool(1, limits(), StepTime(1, 0, 0, 0, 0, 0)),
             Pool(1, limits(), StepTime(4e-4, 0, 0, 0, 0, 0))]  # fmt: skip
    outcome, looks = run(hedged([0], output=2, pools=pools), [at(1.5, "look")])
    assert looks[0].running.tolist() == [1, 0]
    assert (seconds(outcome.first_token_ns), seconds(outcome.finish_ns)) == ([1], [2])
    assert outcome.replica.tolist() == [0]
    dead, _ = run(hedged([0], output=2, pools=pools), [at(1.5, "stop", 0)])
    assert (dead.outcome.tolist(), dead.replica.tolist()) == ([UNFINISHED], [0])
    assert (seconds(dead.first_token_ns), seconds(dead.finish_ns)) == ([1], [None])
    lost, _ = run(hedged([0], output=2, pools=pools), [at(1.5, "stop", 0), *detected(3, 0)])
    assert (lost.outcome.tolist(), seconds(lost.finish_ns)) == ([LOST], [3])


def test_no_copy_of_who_has_a_first_token_or_tries_again_or_waits(run):
    case = hedged([0, 0], retries=1, hedge_s=1.5, wait_s=0.5)
    script = [at(0, "stop", 1), *detected(0.1, 1), *repaired(2, 1), at(1.6, "look")]
    outcome, looks = run(case, script)
    assert outcome.retries.tolist() == [0, 1]
    assert (looks[0].waiting + looks[0].running).tolist() == [2, 0]
    stranded, looks = run(hedged([1]), [at(0, "close", 0), at(0, "close", 1), at(5, "open", 1),
                                        at(5.5, "look"), at(5.6, "open", 0)])  # fmt: skip
    assert (looks[0].waiting + looks[0].running).tolist() == [0, 1]
    assert seconds(stranded.first_token_ns) == [6]


@pytest.mark.parametrize("router", ["random", "power-of-two"])
def test_copies_have_a_luck_of_their_own(run, router):
    """And only among the replicas other than the one that holds the original."""
    rows, replicas = 20, 4
    case = hedged([30 * i for i in range(rows)], replicas=replicas, router=router, salt=3)
    case = replace(case, horizon_ns=700 * NS_PER_S)
    script = [at(0, "stop", replica) for replica in range(replicas)]
    script += [at(30 * row + t, "look") for row in range(6) for t in (0.5, 1.5)]
    _, looks = run(case, script)
    others = set()
    for row in range(6):
        before, after = ((look.waiting + look.running) for look in looks[2 * row : 2 * row + 2])
        empty = looks[2 * row - 1] if row else None
        was = (empty.waiting + empty.running) if empty else 0 * before
        original, copy = (before - was).argmax(), (after - before).argmax()
        able = [replica for replica in range(replicas) if replica != original]
        luck = [able[dice(3, Request(rows + row, 10, 5), k) % 3] for k in (0, 1)]
        if router == "power-of-two":
            luck = [min(luck, key=lambda replica: (before[replica], replica))]
        assert copy == luck[0]
        others.add(int(copy))
    assert len(others) > 1
