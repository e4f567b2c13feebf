"""What `fleetcast trace-run` found, as lines for a terminal."""

from collections.abc import Iterator, Sequence
from typing import Any

from reports.tables import counted, milliseconds, shown
from simulator.run import COMPLETED, OUTCOMES

Data = dict[str, Any]


def trace_lines(data: Data) -> Iterator[str]:
    """Which period, whether it kept the SLA, the file, and the worst requests."""
    fleet = counted(data["replicas"], "replica")
    yield f"{data['name']}: replication {data['replication']} on {fleet}{verdict(data)}"
    for one in data["objectives"]:
        metric, kept = one["objective"].split()[0], "kept" if one["kept"] else "broken"
        yield f"  {one['objective']}: {shown(metric, one['value'])}, {kept}"
    trace = data["trace"]
    requests = counted(trace["requests"], "request")
    if trace["requests_shown"] < trace["requests"]:
        requests = f"{trace['requests_shown']:,} of {requests}"
    size = f"{trace['size_bytes'] / 1e6:.3g} MB"
    yield f"  trace: {trace['file']} ({size}, {requests}); open it in ui.perfetto.dev"
    yield from worst_lines(data["worst"])


def verdict(data: Data) -> str:
    if data["kept"] is None:
        return ""
    return ", SLA kept" if data["kept"] else ", SLA broken"


def worst_lines(worst: Sequence[Data]) -> Iterator[str]:
    """The block of `trace-run`."""
    if not worst:
        yield "  no request arrived in that part of the period"
        return
    by = "E2E" if worst[0]["objective"] is None else "the share of the tightest limit they used"
    which = f"{len(worst)} worst requests" if len(worst) > 1 else "worst request"
    yield f"  the {which}, by {by}:"
    for one in worst:
        yield ""
        yield f"  {one['group']} {one['request']}: {figures_text(one)}"
        for said in one["happened"]:
            yield f"    {said['at_s']:>12,.3f} s  {said['what']}"


def figures_text(one: Data) -> str:
    """'TTFT 3.20 s, TPOT 21 ms, E2E 12.00 s: 6.4 times ttft p95 <= 500ms'"""
    if one["outcome"] != OUTCOMES[COMPLETED]:
        return str(one["outcome"]).replace("_", " ")
    latencies = ", ".join(
        f"{name.upper()} {milliseconds(one[f'{name}_s'])}" for name in ("ttft", "tpot", "e2e")
    )
    limit = "" if one["objective"] is None else f": {one['used']:.3g} times {one['objective']}"
    return latencies + limit
