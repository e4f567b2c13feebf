"""The accuracy page and the terminal's lines, from figures made up here."""

import html
import re
from html.parser import HTMLParser
from typing import Any

import pytest

from reports.accuracy import page
from reports.accuracy_lines import accuracy_lines
from reports.accuracy_scales import BINS, histogram, histograms, parity, reach_pct

Data = dict[str, Any]
VOID = {"meta", "br"}
HOSTILE = "<script>alert(1)</script>"


def errors(median: float, cases: int = 2) -> Data:
    return {
        "cases": cases,
        "median_abs_error_pct": abs(median),
        "mean_abs_error_pct": abs(median) + 1.0,
        "median_signed_pct": median,
    }


def case_row(case_id: str, metric: str, error: float, **changes: Any) -> Data:
    row = {
        "dataset": "open", "case_id": case_id, "metric": metric, "measured": 200.0,
        "predicted": 200.0 * (1 + error / 100), "unit": "ms", "error_pct": error,
        "overloaded": False, "suspect": None, "model": "some/model", "gpu": "h100", "gpus": 2,
        "engine": "vllm", "precision": "bf16", "peers": {},
    }  # fmt: skip
    return row | changes


def accuracy() -> Data:
    """Two data sets, a peer, an overload, a suspect, a refusal."""
    counts = {"rows": 6, "simulated": 5, "regular": 3, "overloaded": 1, "suspect": 1, "refused": 1}
    summary = {"e2e_mean": errors(-3.0), "ttft_mean": errors(30.0), "decode": errors(4.0, 1)}
    opened = {metric: summary[metric] for metric in ("e2e_mean", "ttft_mean")}
    peer = errors(44.0) | {"ours_median_abs_error_pct": 3.0, "ours_mean_abs_error_pct": 4.0}
    reason = {"dataset": "static", "reason": "GPU 'Abacus' is not known", "cases": 1}
    return {
        "asked": {"folder": "truth", "split": "dev", "cases": [], "seeds": 3},
        "versions": {"python": "3.12", "fleetcast": "0.1"},
        "summary": summary,
        "overloads": {"e2e_mean": errors(-50.0, 1), "completed": errors(20.0, 1)},
        "datasets": {"open": opened, "static": {"decode": summary["decode"]}},
        "groups": {"open": {"GPU": {"h100": opened, "a100": {}}}, "static": {}},
        "peers": {"rival": {"e2e_mean": peer}},
        "peers_overloads": {"rival": {"e2e_mean": peer}},
        "requests": [
            {
                "dataset": "open", "case_id": "run-a", "requests": 9000, "ttft_correlation": None,
                "ttft_median_abs_error_pct": 5.0, "e2e_median_abs_error_pct": 2.0,
                "overloaded": False, "suspect": None,
            }
        ],
        "coverage": counts | {
            "datasets": {"open": counts, "static": counts},
            "refused_by_reason": [reason],
            "suspects": [{"dataset": "open", "reason": "not steady", "cases": 1}],
            "assumed": [{"dataset": "open", "assumption": "256 seats", "cases": 5}],
            "not_predicted": {"throughput": 1},
        },
        "refused": [{"dataset": "static", "case_id": "odd", "reason": reason["reason"]}],
        "cases": [
            case_row("run-a", "e2e_mean", -3.0),
            case_row("run-a", "ttft_mean", 30.0),
            case_row("run-b", "e2e_mean", -50.0, overloaded=True),
            case_row("run-c", "e2e_mean", 700.0, suspect="not steady"),
            case_row("batch", "decode", 4.0, dataset="static"),
        ],
    }  # fmt: skip


def nothing(data: Data) -> Data:
    """All refused."""
    empty: Data = {
        name: {} for name in ("summary", "overloads", "datasets", "groups", "peers",
                              "peers_overloads")
    }  # fmt: skip
    data["coverage"] |= {"simulated": 0, "suspects": [], "assumed": [], "not_predicted": {}}
    return data | empty | {"requests": [], "cases": []}


def overloads_only(data: Data) -> Data:
    """No regular case."""
    data["cases"] = [row for row in data["cases"] if row["overloaded"]]
    return data | {"summary": {}, "datasets": {}, "groups": {}, "peers": {}}


@pytest.mark.parametrize("change", [dict, nothing, overloads_only])
def test_page_is_whole_and_needs_nothing_from_outside(change: Any) -> None:
    text = page(change(accuracy()))
    assert balanced(text)
    for outside in ("http://", "https://", "src=", "@import", "<link", "url(", "<script"):
        assert outside not in text, outside
    assert "None" not in text_of(text) and "nan" not in text_of(text)
    assert page(change(accuracy())) == text


def test_page_says_what_was_found() -> None:
    plain = text_of(page(accuracy()))
    for said in (
        "simulated 5 measured runs of LLM serving engines (truth, split dev)",
        "3.0 % E2E mean: median error of 2 cases",
        "6 cases in the data: 3 in the figures, 1 overloaded and 1 suspect ones apart, 1 refused",
        "rival 44.0 % 3.0 %",
        "1 static GPU 'Abacus' is not known",
        "1 open not steady",
        "5 open 256 seats",
        "static odd: GPU 'Abacus' is not known",
        "run-b overloaded some/model 2 x h100, bf16, vllm -50.0 % 200 → 100",
        "not predicted by the simulator: Throughput (1 case)",
    ):
        assert said in plain, said


