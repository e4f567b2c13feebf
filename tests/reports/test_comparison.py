"""What a comparison says, and its page, on sets made by hand."""

import json
from math import inf

import numpy as np
import pytest

from planner.comparison import compare
from reports.comparison import conclusion, finding_text, notes, pairing_text
from reports.comparison_lines import as_data, comparison_lines
from reports.comparison_page import write_comparison
from reports.comparison_sets import read_set
from tests.made_sets import make_periods, make_set, write_set

UP = np.arange(20) % 2 * 2.0 - 1.0


def said(a, b, name):
    (one,) = compare([make_set(a), b])
    (finding,) = (finding for finding in one.findings if finding.name == name)
    return finding_text(finding, one.paired)


@pytest.mark.parametrize(
    "name, change, words",
    [
        ("ttft p95", {}, "the same, exactly"),
        ("ttft p95", {"ttft_s_p95": 0.112}, "slower by 12 ms [12 ms, 12 ms]: more than noise"),
        ("ttft p95", {"ttft_s_p95": 0.09}, "faster by 10 ms [10 ms, 10 ms]: more than noise"),
        ("ttft p95", {"ttft_s_p95": inf}, "slower beyond measure: more than noise"),
        (
            "ttft p95",
            {"ttft_s_p95": np.where(np.arange(20) < 7, 0.2, inf)},
            "slower by at least 100 ms: more than noise",
        ),
        (
            "ttft p95",
            {"ttft_s_p95": 0.1 + 0.008 * UP},
            "no difference that 20 pairs can show; one of 8 ms would have been seen",
        ),
        (
            "e2e p50",
            {"e2e_s_p50": np.where(np.arange(20) < 2, 0.2, 0.1)},
            "other in 2 of 20 pairs only: no more than noise",
        ),
        (
            "error_rate",
            {"error_rate": np.where(np.arange(20) < 11, 0.01, 0.0)},
            "higher in 11 of 20 pairs, lower in 0: more than noise",
        ),
        ("goodput", {"goodput": 0.09}, "lower by 1 points [1 points, 1 points]: more than noise"),
        ("gpu_hours_paid", {"gpu_hours_paid": 2}, "higher by 1.5 [1.5, 1.5]: more than noise"),
        ("SLA kept", {"kept": False}, "20 of 20 pairs lost, 0 gained: more than noise"),
        (
            "SLA kept",
            {"kept": np.arange(20) > 2},
            "3 of 20 pairs lost, 0 gained: no more than noise; 10 that change one way would have "
            "been seen",
        ),
    ],
)  # fmt: skip
def test_what_is_said_of_pairs(name, change, words):
    flat = {"ttft_s_p95": 0.1, "e2e_s_p50": 0.1, "goodput": 0.1}
    assert said(make_periods(**flat), make_set(make_periods(**flat | change)), name) == words


def test_what_is_said_of_independent_periods():
    slower = make_set(make_periods(ttft_s_p95=0.3), seed=8)
    assert said(make_periods(ttft_s_p95=0.1), slower, "ttft p95").startswith("slower by 200 ms [")
    broken = make_set(make_periods(kept=False), seed=8)
    assert said(make_periods(), broken, "SLA kept") == "kept less often: more than noise"
    some = make_set(make_periods(15, kept=np.arange(15) > 0), seed=8)
    words = "no difference that 20 and 15 periods can show"
    assert said(make_periods(), some, "SLA kept") == words


def test_too_few_periods_say_how_many_would_do():
    slower = make_periods(5, ttft_s_p95=1.0)
    words = "too few periods to tell: {} would do"
    assert said(make_periods(5), make_set(slower), "ttft p95") == words.format("10 pairs")
    other_seed = make_set(make_periods(3, ttft_s_p95=1.0), seed=8)
    assert said(make_periods(3), other_seed, "ttft p95") == words.format("6 of each")


def test_a_comparison_in_lines():
    slower = make_periods(ttft_s_p95=0.3, gpu_hours_paid=0.4)
    sets = [make_set(make_periods(ttft_s_p95=0.1)), make_set(slower, "other", replicas=4)]
    assert comparison_lines(sets, compare(sets)) == [
        "A  one: 5 replicas, simulated, SLA kept in 20 of 20 periods, P(SLA) in [0.83, 1.00]",
        "B  other: 4 replicas, simulated, SLA kept in 20 of 20 periods, P(SLA) in [0.83, 1.00]",
        "",
        "B against A: 20 periods of each, pair by pair: one seed, the same demand",
        "question",
        "  ~ fleet.replicas: 5 -> 4",
        "figures, of the median period",
        "  ✗ ttft p95        100 ms -> 300 ms  slower by 200 ms [200 ms, 200 ms]: more than noise",
        "  ✓ GPU-hours paid  0.5 -> 0.4        lower by 0.1 [0.1, 0.1]: more than noise",
        "    the same, exactly: SLA kept, tpot p95, error rate, ttft p50, ttft p99, tpot p50, "
        "tpot p99, itl p50, itl p95, itl p99, e2e p50, e2e p95, e2e p99, goodput, availability, "
        "output tokens/s",
        "",
        "2 of 18 figures differ by more than noise: 1 worse, 1 better; a chance of at most 5% that "
        "any of this is said by mistake (Holm)",
    ]


