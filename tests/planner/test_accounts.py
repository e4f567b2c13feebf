"""What failures cost and what is paid for, over periods; each figure has a row in the reference."""

from dataclasses import replace
from io import BytesIO

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.accounts import fleet_accounts, time_down
from planner.cost import HOURS_PER_MONTH, fleet_cost
from planner.evidence import write_tables
from planner.metrics import estimates, figures, table
from scenarios.objectives import parse_objective
from simulator.control.accounts import Accounts, Toll
from simulator.estimates import mean_estimate
from simulator.histogram import histogram
from simulator.keeping import Period
from simulator.record import read_record, read_rows, record_bytes, rows_bytes, rows_of
from simulator.record import run_of as run_of_files
from simulator.run import COMPLETED, LOST, REJECTED, Run, incident_frame
from simulator.tables import OBJECTIVE, column_called, replications_schema, schema
from tests.oracles.small import small_scenario

S = 10**9
FAULTS = {
    "faults": [
        {"name": "gpu", "scope": "gpu", "mtbf": "100h", "repair": {"time": "1h", "hands_on": True}},
        {"name": "host", "scope": "node", "mtbf": "100h", "repair": "1h"},
    ]
}


def run_of(down_s=(170.0, 10.0), gpu_hit=3, host_hit=1, incidents=None):
    """180 s of two replicas of one GPU; ten requests, of which the last two do not complete."""
    n = 10
    fault = np.array([0] * gpu_hit + [-1] * (n - gpu_hit - host_hit) + [1] * host_hit)
    arrival_s = np.arange(n, dtype=float) * 15
    return Run(
        arrival_s=arrival_s,
        input_tokens=np.full(n, 100),
        output_tokens=np.full(n, 11),
        group=np.zeros(n, dtype=int),
        first_token_s=arrival_s + 0.1,
        finish_s=arrival_s + 0.3,
        replica=np.zeros(n, dtype=int),
        preemptions=np.zeros(n, dtype=int),
        retries=np.zeros(n, dtype=int),
        outcome=np.array([COMPLETED] * (n - 2) + [REJECTED, LOST]),
        cached_tokens=np.zeros(n, dtype=int),
        fault=fault.astype(np.int16),
        faults=("gpu", "host"),
        horizon_s=180.0,
        itl_histogram=histogram({20_000_000: 1}),
        timeline=pd.DataFrame(
            {
                "time_s": [0.0],
                "replicas_up": [2],
                "waiting": [0],
                "running": [1],
                "kv_used": [0.5],
                "arrivals": [10],
            }
        ),
        incidents=incident_frame() if incidents is None else incidents,
        accounts=Accounts(
            horizon_ns=180 * S,
            gpu_ns=((10 * S, 340 * S, 0, 10 * S),),
            ready_gpu_ns=0,
            spare_gpu_ns=0,
            busy_gpu_ns=(90 * S,),
            starting_ns=10 * S,
            down_ns=tuple(round(each * S) for each in down_s),
            tolls=(
                Toll("gpu", 2, 2, 0, 1.0, 5.0, gpu_hit, 0),
                Toll("host", 1, 2, 1, None, None, 0, host_hit),
            ),
            tokens_lost=77,
        ),
        steps=1,
        prefill_tokens=1000,
        busy_share=0.25,
        stopped_early=False,
    )


TWO_INCIDENTS = incident_frame(
    {
        "fault": ["gpu", "host"],
        "component": ["gpu-1", "node-0"],
        "replicas": [[1], [0, 1]],
        "begin_s": [-3.5, 20.0],
        "noticed_s": [1.0, float("nan")],
        "end_s": [50.25, float("nan")],
    }
)


# --- figures of one period -----------------------------------------------------------------------


def test_a_row_has_the_accounts_of_its_run():
    row = figures(run_of(), [parse_objective("availability >= 99%")])
    assert row["gpu_hours_paid"] == pytest.approx(360 / 3600)
    assert row["gpu_hours_useful"] == pytest.approx(90 / 3600)
    assert row["useful_share"] == 0.25
    assert row["cold_start_minutes"] == pytest.approx(1 / 6)
    assert row["down_s"] == [170.0, 10.0]
    assert (row["some_down_s"], row["replicas_down_max"]) == (10.0, 1)
    assert (row["incidents"], row["requests_hit"], row["tokens_lost"]) == (3, 4, 77)
    assert (row["gpus_paid_0"], row["gpus_useful_0"]) == (2.0, 0.5)
    assert (row["incidents: gpu"], row["retried: gpu"], row["lost: gpu"]) == (2, 3, 0)
    assert (row["incidents: host"], row["retried: host"], row["lost: host"]) == (1, 0, 1)
    # Of three minutes the last one has errors.
    assert row["availability"] == row["availability >= 99%"] == pytest.approx(2 / 3)


def test_every_figure_is_a_stated_column():
    row = figures(run_of(), [parse_objective("ttft p95 <= 1s")])
    assert [name for name in row if column_called(name) == OBJECTIVE] == ["ttft p95 <= 1s"]


# --- on disk -------------------------------------------------------------------------------------


