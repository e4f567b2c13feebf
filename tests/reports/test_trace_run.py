"""The trace of a run, read back by a reader of the format that is not ours (chrometrace)."""

import gzip
import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from chrometrace import TraceEvent, TraceEventType

from reports.request_stories import told
from reports.trace_run_events import FIRST_REPLICA, FLEET, STATE, Window
from reports.trace_run_file import (
    Subject,
    TooSmall,
    numbered,
    replica_names,
    rows_hit,
    thinned,
    write_trace,
)
from reports.trace_run_lines import worst_lines
from simulator.control.spans import spans
from simulator.kernel.state import NEVER_NS
from simulator.stories import Stories
from simulator.traffic import NS_PER_S
from simulator.watch import watch
from tests.oracles.small import small_scenario, small_traffic

LARGE = 50_000_000
LOOKS_NS = range(0, 30 * NS_PER_S, NS_PER_S // 4)


def scenario():
    """Two pools, one of them scaled, with faults, retries and hedging."""
    return small_scenario(
        {"num_gpu_blocks": 60, "max_num_seqs": 8},
        {"per_step": "50ms", "per_prefill_token": "50us"},
        horizon="20s", preroll="2s", drain="20s",
        clients={
            "timeout": "8s", "retries": 3, "retry_on": ["failure", "rejection"],
            "backoff": {"first": "100ms", "most": "2s"}, "hedge": {"after": "1s"},
        },
        fleet={
            "replicas": 2, "queue_limit": 4,
            "autoscaling": {"replicas": "1..4", "target_outstanding": 4, "interval": "1s",
                            "startup": "2s", "scale_down": {"stabilisation": "1s"}},
            "others": [{"name": "old", "replicas": 1, "latency": {"per_step": "80ms"},
                        "replica": {"gpu": "a100-sxm-80gb", "engine": {"name": "vllm"}}}],
        },
        failures={"replica": {"mtbf": "10s", "detection": "1s",
                              "repair": {"median": "2s", "p95": "4s"}}},
        traffic=[small_traffic(
            "9/s",
            input_tokens={"kind": "lognormal", "median": 100, "p95": 400, "max": 500},
            output_tokens={"kind": "lognormal", "median": 20, "p95": 60, "max": 150},
        )],
    )  # fmt: skip


@pytest.fixture(scope="module")
def subject():
    asked = scenario()
    watched = watch(asked, asked.fleet, 3, 1, LOOKS_NS)
    stories = Stories(watched.journal, len(watched.played.setup.workload), watched.end_ns)
    always = frozenset(rows_hit(watched) | {int(watched.rows[5])})
    window = Window(0, watched.end_ns)
    names = replica_names(asked, asked.fleet)
    return Subject(watched, stories, window, ["all"], names, always, {"name": asked.name})


def read(path):
    """(events as the other reader sees them, metadata). It refuses what it does not know."""
    data = json.loads(gzip.decompress(path.read_bytes()))
    return [TraceEvent.from_dict(event) for event in data["traceEvents"]], data["otherData"]


@pytest.fixture(scope="module")
def written(subject, tmp_path_factory):
    path = tmp_path_factory.mktemp("trace") / "run.trace.json.gz"
    return write_trace(subject, path, LARGE), *read(path)


def of_kind(events, kind, category=None):
    kinds = [event for event in events if TraceEventType(event.event_type) is kind]
    return [event for event in kinds if category is None or event.categories == category]


def shown(window, begin_ns, end_ns):
    return max(begin_ns, window.begin_ns) < min(end_ns, window.end_ns)


def expected_slices(subject):
    """Of the run, counted another way than by drawing them."""
    outcome, window = subject.watched.played.outcome, subject.window
    told = [subject.stories[row] for row in range(outcome.arrival_ns.size)]
    stays = [stay for story in told for stay in story.stays]
    parts = {
        "request": stays,
        "phase": [phase for stay in stays for phase in stay.phases],
        "wait": [wait for story in told for wait in story.waits],
    }
    return {
        name: sum(shown(window, one.begin_ns, one.end_ns) for one in all_of_them)
        for name, all_of_them in parts.items()
    }


def test_slices_are_those_of_the_run(subject, written):
    _, events, _ = written
    slices = of_kind(events, TraceEventType.COMPLETE)
    counts = Counter(event.categories for event in slices)
    books, replicas = subject.watched.played.books, len(subject.replicas)
    assert counts.pop("start") > 0
    assert counts.pop("state") == sum(
        1 for _ in spans(books.changes, replicas, subject.window.end_ns)
    )
    assert counts == expected_slices(subject)
    assert counts["request"] > 150 and counts["wait"] > 5


def test_instants_are_those_of_the_books(subject, written):
    _, events, _ = written
    instants = of_kind(events, TraceEventType.INSTANT, "fault")
    expected = sum(
        1 + len(incident.replicas)
        for incident in subject.watched.played.books.incidents
        for ns in (incident.begin_ns, incident.noticed_ns, incident.end_ns)
        if ns is not None and subject.window.has(ns)
    )
    assert len(instants) == expected > 20
    refusals = [refusal for row in range(len(subject.stories.first) - 1)
                for refusal in subject.stories[row].refusals]  # fmt: skip
    seen = of_kind(events, TraceEventType.INSTANT, "refusal")
    assert len(seen) == sum(subject.window.has(ns) for ns, _ in refusals) > 0


def test_counters_are_the_looks(subject, written):
    """Every value that a look saw is the last one told until then, and none is told twice."""
    _, events, _ = written
    told = {}
    for event in of_kind(events, TraceEventType.COUNTER):
        track = told.setdefault((event.process_id, event.name), [])
        track.append((event.timestamp_us, event.args))
    for track in told.values():
        assert [us for us, _ in track] == sorted(us for us, _ in track)
        assert all(a != b for (_, a), (_, b) in pairwise(track)) or track is told[FLEET, "arrivals"]
    looks = subject.watched.looks
    for replica in range(len(subject.replicas)):
        process = FIRST_REPLICA + replica
        for ns, seen in looks[:: len(looks) // 20]:
            for name, expected in (
                ("requests", {"running": seen.running[replica], "waiting": seen.waiting[replica]}),
                ("KV cache used", {"percent": round(100 * seen.kv_used[replica], 2)}),
            ):
                before = [args for us, args in told[process, name] if us <= ns // 1000]
                assert before[-1] == pytest.approx(expected, abs=0.006)
    arrivals = sum(args["per second"] for _, args in told[FLEET, "arrivals"])  # each of a second
    assert arrivals == pytest.approx(looks[-1][1].arrivals - looks[0][1].arrivals, abs=20)


def test_replicas_are_processes_and_pools_told_apart(written, subject):
    _, events, _ = written
    names = {e.process_id: e.args["name"] for e in of_kind(events, TraceEventType.METADATA)
             if e.name == "process_name"}  # fmt: skip
    assert names == {FLEET: "fleet"} | {
        FIRST_REPLICA + id: f"replica {id}" + (" (old)" if id == 4 else "") for id in range(5)
    }
    assert {event.process_id for event in events} == set(names)


def test_slices_of_a_lane_are_nested(written):
    """What viewers ask for: two slices of a thread lie in one another or apart."""
    _, events, _ = written
    lanes = {}
    for event in of_kind(events, TraceEventType.COMPLETE):
        span = (event.timestamp_us, event.timestamp_us + event.duration_us)
        lanes.setdefault((event.process_id, event.thread_id), []).append(span)
    for own in lanes.values():
        over = []
        for begin, end in sorted(own, key=lambda span: (span[0], -span[1])):
            while over and over[-1] <= begin:
                over.pop()
            assert not over or end <= over[-1]
            over.append(end)
    assert max(thread for _, thread in lanes) > STATE + 3


def test_a_request_tells_its_latencies(subject, written):
    _, events, _ = written
    run = subject.watched.run
    args = {e.args["request"]: e.args for e in of_kind(events, TraceEventType.COMPLETE, "request")}
    done = [index for index in np.flatnonzero(run.completed).tolist() if index in args]
    assert len(done) > 100
    for index in done:
        assert args[index]["ttft_ms"] == pytest.approx(run.ttft_s[index] * 1e3)
        assert args[index]["e2e_ms"] == pytest.approx(run.e2e_s[index] * 1e3)
        assert args[index]["arrival_s"] == run.arrival_s[index]
    numbers = numbered(subject.watched)
    assert numbers[subject.watched.rows].tolist() == list(range(len(run)))


def test_the_same_bytes_again(subject, tmp_path):
    for name in ("one", "two"):
        write_trace(subject, tmp_path / name, LARGE)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


@pytest.mark.parametrize("part", [0.9, 0.5])
def test_what_does_not_fit_is_thinned_and_never_cut(subject, written, tmp_path, part):
    whole, all_events, _ = written
    path = tmp_path / "small"
    size_max = int(part * whole.size_bytes)
    few = write_trace(subject, path, size_max)
    assert path.stat().st_size == few.size_bytes <= size_max
    assert few.requests_shown < few.requests == whole.requests
    events, about = read(path)
    assert about["requests_shown"] == few.requests_shown
    rows = {e.args["request"] for e in of_kind(events, TraceEventType.COMPLETE, "request")}
    before = {e.args["request"] for e in of_kind(all_events, TraceEventType.COMPLETE, "request")}
    always = set(numbered(subject.watched)[sorted(subject.always)].tolist())
    assert always & before <= rows < before
    instants = [of_kind(each, TraceEventType.INSTANT, "fault") for each in (events, all_events)]
    assert instants[0] == instants[1]


def test_counters_are_coarsened_where_they_take_too_much(subject, written, tmp_path):
    rng = np.random.default_rng(0)
    looks = [
        (ns + step, seen._replace(kv_used=rng.random(5)))
        for ns, seen in subject.watched.looks
        for step in range(50)
    ]
    restless = subject._replace(watched=replace(subject.watched, looks=looks))
    size_max = 2 * written[0].size_bytes
    few = write_trace(restless, tmp_path / "coarse", size_max)
    assert few.counters_of_every > 1 and few.requests_shown == few.requests
    assert few.size_bytes <= size_max


def test_too_small_for_what_must_be_in_it(subject, tmp_path):
    with pytest.raises(
        TooSmall, match=r"requests .* and the state of 5 replicas cannot be left out"
    ):
        write_trace(subject, tmp_path / "tiny", 3000)
    assert not list(tmp_path.iterdir())


def test_a_window_shows_what_is_in_it(subject, tmp_path):
    window = Window(5 * NS_PER_S, 9 * NS_PER_S)
    looks = [(ns, seen) for ns, seen in subject.watched.looks if window.has(ns)]
    part = subject._replace(window=window, watched=replace(subject.watched, looks=looks))
    write_trace(part, tmp_path / "part", LARGE)
    events, about = read(tmp_path / "part")
    slices = of_kind(events, TraceEventType.COMPLETE)
    assert min(event.timestamp_us for event in slices) >= 5_000_000
    assert max(event.timestamp_us + event.duration_us for event in slices) <= 9_000_000
    outcome = subject.watched.played.outcome
    assert 0 < about["requests"] < (outcome.arrival_ns < NEVER_NS).sum()
    assert (
        len(of_kind(events, TraceEventType.COMPLETE, "request")) == expected_slices(part)["request"]
    )


def test_thinning_keeps_an_even_share():
    rows = np.arange(1000)
    assert thinned(rows, frozenset({7}), 0.1).tolist() == [7, *range(9, 1000, 10)]
    assert thinned(rows, frozenset(), 1.0).tolist() == rows.tolist()
    assert thinned(rows, frozenset({3}), 0.0).tolist() == [3]


# --- in words ------------------------------------------------------------------------------------


ENDS = ("completes", "is lost", "has timed out", "is turned away", "has not ended")
HAPPENS = (
    "is sent to", "is sent again", "a copy is sent", "is prefilled, ", "loses its replica: fault",
    "is preempted", "waits in its queue", "waits to be sent again", "is turned away by replica",
)  # fmt: skip


def test_stories_in_words_begin_with_the_arrival_and_end_with_the_end(subject):
    watched, names = subject.watched, [name for name, _ in subject.replicas]
    texts = []
    for index, row in enumerate(watched.rows.tolist()):
        said = told(watched.run, index, subject.stories[row], names)
        assert said[0].text.startswith("arrives: ") and said[-1].text.startswith(ENDS)
        assert [one.at_ns for one in said] == sorted(one.at_ns for one in said)
        texts += [one.text for one in said[1:-1]]
    for begin in HAPPENS:
        assert any(text.startswith(begin) for text in texts), begin


def test_lines_for_a_terminal():
    one = {
        "request": 7, "group": "chat", "used": 6.4, "objective": "ttft p95 <= 500ms",
        "outcome": "completed", "ttft_s": 3.2, "tpot_s": 0.021, "e2e_s": 12.0,
        "happened": [{"at_s": 711.2, "what": "arrives"}],
    }  # fmt: skip
    assert list(worst_lines([one])) == [
        "  the worst request, by the share of the tightest limit they used:",
        "",
        "  chat 7: TTFT 3.20 s, TPOT 21 ms, E2E 12.00 s: 6.4 times ttft p95 <= 500ms",
        "         711.200 s  arrives",
    ]
    lost = one | {"outcome": "timed_out", "objective": None}
    assert list(worst_lines([lost]))[2] == "  chat 7: timed out"
    assert list(worst_lines([])) == ["  no request arrived in that part of the period"]
