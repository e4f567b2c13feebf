"""The answer as a terminal shows it: the same facts as the plain lines, within the width."""

import io
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from rich.console import Console

from fleetcast.screen import on_screen, plan_screen, simulation_screen
from planner.verdict import keeps
from reports.answer import plan_lines, simulation_lines
from reports.objectives import measured_objectives, objective_rows
from scenarios.objectives import parse_objective
from tests.reports.conftest import make_plan

VALUES = pd.DataFrame({
    "ttft p95 <= 500ms": [0.2] * 18 + [0.6, 0.6],
    "itl mean <= 40ms": [0.2] * 20,
    "error_rate <= 0.1%": [0.0] * 20,
})  # fmt: skip
OBJECTIVES = [parse_objective(text) for text in VALUES]


def printed(screen, *told, width=80):
    console = Console(file=io.StringIO(), width=width)
    console.print(screen(*told, width))
    return console.file.getvalue()


def shown(data, values=VALUES, width=80):
    rows = objective_rows(data["objectives"], values, data["certificate"]["probability"])
    return printed(plan_screen, data, rows, "out/chat/report.html", width=width)


def words(text):
    """But for frames, bars and where lines break."""
    return set("".join(" " if sign in "│╭╮╰╯─━┃╋✓✗▸" else sign for sign in text).split())


def infeasible(data):
    data["fleet"]["replicas"] = data["fleet"]["gpus"] = data["one_fewer"] = None
    data["certificate"] |= {"status": "infeasible", "failed": 8}
    for size in data["sizes"]:
        size["status"] = "rejected"
    return data


def never_run(data):
    """Not certified, and the size that is shown was not reached."""
    infeasible(data)["certificate"] |= {"status": "not certified", "replications": 0}
    data["figures_of"], data["accounts"] = 16, None
    nothing = {"value": None, "low": None, "high": None, "replications": 0}
    data["objectives"] = [row | nothing for row in data["objectives"]]
    return data


def test_the_answer_its_certainty_and_its_cost_stand_in_a_frame():
    frame = shown(make_plan()).splitlines()[:5]
    assert frame[0].startswith("╭─ chat ─")
    assert "✓ 3 replicas of 2 h100-sxm-80gb = 6 GPUs" in frame[1]
    assert "certified: P(SLA) >= 0.95 at 95% confidence (8 fresh periods, 0 failed)" in frame[2]
    assert "12,744 USD/month at 2.95 USD per GPU-hour" in frame[3]


def test_every_size_has_its_periods_interval_price_and_fate():
    head, *sizes = shown(make_plan(), width=100).splitlines()[5:9]
    assert head.split() == ["replicas", "GPUs", "failed", "P(SLA)", "┃", "0.95", "USD/month",
                            "status"]  # fmt: skip
    assert sizes[0].split() == ["1", "2", "screened", "–", "4,248", "looked", "bad"]
    assert sizes[1].split()[:2] == ["2", "4"]
    assert "2 of 8  30% to 97%" in sizes[1]
    assert sizes[1].endswith("8,496  undecided".ljust(len(sizes[1]) - sizes[1].index("8,496")))
    assert sizes[2].split()[:3] == ["▸", "3", "6"]
    assert "━╋━" in sizes[2]


def test_ticks_say_whether_objectives_are_kept_as_often_as_promised():
    told = {" ".join(line.split()) for line in shown(make_plan()).splitlines()}
    assert "✗ ttft p95 <= 500ms 200 ms [190 ms, 210 ms] 40% 18 of 20" in told
    assert "✗ itl mean <= 40ms 200 ms [190 ms, 210 ms] 500% 0 of 20" in told
    assert "✓ error_rate <= 0.1% 0% [0%, 2.5%] 0% 20 of 20" in told