def test_a_run_survives_the_disk(tmp_path):
    run = run_of(incidents=TWO_INCIDENTS)
    record, rows = read_record(record_bytes(run)), read_rows(BytesIO(rows_bytes(rows_of(run))))
    again = run_of_files(record, rows)
    assert again.accounts == run.accounts
    assert again.faults == run.faults
    pd.testing.assert_frame_equal(again.incidents, run.incidents)
    pd.testing.assert_frame_equal(again.timeline, run.timeline)
    assert again.itl_histogram.tolist() == run.itl_histogram.tolist()
    assert again.fault.tolist() == run.fault.tolist()
    assert again.fault.dtype == run.fault.dtype
    assert record.requests == len(run)


def test_no_incidents_have_the_columns_and_types_of_some():
    again = read_record(record_bytes(run_of()))
    pd.testing.assert_frame_equal(again.incidents, incident_frame())
    assert again.incidents.dtypes.tolist() == TWO_INCIDENTS.dtypes.tolist()


def kept(runs):
    """As the store has them."""
    return [Period(number, read_record(record_bytes(run)), rows_of(run)) for number, run in runs]


def test_tables_tell_the_fault_of_each_request_and_every_incident(tmp_path):
    runs = [(4, run_of(incidents=TWO_INCIDENTS)), (5, run_of()), (6, run_of(gpu_hit=0, host_hit=0))]
    rows = table([figures(run, []) for _, run in runs])
    files = write_tables(tmp_path, rows, kept(runs), small_scenario().traffic, "all")
    assert files == [
        "replications.parquet", "requests.parquet", "latencies.parquet", "timeline.parquet",
        "incidents.parquet",
    ]  # fmt: skip
    written = pq.read_schema(tmp_path / files[0])
    assert written.equals(replications_schema(rows.columns))
    for file in files[1:]:
        assert pq.read_schema(tmp_path / file).equals(schema(file.removesuffix(".parquet")))
    requests = pd.read_parquet(tmp_path / "requests.parquet")
    assert requests["fault"].tolist()[:4] == ["gpu", "gpu", "gpu", np.nan]
    assert requests.groupby("replication")["fault"].count().tolist() == [4, 4, 0]
    assert (
        pq.read_schema(tmp_path / "requests.parquet").field("fault").type.value_type
    ) == "string"
    incidents = pd.read_parquet(tmp_path / "incidents.parquet")
    assert incidents["replication"].tolist() == [4, 4]
    assert [list(ids) for ids in incidents["replicas"]] == [[1], [0, 1]]
    assert incidents["component"].tolist() == ["gpu-1", "node-0"]
    assert incidents["end_s"].isna().tolist() == [False, True]
    periods = pd.read_parquet(tmp_path / "replications.parquet")
    assert [list(times) for times in periods["down_s"]] == [[170.0, 10.0]] * 3


def test_tables_of_periods_without_faults_have_the_same_columns(tmp_path):
    plain = replace(run_of(gpu_hit=0, host_hit=0), faults=())
    write_tables(
        tmp_path, table([figures(plain, [])]), kept([(0, plain)]), small_scenario().traffic, "all"
    )
    assert pd.read_parquet(tmp_path / "requests.parquet")["fault"].isna().all()
    incidents = pd.read_parquet(tmp_path / "incidents.parquet")
    assert incidents.columns.tolist() == ["replication", *TWO_INCIDENTS.columns]
    assert incidents.empty


# --- over periods --------------------------------------------------------------------------------


def test_accounts_are_means_and_sums_over_periods():
    runs = [run_of((180.0,)), run_of((90.0, 90.0)), run_of((0.0, 90.0, 90.0))]
    accounts = fleet_accounts(small_scenario(failures=FAULTS, horizon="180s"),
                              table([figures(run, []) for run in runs]))  # fmt: skip
    assert (accounts["periods"], accounts["available_error_rate"]) == (3, 0.01)
    one, two = accounts["down"]
    assert (one["replicas"], two["replicas"]) == (1, 2)
    assert one["exactly"]["value"] == pytest.approx(1 / 3)
    assert one["or_more"]["value"] == pytest.approx(1 / 2)
    assert two["exactly"]["value"] == two["or_more"]["value"] == pytest.approx(1 / 6)
    assert (two["or_more"]["low"], one["or_more"]["high"]) == (0.0, 1.0), "a share is no more"
    assert accounts["faults"] == [
        {"fault": "gpu", "incidents": 6, "retried": 9, "lost": 0},
        {"fault": "host", "incidents": 3, "retried": 0, "lost": 3},
    ]
    assert accounts["means"]["tokens_lost"]["value"] == 77
    assert np.isinf(accounts["means"]["tokens_lost"]["high"]), "all agree: the spread is not known"


def test_a_fleet_that_neither_fails_nor_changes_has_none():
    periods = table([figures(run_of(), [])])
    assert fleet_accounts(small_scenario(), periods) is None
    assert fleet_accounts(small_scenario(failures=FAULTS), periods.iloc[:0]) is None
    promised = small_scenario(
        failures=FAULTS, sla={"probability": 0.9, "objectives": ["error_rate <= 0.1%"]}
    )
    assert fleet_accounts(promised, periods)["available_error_rate"] == 0.001


