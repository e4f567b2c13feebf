"""The tables of a result set: what their columns are called, hold and mean. Said here alone: files
are written so, and docs/reference/results.md is made of it."""

from collections.abc import Iterable
from typing import NamedTuple

import pyarrow as pa

from simulator.keep import SAMPLE_ROWS
from simulator.run import OUTCOMES

RESULTS_VERSION = 1
"""Of the files of a result set; another one has other tables, or says other things in them."""

NAME = pa.dictionary(pa.int16(), pa.string())
"""A few names, many rows."""
IDS = pa.list_(pa.int32())
SHARE, SECONDS = "share of one", "s"


class Column(NamedTuple):
    name: str
    type: pa.DataType
    unit: str
    """Empty where there is none."""
    meaning: str


class Table(NamedTuple):
    rows: str
    """What a row is of, in words."""
    about: str
    """Which of them there are."""
    columns: tuple[Column, ...]


REPLICATION = Column(
    "replication", pa.int32(), "",
    "the period: same number, same traffic and same failures, whatever the fleet",
)  # fmt: skip


def percentiles() -> Iterable[Column]:
    names = {
        "ttft": "arrival to first token", "tpot": "mean time per output token after the first",
        "e2e": "arrival to last token", "itl": "gap between two tokens",
    }  # fmt: skip
    for metric, meaning in names.items():
        for percent in ("50", "95", "99"):
            told = f"{meaning}: {percent} % are within; infinite where too many did not complete"
            yield Column(f"{metric}_s_p{percent}", pa.float64(), SECONDS, told)


FIXED = (
    Column("phase", pa.string(), "", "`screen`, `certify` or `simulate`"),
    Column("line", pa.int32(), "",
           "which line of the plan, by its place in `plan.json`; 0 without choices"),
    Column("replicas", pa.int32(), "", "size of the main pool"),
    REPLICATION,
    Column("kept", pa.bool_(), "", "whether the period kept its SLA"),
    Column("stopped_early", pa.bool_(), "",
           "it ended as soon as it was lost: its figures are of a part"),
    Column("requests", pa.int64(), "requests", "that arrived in the period"),
    *(Column(name, pa.int64(), "requests", f"of them, {told}") for name, told in zip(
        OUTCOMES,
        ("those answered in full", "those turned away", "those whose client gave up",
         "those lost with a replica", "those still under way at the end"),
        strict=True,
    )),
    *percentiles(),
    Column("error_rate", pa.float64(), SHARE, "requests that did not complete"),
    Column("goodput", pa.float64(), SHARE, "requests that completed within every latency limit"),
    Column("requests_per_s", pa.float64(), "1/s", "offered"),
    Column("output_tokens_per_s", pa.float64(), "tokens/s", "of completed requests"),
    Column("input_tokens_per_s", pa.float64(), "tokens/s", "of completed requests"),
    Column("busy_share", pa.float64(), SHARE,
           "time that a replica computes, mean over all there may be"),
    Column("kv_used_max", pa.float64(), SHARE,
           "KV blocks in use: the most of the timeline's samples"),
    Column("waiting_max", pa.int64(), "requests", "the most of the timeline's samples"),
    Column("replicas_up_min", pa.int64(), "replicas", "the fewest of the timeline's samples"),
    Column("preemptions", pa.int64(), "", "in all"),
    Column("retries", pa.int64(), "", "in all"),
    Column("prefix_hit_share", pa.float64(), SHARE, "prompt tokens found in the prefix cache"),
    Column("prefill_tokens_per_s", pa.float64(), "tokens/s", "prompt tokens computed"),
    Column("steps", pa.int64(), "", "engine steps"),
    Column("availability", pa.float64(), SHARE,
           "one-minute windows, by arrival, whose error rate is within the promised `error_rate`, "
           "or within 1 % if none is promised; a shorter period is one window"),
    Column("gpu_hours_paid", pa.float64(), "GPU-hours",
           "from provisioning on: replicas that start, serve, close or are broken, spares, warm "
           "pool; not a spot node that is gone"),
    Column("gpu_hours_useful", pa.float64(), "GPU-hours", "while an engine step computes"),
    Column("useful_share", pa.float64(), SHARE, "useful GPU-hours of those paid"),
    Column("cold_start_minutes", pa.float64(), "replica-minutes",
           "from provisioned, or repaired, to serving"),
    Column("down_s", pa.list_(pa.float64()), SECONDS,
           "with exactly 0, 1, 2 ... replicas down, that is wanted and not up: broken, or starting "
           "after that"),
    Column("some_down_s", pa.float64(), SECONDS, "with one or more down"),
    Column("replicas_down_max", pa.int64(), "replicas", "most down at a time"),
    Column("incidents", pa.int64(), "",
           "faults that struck in the period or were under way at its start"),
    Column("requests_hit", pa.int64(), "requests", "that lost a replica to a fault"),
    Column("tokens_lost", pa.int64(), "tokens",
           "whose KV was lost with a replica, to be computed again"),
)  # fmt: skip

