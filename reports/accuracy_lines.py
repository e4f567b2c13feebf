"""The accuracy of a validation (calibration.accuracy.as_json) as lines of text for a terminal."""

from collections.abc import Iterable, Iterator
from typing import Any

from reports.tables import counted

Data = dict[str, Any]

WORDS = {"e2e": "E2E", "ttft": "TTFT", "tpot": "TPOT", "itl": "ITL"}
NAMES = {"prefill": "Prefill", "decode": "Decode step", "throughput": "Throughput",
         "completed": "Completed"}  # fmt: skip
LESSER = ("_p50", "_p95", "_p99")
REASONS_SHOWN = 12
"""Of refusals, of suspects, of assumptions; the rest is counted."""
NAME_WIDTH = 30


def metric_name(metric: str) -> str:
    """
    >>> metric_name("ttft_p90"), metric_name("decode"), metric_name("oddity")
    ('TTFT p90', 'Decode step', 'oddity')
    """
    latency, _, statistic = metric.partition("_")
    if latency in WORDS:
        return f"{WORDS[latency]} {statistic}".strip()
    return NAMES.get(metric, metric)


def percents(value: float | None, signed: bool = False) -> str:
    """
    >>> percents(1.234), percents(-1.2, signed=True), percents(3456.7), percents(None)
    ('1.2 %', '-1.2 %', '3,457 %', '-')
    """
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 99.95 else 1
    rounded = round(value, digits) + 0.0  # never -0.0
    return f"{rounded:{'+' if signed else ''},.{digits}f} %"


def accuracy_lines(data: Data) -> list[str]:
    """What `fleetcast validate` prints."""
    return [
        coverage_line(data),
        *error_lines(data),
        *peer_lines("other simulators, and ours on the same cases", data["peers"]),
        *peer_lines("other simulators on overloaded cases", data["peers_overloads"]),
        *request_lines(data["requests"]),
        *reason_lines("refused", data["coverage"]["refused_by_reason"], "reason"),
        *reason_lines("suspect, kept out of the figures", data["coverage"]["suspects"], "reason"),
        *reason_lines("assumed", data["coverage"]["assumed"], "assumption"),
    ]


def coverage_line(data: Data) -> str:
    """'truth, split dev: 37 of 38 cases simulated (3 seeds); apart: 4 overloaded; 1 refused'."""
    covered, asked = data["coverage"], data["asked"]
    where = asked["folder"] + (f", split {asked['split']}" if asked["split"] else "")
    apart = [f"{covered[kind]:,} {kind}" for kind in ("overloaded", "suspect") if covered[kind]]
    return (
        f"{where}: {covered['simulated']:,} of {counted(covered['rows'], 'case')} simulated "
        f"({counted(asked['seeds'], 'seed')} where chance plays)"
        + (f"; apart: {', '.join(apart)}" if apart else "")
        + (f"; {covered['refused']:,} refused" if covered["refused"] else "")
    )


def error_lines(data: Data) -> Iterator[str]:
    """Errors per data set and metric, of all of them, of overloads."""
    tables = dict(data["datasets"])
    if len(tables) > 1:
        tables["all data sets"] = data["summary"]
    if data["overloads"]:
        tables["overloaded"] = data["overloads"]
    if tables:
        yield ""
        yield row("error, % of measured", ("cases", "median", "mean", "bias"))
    for name, metrics in tables.items():
        yield name
        for metric, each in main_metrics(metrics).items():
            # Outside overloads everything completes.
            if metric != "completed" or name == "overloaded":
                yield row(f"  {metric_name(metric)}", (f"{each['cases']:,}", *errors(each)))


def main_metrics(metrics: Data) -> Data:
    """Without the percentiles that stand beside a mean; p90, which most data have, stays.

    >>> list(main_metrics({"e2e_mean": {}, "e2e_p90": {}, "e2e_p99": {}, "ttft_p50": {}}))
    ['e2e_mean', 'e2e_p90', 'ttft_p50']
    """
    return {
        metric: each
        for metric, each in metrics.items()
        if not metric.endswith(LESSER) or f"{metric.partition('_')[0]}_mean" not in metrics
    }


def errors(each: Data) -> tuple[str, str, str]:
    return (
        percents(each["median_abs_error_pct"]),
        percents(each["mean_abs_error_pct"]),
        percents(each["median_signed_pct"], signed=True),
    )


def row(name: str, cells: Iterable[str]) -> str:
    return f"{name:<{NAME_WIDTH}}" + "".join(f"{cell:>12}" for cell in cells)


def peer_lines(title: str, peers: Data) -> Iterator[str]:
    if not peers:
        return
    yield ""
    yield row(title, ())
    yield row("", ("cases", "median", "mean", "ours median", "mean"))
    for name, metrics in peers.items():
        yield name
        for metric, each in main_metrics(metrics).items():
            ours = (each["ours_median_abs_error_pct"], each["ours_mean_abs_error_pct"])
            cells = (f"{each['cases']:,}", *errors(each)[:2], *map(percents, ours))
            yield row(f"  {metric_name(metric)}", cells)


def request_lines(requests: list[Data]) -> Iterator[str]:
    """How well single requests are told, run by run."""
    if not requests:
        return
    yield ""
    yield row("request by request", ("requests", "TTFT corr.", "TTFT median", "E2E median"))
    for each in requests:
        correlation = each["ttft_correlation"]
        cells = (
            f"{each['requests']:,}",
            "-" if correlation is None else f"{correlation:.3f}",
            percents(each["ttft_median_abs_error_pct"]),
            percents(each["e2e_median_abs_error_pct"]),
        )
        name = each["case_id"] + (" (overloaded)" if each["overloaded"] else "")
        yield row(f"  {name}", cells)


def reason_lines(title: str, rows: list[Data], what: str) -> Iterator[str]:
    """The most frequent ones, with their number of cases."""
    if not rows:
        return
    yield ""
    yield f"{title}:"
    for each in rows[:REASONS_SHOWN]:
        yield f"  {each['cases']:>5,}  {each['dataset']}: {each[what]}"
    if len(rows) > REASONS_SHOWN:
        rest = sum(each["cases"] for each in rows[REASONS_SHOWN:])
        yield f"  {rest:>5,}  in {len(rows) - REASONS_SHOWN} more lines: -o json or html has them"