def test_medians_have_intervals_as_all_others():
    rows = table([figures(run_of((180.0 - x, x)), []) for x in np.arange(1.0, 10.0)])
    found = estimates(rows)
    assert found["some_down_s"] == (5.0, 2.0, 8.0, 9)
    assert found["availability"].value == pytest.approx(2 / 3)
    assert found["gpu_hours_paid"].replications == 9


@settings(deadline=None, max_examples=100)
@given(st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=5), min_size=1, max_size=8))
def test_shares_of_time_add_up(times):
    """Each row is one period; what is not told is time without any down."""
    horizon_s = 300.0
    down_s = [[horizon_s - sum(row), *map(float, row)] for row in times]
    down = time_down(down_s, horizon_s)
    none_down = np.mean([row[0] for row in down_s]) / horizon_s
    assert sum(each["exactly"]["value"] for each in down) == pytest.approx(1 - none_down)
    assert down[0]["or_more"]["value"] == pytest.approx(1 - none_down)
    values = [each["or_more"]["value"] for each in down]
    assert values == sorted(values, reverse=True)


def test_the_interval_of_a_mean_holds_it_as_often_as_it_says():
    rng = np.random.default_rng(3)
    samples = rng.exponential(2.0, (2_000, 40)) + rng.exponential(2.0, (2_000, 40))
    inside = [low <= 4.0 <= high for _, low, high, _ in map(mean_estimate, samples)]
    assert 0.93 < np.mean(inside) < 0.97
    assert mean_estimate([]).replications == 0
    assert mean_estimate([5.0]) == (5.0, -np.inf, np.inf, 1)
    assert mean_estimate([0.0] * 9) == (0.0, -np.inf, np.inf, 9)


# --- cost ----------------------------------------------------------------------------------------

PRICE = {"h100-sxm-80gb": "2.95 USD/h", "l4-24gb": "0.71 USD/h"}
OTHERS = [{"name": "b", "replicas": 3, "replica": {"gpu": "l4-24gb", "engine": {"name": "vllm"}}}]


NEVER_RUN = pd.DataFrame(columns=["output_tokens_per_s", "input_tokens_per_s"])


def periods_of(*runs):
    return table([figures(run, []) for run in runs])


def test_a_fixed_fleet_is_paid_for_as_before():
    """Broken or not, to the last digit: failures do not move the price of a fixed fleet."""
    fleet = {"replicas": 7, "others": OTHERS}
    served = periods_of(run_of(), run_of((90.0, 90.0))).assign(gpus_useful_1=0.0)
    for failures in (None, FAULTS):
        scenario = small_scenario(fleet=fleet, price=PRICE, failures=failures, horizon="180s")
        cost = fleet_cost(scenario, 7, served)
        expected = 2.95 * 7 * 1 + 0.71 * 3 * 1
        assert cost.usd_per_hour == expected
        assert cost.usd_per_month == expected * HOURS_PER_MONTH
        assert cost.usd_per_gpu_hour == expected / 10
        assert cost.gpus_paid == 10
        tokens = 2 * 8 * 111
        spent = expected * 0.1
        assert cost.usd_per_million_tokens == pytest.approx(spent / tokens * 1e6)


def test_spares_are_paid_for():
    failures = FAULTS | {"spares": {"nodes": 2}}
    fleet = {"replicas": 5, "topology": {"gpus_per_node": 4}}
    cost = fleet_cost(small_scenario(fleet=fleet, price=PRICE, failures=failures), 5, NEVER_RUN)
    assert cost.gpus_paid == 13
    assert cost.usd_per_hour == pytest.approx(13 * 2.95)
    assert cost.usd_per_gpu_hour == pytest.approx(2.95)
    assert cost.usd_per_replica_hour == 2.95


def scaled(run, gpus):
    """The same period with so many GPUs paid for."""
    accounts = replace(run.accounts, gpu_ns=((0, round(gpus * 180) * S, 0, 0),))
    return replace(run, accounts=accounts)


@pytest.mark.parametrize(
    "parts",
    [
        {"fleet": {"replicas": 2, "autoscaling": {
            "replicas": "1..4", "target_outstanding": 3, "startup": "5s"}}},
        {"failures": {"faults": [{"name": "spot", "scope": "node", "mtbf": "1h", "repair": "5min",
                                  "paid": False}]}},
        {"failures": {"rollout": {"starts": "10s", "max_surge": 1}}},
    ],
)  # fmt: skip
def test_what_comes_and_goes_is_paid_by_what_runs(parts):
    scenario = small_scenario(price=PRICE, **parts)
    cost = fleet_cost(scenario, 2, periods_of(scaled(run_of(), 1.5), scaled(run_of(), 2.5)))
    assert cost.gpus_paid == 2.0
    assert cost.usd_per_hour == pytest.approx(2 * 2.95)
    # A size that was never run: what it has at the start.
    assert fleet_cost(scenario, 4, NEVER_RUN).gpus_paid == 4
