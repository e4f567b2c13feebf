"""Cells of a sweep: which can be, which are a mistake, what shards have of them, and the check."""

from types import SimpleNamespace

import pytest

from planner.sequential import accept_boundary, rejects
from planner.shards import Shard
from planner.sweep import cells_of, mistakes, periods_of, share_of, simulated
from planner.sweep_check import as_data, check_cells
from planner.sweep_data import as_json, cells_table
from planner.sweep_design import rows
from scenarios.lines import variant
from scenarios.loading import restore
from scenarios.varied import parse_varied
from tests.oracles.small import small_scenario

SLA = {"probability": 0.9, "objectives": ["ttft p95 <= 2s", "error_rate <= 5%"]}
ALPHA = 1.0 - 0.95
PRICE = {"h100-sxm-80gb": "3 USD/h"}


def swept(*texts, base=None):
    """The base, what varies, and the cells of a grid."""
    base = base or small_scenario(sla=SLA, price=PRICE)
    varied = [parse_varied(text, []) for text in texts]
    chosen = rows("grid", varied, None, base.seed)
    data = base.as_yaml_data()
    return base, varied, list(cells_of(varied, chosen, lambda more: restore(data, "x", more)))


def told(*texts):
    return [str(fault) for fault in mistakes(*swept(*texts))]


def figures(kept, ttft_s=1.0):
    row = {"kept": kept, "ttft p95 <= 2s": ttft_s, "error_rate <= 5%": 0.0}
    return row | {"output_tokens_per_s": 1.0, "input_tokens_per_s": 1.0, "gpus_useful_0": 0.5}


# --- cells ----------------------------------------------------------------------------------------


def test_a_cell_is_the_scenario_with_its_values():
    base, _, cells = swept("fleet.replicas=2..3", "traffic.all.arrivals.rate=4/s,6/s")
    assert [cell.values["fleet.replicas"] for cell in cells] == ["2", "2", "3", "3"]
    last = cells[-1].scenario
    assert (last.fleet.replicas, last.traffic[0].arrivals.rate_per_s) == (3, 6.0)
    assert last == variant(base, {"fleet.replicas": 3, "traffic.0.arrivals.rate": "6/s"})


def test_what_cannot_be_is_a_fact_and_no_mistake():
    base, varied, cells = swept("fleet.replicas=1,2", "replica.precision=bf16,nvfp4")
    assert mistakes(base, varied, cells) == []
    assert [cell.scenario is None for cell in cells] == [False, True, False, True]
    assert cells[1].why_not.startswith("replica: precision the GPU does not compute in (allowed: ")


@pytest.mark.parametrize(
    "texts, message",
    [
        (("fleet.replicas=0..2",), "--set fleet.replicas=0: fleet.replicas: got 0"),
        (("fleet.replics=1,2",), "did you mean `replicas`?"),
        (("traffic.al.arrivals.rate=1/s,2/s",), "did you mean `all`?"),
        (("traffic.all.arrivals.rate=1,2/s",), "traffic.0.arrivals.rate: got 1\n"),
        (("replica.gpu=h100-sxm-80gb,a100-sxm-80gb",), "price.gpus: no price for a100-sxm-80gb"),
        (("replica.precision=nvfp4,mxfp4",), "replica"),
        (("fleet.replicas=1,2", "fleet.replicas=5"), "the same key again"),
        (("fleet.replicas=1,2", "fleet.replicas=1,2"), "the same key again"),
        (("traffic.all.priority=1,2", "traffic.0.priority=3"), "the same key again"),
    ],
)
def test_a_value_that_no_cell_can_have_is_a_mistake(texts, message):
    assert message in "\n".join(told(*texts))


# --- what is simulated ----------------------------------------------------------------------------


class FakeRuns:
    """Runs that are numbers; remembers what was begun, and how far ahead."""

    def __init__(self, name, ahead, log):
        self.name, self.executor, self.log = name, SimpleNamespace(ahead=ahead), log

    def start_ahead(self, trial, coming):
        self.log.append(("begin", self.name, trial.replication))

    def __call__(self, trial, coming):
        self.log.append(("ask", self.name, trial.replication))
        return {"kept": True}

    def period(self, trial):
        return (self.name, trial)


@pytest.mark.parametrize("ahead", [0, 1, 3, 50])
def test_every_period_is_begun_once_and_workers_never_wait_for_the_next_cell(ahead):
    _, _, cells = swept("fleet.replicas=1..3")
    log = []
    runs = {cell.number: FakeRuns(cell.number, ahead, log) for cell in cells}
    periods = periods_of(cells, 4)
    assert len(list(simulated(periods, runs))) == 12
    asked = [event[1:] for event in log if event[0] == "ask"]
    begun = [event[1:] for event in log if event[0] == "begin"]
    assert asked == begun == [(cell.number, index) for cell, index in periods]
    for place, name in enumerate(asked):
        before = log[: log.index(("ask", *name))]
        count = sum(event[0] == "begin" for event in before)
        assert count == min(place + 1 + ahead, 12)