@pytest.mark.parametrize("change", [dict, infeasible, never_run])
@pytest.mark.parametrize("width", [60, 80, 110])
def test_it_says_what_the_plain_lines_say_within_the_width(change, width):
    data = change(make_plan())
    values = VALUES[:0] if change is never_run else VALUES
    text = shown(data, values, width)
    assert max(map(len, text.splitlines())) <= width
    # The figures of objectives and one replica fewer stand in tables, in other words.
    objectives = {row["objective"] for row in data["objectives"]}
    lines = [line for line in plan_lines(data) if not any(one in line for one in objectives)]
    spoken = " ".join(line for line in lines if not line.startswith("  2 replicas: undecided"))
    assert {word.rstrip(":,") for word in words(spoken)} <= {w.rstrip(":,") for w in words(text)}


def test_what_was_not_certified_or_not_run_is_not_ticked():
    text = shown(never_run(make_plan()), VALUES[:0])
    assert "✓" not in text
    assert "✗ no certified fleet; certification tried 2 and 3 replicas" in text
    assert "not certified: P(SLA) >= 0.95" in text
    assert "▸" not in text
    assert text.count("not run") == 2 * len(OBJECTIVES)
    assert "✗ no feasible fleet of up to 16 replicas" in shown(infeasible(make_plan()))


def test_one_replica_fewer_that_was_not_tried_is_told():
    data = make_plan()
    data["one_fewer"] = {"replicas": 2, "runs": 0, "failed": 0, "status": "not tried"}
    assert "2 replicas: not tried (below the scenario's range)" in shown(data)


def test_of_many_lines_some_are_named_and_the_others_counted():
    data = make_plan()
    (line,) = data["lines"]
    data["lines"] = [
        line | {"choice": {"replica.gpu": f"gpu-{place}"}, "value": 20.0 + place, "fate": fate}
        for place, fate in enumerate(["certified", *["dear"] * 9, "impossible"])
    ]
    text = shown(data)
    assert "of 11 lines: gpu gpu-0" in text
    assert "gpu gpu-5: 3 replicas would do" in text
    assert "gpu gpu-6" not in text
    assert "and 4 more lines: see the report" in text
    assert "1 combination cannot be" in text


def test_a_simulation_has_the_same_ticks():
    data = make_plan()
    summary = {key: data[key] for key in ("name", "metrics", "accounts", "step_time")}
    rate = {"value": 0.9, "low": 0.8, "high": 1.0, "replications": 20}
    summary |= {"replicas": 4, "autoscaling": [2, 9], "replications": 20, "kept": 18}
    summary["metrics"] = summary["metrics"] | {"error_rate": rate}
    rows = measured_objectives(OBJECTIVES, VALUES, 0.95)
    text = printed(simulation_screen, summary, rows, "out/chat-simulate")
    assert "✗ 4 replicas at first, 2 to 9 by autoscaling, 20 periods" in text
    assert "SLA kept in 18 of 20 periods" in text
    ticked = [line.split()[0] for line in text.splitlines() if " of 20  " in f"{line}  "][-3:]
    kept = [sum(keeps(v, o) for v in VALUES[o.text]) >= 19 for o in OBJECTIVES]
    assert ticked == ["✓" if one else "✗" for one in kept]
    plain = " ".join(simulation_lines(summary))
    assert {word.rstrip(":,") for word in words(plain)} <= {w.rstrip(":,") for w in words(text)}
    promised_nothing = printed(simulation_screen, summary | {"kept": None}, [], "out/x")
    assert "✓" not in promised_nothing and "✗" not in promised_nothing


@pytest.mark.parametrize(
    "terminal, environment, tables",
    [
        (True, {"TERM": "xterm-256color"}, True),
        (False, {"TERM": "xterm-256color"}, False),
        (False, {"TERM": "xterm-256color", "FORCE_COLOR": "1"}, False),
        (True, {"TERM": "xterm-256color", "NO_COLOR": "1"}, False),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_tables_are_for_terminals_that_nobody_asked_to_be_plain(
    monkeypatch, terminal, environment, tables
):
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    stdout = SimpleNamespace(isatty=lambda: terminal, encoding="utf-8", write=str, flush=str)
    monkeypatch.setattr(sys, "stdout", stdout)
    assert on_screen() is tables