OF_A_POOL = {
    "gpus_paid_": Column("gpus_paid_0", pa.float64(), "GPUs",
                         "paid for on average, by pool (`_0`, `_1` ...); spares and warm pool are "
                         "the main pool's, the first"),
    "gpus_useful_": Column("gpus_useful_0", pa.float64(), "GPUs",
                           "that compute an engine step, on average, by pool"),
}  # fmt: skip
NAMED = {
    "incidents: ": Column("incidents: NAME", pa.int64(), "", "of the scenario's fault NAME"),
    "retried: ": Column("retried: NAME", pa.int64(), "requests",
                        "that it hit last, and that completed in the end"),
    "lost: ": Column("lost: NAME", pa.int64(), "requests",
                     "that it hit last, and that did not complete"),
    "input: ": Column("input: PATH", pa.float64(), "base units",
                      "what was drawn of an uncertain input (s, 1/s, a share of one); of "
                      "`step_time` the factor. Absent where all inputs are certain"),
}  # fmt: skip
OBJECTIVE = Column(
    "an objective's text", pa.float64(), "s, or share of one",
    "the figure that the objective is about; the name is such as `ttft p95 <= 500ms`",
)  # fmt: skip
"""Columns whose names depend on the scenario: those that begin so, and any other."""

TABLES = {
    "replications": Table(
        "simulated period",
        "Every period that counted, of every size that was tried.",
        (*FIXED, *OF_A_POOL.values(), *NAMED.values(), OBJECTIVE)
    ),
    "requests": Table(
        "request",
        f"Of all periods of the shown fleet, as `--keep` says: all, at most {SAMPLE_ROWS:,} of "
        "each, drawn without replacement, or none. No figure depends on them.",
        (
            REPLICATION,
            Column("arrival_s", pa.float64(), SECONDS,
                   "when it arrived; 0 is the start of the period"),
            Column("group", NAME, "", "its traffic group"),
            Column("input_tokens", pa.int32(), "tokens", "of the prompt"),
            Column("output_tokens", pa.int32(), "tokens", "of the answer"),
            Column("first_token_s", pa.float64(), SECONDS,
                   "when its client read the first token; NaN: none came"),
            Column("finish_s", pa.float64(), SECONDS, "when it left, however; NaN: unfinished"),
            Column("replica", pa.int32(), "", "the last one that held it; -1: none"),
            Column("preemptions", pa.int32(), "", "how often it was preempted"),
            Column("retries", pa.int32(), "", "how often it was sent again"),
            Column("outcome", NAME, "", ", ".join(f"`{name}`" for name in OUTCOMES)),
            Column("cached_tokens", pa.int32(), "tokens",
                   "of the prompt, found in the prefix cache at its last admission"),
            Column("fault", NAME, "",
                   "the last fault that hit it, by name: its replica was broken while it was "
                   "there; null: none did"),
            Column("tenant", NAME, "", "whose it is"),
            Column("sla_class", NAME, "", "the SLA class of its group"),
            Column("weight", pa.float64(), "requests", "of its period, that the row stands for"),
        ),
    ),
    "latencies": Table(
        "filled bin of a histogram",
        "Of all requests of all periods of the shown fleet, whatever `--keep` says.",
        (
            REPLICATION,
            Column("metric", NAME, "", "`ttft`, `tpot`, `e2e` or `itl`"),
            Column("group", NAME, "", "traffic group; null for `itl`, which is of all"),
            Column("time_s", pa.float64(), SECONDS,
                   "middle of the bin, at most 0.4 % from what is in it; infinite for requests "
                   "that did not complete"),
            Column("count", pa.int64(), "requests, or gaps", "in the bin"),
        ),
    ),
    "timeline": Table(
        "sample of a period",
        "Of all periods of the shown fleet, some 120 samples of each.",
        (
            REPLICATION,
            Column("time_s", pa.float64(), SECONDS, "the instant of the sample"),
            Column("replicas_up", pa.int32(), "replicas", "live"),
            Column("waiting", pa.int32(), "requests", "in queues"),
            Column("running", pa.int32(), "requests", "in batches"),
            Column("kv_used", pa.float64(), SHARE, "KV blocks in use on live replicas"),
            Column("arrivals", pa.int32(), "requests", "that arrived since the sample before"),
        ),
    ),
    "incidents": Table(
        "fault",
        "Of all periods of the shown fleet: faults that struck in the period, and those under way "
        "at its start.",
        (
            REPLICATION,
            Column("fault", pa.string(), "", "its name in the scenario"),
            Column("component", pa.string(), "",
                   "what broke: `gpu-17`, `node-3`, `zone-a`, `replica-4`"),
            Column("replicas", IDS, "", "ids of the replicas it took"),
            Column("begin_s", pa.float64(), SECONDS, "when it struck; below 0: before the period"),
            Column("noticed_s", pa.float64(), SECONDS,
                   "when somebody knew; NaN: not before the end of the run"),
            Column("end_s", pa.float64(), SECONDS,
                   "when it was repaired, likewise; the start of the replica comes after"),
        ),
    ),
}  # fmt: skip


def schema(table: str) -> pa.Schema:
    """Of a table whose columns do not depend on the scenario: any but `replications`."""
    return pa.schema([(column.name, column.type) for column in TABLES[table].columns])


def replications_schema(names: Iterable[str]) -> pa.Schema:
    """Of `replications` with these columns."""
    return pa.schema([(name, column_called(name).type) for name in names])


def column_called(name: str) -> Column:
    """What a column of `replications` is.

    >>> column_called("lost: gpu-hbm").unit, column_called("ttft p95 <= 1s").name
    ('requests', "an objective's text")
    """
    beginnings = (OF_A_POOL | NAMED).items()
    known = [column for column in FIXED if column.name == name]
    known += [column for beginning, column in beginnings if name.startswith(beginning)]
    return known[0] if known else OBJECTIVE