def test_the_same_in_data():
    changed = make_set(make_periods(ttft_s_p95=inf), "other", versions=1)
    changed.manifest["versions"] = {"fleetcast": "0.2.0", "source": "0123456789abcdef"}
    sets = [make_set(make_periods()), changed]
    data = as_data(sets, compare(sets))
    assert json.loads(json.dumps(data, allow_nan=False)) == data
    assert data["differ"] and data["alpha"] == 0.05
    (one,) = data["comparisons"]
    assert one["changed"]["versions"] == [
        {"change": "changed", "key": "fleetcast", "a": "0.1.0", "b": "0.2.0"}
    ]
    ttft = next(figure for figure in one["figures"] if figure["figure"] == "ttft p95")
    assert ttft["verdict"] == "differs" and ttft["b"]["value"] is None
    assert ttft["said"] == "slower beyond measure: more than noise"
    assert data["sets"][0]["kept"]["replications"] == 20


def test_which_periods_are_told():
    a = make_set(make_periods())
    (other,) = compare([a, make_set(make_periods(), horizon="1h")])
    assert pairing_text(other).endswith("one seed, the same random numbers, other demand")
    newer = make_set(make_periods())
    newer.manifest["versions"] = {"fleetcast": "0.2.0", "source": "another"}
    (other,) = compare([a, newer])
    assert pairing_text(other).endswith("the same demand, as far as the versions draw alike")
    (other,) = compare([a, make_set(make_periods(25), seed=8)])
    assert pairing_text(other) == "20 periods of seed 7 and 25 periods of seed 8, independent"
    lost = np.arange(20) < 8
    (other,) = compare([a, make_set(make_periods(kept=~lost, stopped_early=lost))])
    assert notes(other) == ["figures are of the 12 that ran to their end and were not stopped"]
    promised = {"probability": 0.9, "objectives": ["ttft p95 <= 1s"]}
    (other,) = compare([a, make_set(make_periods(), sla=promised)])
    assert notes(other) == ["SLA kept, goodput and availability are by each set's own objectives"]


def test_nothing_in_common_is_said_and_drawn_the_same_again(tmp_path):
    nothing = make_set(make_periods(0), "out/<b> & $x$")
    sets = [
        one._replace(latencies=one.latencies[:0]) for one in (make_set(make_periods()), nothing)
    ]
    comparisons = compare(sets)
    assert conclusion(comparisons).startswith("no figure that both have")
    (tmp_path / "comparison.html").write_text('<div data-panel="comparison_C_ttft-p95"></div>')
    (tmp_path / "comparison_C_ttft-p95.png").write_bytes(b"of an earlier comparison")
    (tmp_path / "holiday.png").write_bytes(b"of somebody")
    page = write_comparison(sets, comparisons, tmp_path).read_text()
    assert "There is no figure that both have" in page
    assert page.count("<svg") == 1 and "out/&lt;b&gt; &amp; $x$" in page
    assert write_comparison(sets, comparisons, tmp_path).read_text() == page
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "comparison.html", "comparison_p_sla.png", "comparison_p_sla.svg", "holiday.png",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_page_stands_alone(tmp_path):
    lost = np.arange(20) < 12
    worse = make_periods(kept=~lost, ttft_s_p95=np.where(lost, inf, 0.5))
    other = make_set(make_periods(25, ttft_s_p95=0.2), "other seed", seed=8)
    sets = [make_set(make_periods()), make_set(worse, "worse"), other]
    page = write_comparison(sets, compare(sets), tmp_path).read_text()
    names = {path.stem for path in tmp_path.glob("*.png")}
    assert names == {path.stem for path in tmp_path.glob("*.svg")}
    assert names >= {f"comparison_{metric}" for metric in ("p_sla", "ttft", "tpot", "e2e", "itl")}
    assert names >= {"comparison_B_ttft-p95", "comparison_C_ttft-p95"}
    assert page.count("<svg") == len(names)
    assert "http:" not in page.replace("http://www.w3.org", "") and "https:" not in page


def test_what_is_written_is_read(tmp_path):
    one = make_set(make_periods())
    again = read_set(write_set(tmp_path / "one", one), "one")
    assert again.replicas == 5 and again.objectives == one.objectives
    assert again.periods[one.periods.columns].equals(one.periods)
    assert len(again.latencies) == len(one.latencies)