def test_shards_have_every_period_once_and_equal_parts():
    _, _, cells = swept("fleet.replicas=1..3", "sla.probability=0.8,0.9")
    same = {cell.number: FakeRuns(cell.values["fleet.replicas"], 0, []) for cell in cells}
    periods = periods_of(cells, 5)
    shares = [share_of(periods, Shard(number, 4), same) for number in range(1, 5)]
    names = [
        same[cell.number].period((cell.scenario.fleet.replicas, i)) for s in shares for cell, i in s
    ]
    assert len(names) == len(set(names)) == 15  # a promise changes no run
    assert sorted(map(len, shares)) == [3, 4, 4, 4]


# --- data -----------------------------------------------------------------------------------------


def test_data_have_numbers_in_base_units_and_what_was_asked():
    base, varied, cells = swept(
        "traffic.all.arrivals.rate=60/min,2/s", "replica.precision=bf16,nvfp4", "horizon=1min"
    )
    seen = {1: [figures(True)] * 6, 3: [figures(True), figures(False, 4.0)]}
    data = as_json(base, "grid", varied, cells, seen)
    rate, precision = data["keys"]
    assert (rate["key"], rate["unit"]) == ("traffic.all.arrivals.rate", "/s")
    assert precision["unit"] is None
    first, impossible, third, _ = data["cells"]
    assert first["values"] == {"traffic.all.arrivals.rate": 1.0, "replica.precision": "bf16"}
    assert first["asked"]["traffic.all.arrivals.rate"] == "60/min"
    assert first["p_sla"]["value"] == 1.0 and first["p_sla"]["low"] == pytest.approx(
        0.5407, abs=1e-4
    )
    assert first["usd_per_month"] == 2 * 3 * 720
    assert (
        impossible["fate"] == "impossible" and impossible["values"]["replica.precision"] == "nvfp4"
    )
    assert third["kept"] == 1 and third["objectives"][0]["used"] == 1.25
    table = cells_table(data)
    assert table["traffic.all.arrivals.rate"].tolist()[0] == 1.0
    assert table["text: traffic.all.arrivals.rate"].tolist() == ["60/min", "60/min", "2/s", "2/s"]


# --- the check ------------------------------------------------------------------------------------


def checked(verdicts_of, *texts):
    """A check of cells whose periods are kept as `verdicts_of(cell number)` says."""
    base, _, cells = swept(*texts)
    streams = {cell.number: iter(verdicts_of(cell.number)) for cell in cells}

    def figures_of(cell, scenario, trial):
        assert trial.complete and scenario == cell.scenario
        kept = bool(next(streams[cell.number]))
        return figures(kept, 1.0 if kept else 3.0)

    return as_data(base, list(check_cells(cells, figures_of)))


def test_all_hold_when_each_does():
    data = checked(lambda number: [True] * 1000, "fleet.replicas=1..3")
    assert data["verdict"] == "holds"
    needed = accept_boundary(0.9, ALPHA, 600)[0]
    assert {cell["replications"] for cell in data["cells"]} == {needed}


def test_one_that_does_not_hold_is_enough_and_says_what_broke():
    data = checked(lambda number: [number != 2] * 1000, "fleet.replicas=1..3")
    assert data["verdict"] == "does not hold"
    bad = data["cells"][1]
    assert bad["verdict"] == "does not hold"
    broken = {one["objective"]: one["periods"] for one in bad["broken"]}
    assert broken == {"ttft p95 <= 2s": bad["failed"], "error_rate <= 5%": 0}


def test_a_cell_that_cannot_be_does_not_hold_and_an_open_one_leaves_it_undecided():
    data = checked(lambda _: [True] * 1000, "replica.precision=bf16,nvfp4")
    assert data["verdict"] == "does not hold"
    assert [cell["verdict"] for cell in data["cells"]] == ["holds", "impossible"]
    open_cell = [index % 10 != 9 for index in range(10_000)]
    data = checked(lambda number: open_cell if number == 1 else [True] * 1000, "fleet.replicas=1,2")
    assert data["verdict"] == "undecided"


@pytest.mark.parametrize("cells", [2, 40])
def test_alpha_is_shared_over_cells_to_reject_and_whole_to_certify(cells):
    """(tests/planner/test_holding.py shows that the test itself errs as seldom as it says.)"""
    data = checked(lambda number: [number > 1] * 1000, f"fleet.replicas=1..{cells}")
    bad, *others = data["cells"]
    runs = bad["replications"]
    assert rejects(0.9, ALPHA / cells, runs, runs) and not rejects(
        0.9, ALPHA / cells, runs - 1, runs - 1
    )
    assert {cell["replications"] for cell in others} == {accept_boundary(0.9, ALPHA, 600)[0]}