def test_figures_have_every_case_but_suspects() -> None:
    text = page(accuracy())
    points = re.findall(r"<circle class=\"([^\"]*)\".*?<title>(.*?)</title>", text)
    assert [(looks, name.split(":")[0]) for looks, name in points] == [
        ("c0", "run-a"), ("c0 hollow", "run-b"), ("c0", "run-a"), ("c1", "batch"),
    ]  # fmt: skip
    assert "200 measured, 260 predicted (+30.0 %)" in text


def test_page_follows_the_readers_colours_and_paper() -> None:
    text = page(accuracy())
    assert "prefers-color-scheme: dark" in text and "@media print" in text
    assert 'name="viewport"' in text


def test_names_are_text_and_never_markup() -> None:
    data = accuracy()
    data["asked"] |= {"folder": HOSTILE, "split": HOSTILE, "cases": [HOSTILE]}
    data["refused"][0] |= {"case_id": HOSTILE, "reason": HOSTILE}
    data["coverage"]["assumed"][0]["assumption"] = HOSTILE
    data["peers"][HOSTILE] = data["peers"].pop("rival")
    data["cases"].append(case_row(HOSTILE, HOSTILE, 5.0, dataset=HOSTILE, suspect=HOSTILE))
    text = page(data)
    assert "<script" not in text
    assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 10


# --- where things stand --------------------------------------------------------------------------


def test_a_perfect_prediction_lies_on_the_line() -> None:
    rows = [case_row(str(value), "e2e_mean", 0.0, measured=value, predicted=value)
            for value in (3.0, 40.0, 9000.0)]  # fmt: skip
    plot = parity(rows)
    places = [(point["x"], point["y"]) for point in plot["points"]]
    assert all(x - 52 == pytest.approx(306 - y, abs=0.11) for x, y in places)
    assert places == sorted(places, key=lambda place: place[0])
    assert [label for _, _, label in plot["ticks"]] == ["10", "100", "1k", "10k"]
    inside = (52 <= float(x) <= 350 and 8 <= float(y) <= 306
              for corner in plot["band"].split() for x, y in [corner.split(",")])  # fmt: skip
    assert all(inside)


def test_one_case_alone_is_drawn() -> None:
    (point,) = parity([case_row("a", "decode", 0.0)])["points"]
    assert (point["x"], point["y"]) == (201.0, 157.0)


def test_histogram_loses_no_case() -> None:
    found = [-400.0, -10.0, -0.1, 0.1, 5.0, 39.9, 41.0, 1e6]
    row = histogram("made", found, 40.0, 0.0)
    assert sum(bar["cases"] for bar in row["bars"]) == len(found)
    assert sum(bar["cases"] for bar in row["bars"] if bar["beyond"]) == 3
    assert len(row["bars"]) <= BINS + 2
    assert all(bar["x"] >= 10 and bar["x"] + bar["width"] <= 350 for bar in row["bars"])


@pytest.mark.parametrize(
    "found, reach",
    [([1.0, -2.0], 10.0), ([15.0] * 9, 20.0), ([1.0] * 99 + [900.0], 10.0), ([900.0], 100.0)],
)
def test_axis_reaches_nearly_all_errors(found: list[float], reach: float) -> None:
    assert reach_pct(found) == reach
    rows = [case_row(str(index), "decode", error) for index, error in enumerate(found)]
    assert histograms(rows)["rows"][0]["cases"] == len(found)


# --- the terminal --------------------------------------------------------------------------------


def test_lines_say_the_same() -> None:
    lines = accuracy_lines(accuracy())
    assert lines[0] == (
        "truth, split dev: 5 of 6 cases simulated (3 seeds where chance plays); "
        "apart: 1 overloaded, 1 suspect; 1 refused"
    )
    squeezed = [" ".join(line.split()) for line in lines]
    for said in (
        "E2E mean 2 3.0 % 4.0 % -3.0 %",
        "Decode step 1 4.0 % 5.0 % +4.0 %",
        "all data sets",
        "Completed 1 20.0 % 21.0 % +20.0 %",
        "E2E mean 2 44.0 % 45.0 % 3.0 % 4.0 %",
        "run-a 9,000 - 5.0 % 2.0 %",
        "1 static: GPU 'Abacus' is not known",
        "5 open: 256 seats",
    ):
        assert said in squeezed, said


def test_long_lists_are_cut_and_counted() -> None:
    data = accuracy()
    row = data["coverage"]["refused_by_reason"][0]
    data["coverage"]["refused_by_reason"] = [row] * 20
    assert any("8  in 8 more lines" in line for line in accuracy_lines(data))


# --- reading the page ----------------------------------------------------------------------------


def text_of(text: str) -> str:
    """What a reader sees, spaces and lines joined."""
    body = re.sub(r"<(style|svg).*?</\1>", "", text, flags=re.DOTALL)
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


def balanced(text: str) -> bool:
    """Whether every element is closed where it should be."""
    open_tags: list[str] = []
    wrong: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            if tag not in VOID:
                open_tags.append(tag)

        def handle_startendtag(self, tag: str, attrs: object) -> None:
            """Closed at once."""

        def handle_endtag(self, tag: str) -> None:
            if not open_tags or open_tags.pop() != tag:
                wrong.append(tag)

    Tags().feed(text)
    return not open_tags and not wrong
