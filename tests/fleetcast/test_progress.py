"""A search as those see it who wait for it: what is still possible, how near a certificate is."""

import io
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from fleetcast.progress import Bar, Line
from fleetcast.search_board import search_board
from fleetcast.search_progress import Search, roughly
from planner.search import SCREENING, Promise, search
from planner.sequential import accept_boundary
from scenarios.objectives import parse_objective
from simulator.monte_carlo import Trial

TTFT = parse_objective("ttft p95 <= 500ms")


def row(kept, ttft_s=0.2):
    return {"kept": kept, TTFT.text: ttft_s}


def board(*searches, latest="period 3 kept", width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(search_board(list(searches), latest, width))
    return console.file.getvalue()


def test_news_name_the_periods_that_are_needed_at_least():
    heard = Search(Promise(0.99, 0.95), (1, 16))

    def told(replicas, replication, kept=True):
        what, latest, done, total = heard.hear(Trial(replicas, replication), row(kept))
        return re.sub(r"\d+ s left", "N s left", f"{what}: {latest}"), done, total

    assert told(5, SCREENING + 2) == ("screening 5 replicas: period 3 kept", 3, None)
    # Three quarters of alpha belong to the first round, half of that to no failure.
    first, second = accept_boundary(0.99, 0.75 * 0.05, 6000)[:2]
    assert 0.99**first <= 0.75 * 0.05 / 2 < 0.99 ** (first - 1)
    assert told(5, 0)[1:] == (1, first)
    assert told(5, 1)[0].endswith(f"period 2 kept, at least {first} needed, N s left")
    assert told(5, 2, kept=False)[1:] == (3, second)
    assert told(6, 2)[1:] == (3, first), "the next size has not failed"
    assert told(5, 3)[1:] == (4, second)
    assert told(6, 0)[1:] == (1, None), "an inherited pass that is run after all"
    assert told(4, 3)[1:] == (4, None), "one fewer is no candidate"
    assert told(5, 999)[1:] == (1000, None), "this size is done, others are not"


@given(answer=st.integers(1, 12), start=st.integers(1, 12))
def test_the_answer_is_possible_all_the_time_and_alone_in_the_end(answer, start):
    """The search of the planner, where sizes from `answer` on keep every period."""
    promise = Promise(0.9, 0.9)
    heard, asking = Search(promise, (1, 12)), search(1, start, 12, promise)
    try:
        trial = next(asking)
        while True:
            kept = trial.replicas >= answer
            heard.hear(trial, row(kept))
            low, high = heard.possible()
            assert low <= answer <= high
            trial = asking.send(kept)
    except StopIteration as end:
        certificate = end.value
    assert certificate.replicas == answer == heard.shown
    assert heard.possible() == (answer, answer)
    tally = certificate.tally(answer)
    assert heard.count(answer) == (tally.runs, tally.failed)


def test_passes_of_a_smaller_size_count_for_a_larger_one():
    heard = Search(Promise(0.95, 0.95), (1, 16))
    for replication in range(30):
        heard.hear(Trial(5, replication), row(replication < 28))
        if replication >= 28:
            heard.hear(Trial(6, replication, complete=False), row(kept=False))
    assert heard.count(6) == (30, 2)
    assert heard.count(4) == (0, 0)
    assert not heard.is_rejected(6), "2 of 30 failed, and not 2 of 2"
    alone = Search(Promise(0.95, 0.95, coupled=False), (1, 16))
    for replication in range(2):
        alone.hear(Trial(5, replication), row(kept=True))
        alone.hear(Trial(6, replication), row(kept=False))
    assert alone.count(6) == (2, 2)
    assert alone.possible() == (7, 16)


def test_the_board_tells_sizes_certificate_evidence_and_objectives():
    heard = Search(Promise(0.95, 0.95), (1, 16), (TTFT,))
    for replication in (0, 1):
        heard.hear(Trial(4, SCREENING + replication, complete=False), row(kept=False))
    for replication in range(8):
        heard.hear(Trial(5, replication), row(replication != 3, 0.6 if replication == 3 else 0.25))
    told = board(heard)
    assert "period 3 kept" in told
    assert "5 to 16 of 1 to 16 replicas still possible" in told
    assert "5 replicas: 1 of 8 periods failed" in told
    assert re.search(r"e-value against it [\d.]+, rejected at 20 *\n", told)
    assert re.search(r"✗ +ttft p95 <= 500ms +250 ms +\[250 ms, 600 ms\] +50% +7 of 8", told)
    assert "e-value" not in board(Search(Promise(0.95, 0.95), (1, 16)))


def test_lines_are_told_by_what_was_chosen():
    one, two = (Search(Promise(0.95, 0.95), (1, 9), chosen=gpu) for gpu in ("l4-24gb", "h100"))
    for replication in (0, 1):
        one.hear(Trial(3, SCREENING + replication, complete=False), row(kept=False))
    assert "4 to 9 of 1 to 9: l4-24gb" in board(one, two)
    assert "1 to 9 of 1 to 9: h100" in board(one, two)
    assert "line 0" not in board(*[Search(Promise(0.9, 0.9), (1, 2), (), f"line {i}")
                                   for i in range(9)])  # fmt: skip


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_board_keeps_within_the_terminal(width):
    heard = Search(Promise(0.95, 0.95), (1, 16), (TTFT,))
    for replication in range(9):
        heard.hear(Trial(5, replication), row(replication != 3))
    assert max(map(len, board(heard, width=width).splitlines())) <= width


def test_piped_there_is_a_sign_of_life_now_and_then(monkeypatch):
    console = Console(file=io.StringIO(), width=200)
    line = Line(Bar(console=console, disable=True))
    line.tell("certifying 5 replicas", 1, 78, "period 1 kept")
    monkeypatch.setattr("fleetcast.progress.SILENCE_MAX_S", -1.0)
    line.tell("certifying 5 replicas", 2, 78, "period 2 kept")
    line.tell("simulate 5 replicas", 3, 78)
    assert console.file.getvalue() == "certifying 5 replicas: period 2 kept\nsimulate 5 replicas\n"


def test_on_a_terminal_the_board_stands_below_the_line(monkeypatch):
    monkeypatch.setattr("fleetcast.progress.REDRAW_S", -1.0)
    console = Console(file=io.StringIO(), width=60, force_terminal=True)
    bar = Bar(console=console)
    line = Line(bar)
    line.tell("certifying 5 replicas", 1, 78, "period 1 kept", lambda width: f"board of {width}")
    drawn = list(bar.get_renderables())
    assert drawn[-1] == "board of 60"


@pytest.mark.parametrize("seconds, text", [(42.3, "42 s"), (400.0, "7 min"), (9000.0, "2.5 h")])
def test_time_left_is_told_roughly(seconds, text):
    assert roughly(seconds) == text
