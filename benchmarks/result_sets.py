"""`python -m benchmarks.result_sets [--requests N]`: what a large result set takes.

A plan with all its request rows is made, and opened by commands in processes of their own: seconds
of the clock, and the most memory each of them held. On a busy machine the seconds are too many.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import click
import pyarrow.parquet as pq

from benchmarks.engine import Entry
from benchmarks.loads import chat
from benchmarks.size import KIB
from benchmarks.table import table

REPLICAS = 20
PERIODS = 72
"""As many as certify 95 % when none of them fails: what a plan of one size takes here."""
SQL = 'SELECT "group", quantile_cont(finish_s - arrival_s, 0.99) FROM requests GROUP BY 1'


@click.command()
@click.option("--requests", type=click.IntRange(min=10_000), default=10_000_000, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=os.cpu_count())
def main(requests: int, workers: int) -> None:
    """Make a result set with about so many request rows, and open it."""
    with TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "large.yaml").write_text(json.dumps(large(requests // PERIODS)))
        made = [
            measured(folder, "plan", "large.yaml", "--keep", "all", "--no-explain", "--out", "out",
                     "--workers", str(workers)),
            measured(folder, "report", "out"),
            measured(folder, "results", "query", "out", SQL),
            measured(folder, "results", "show", "out"),
        ]  # fmt: skip
        print(table(made))
        rows = pq.read_metadata(folder / "out" / "requests.parquet")
        size_mib = (folder / "out" / "requests.parquet").stat().st_size / KIB**2
        print(f"\nrequests.parquet: {rows.num_rows:,} rows, {size_mib:,.0f} MiB")


def large(requests: int) -> dict[str, object]:
    """A scenario whose periods have so many requests, and whose one fleet always keeps its SLA."""
    scenario = chat(
        REPLICAS,
        requests,
        drain="60s",
        sla={"probability": 0.95, "objectives": ["ttft p95 <= 60s"]},
        plan={"replicas": f"{REPLICAS}..{REPLICAS}"},
        price={"h100-sxm-80gb": "2 USD/h"},
    )
    data: dict[str, object] = scenario.as_yaml_data()
    return data


def measured(folder: Path, *arguments: str) -> Entry:
    """One command of ours, in a process of its own."""
    print(" ".join(arguments[:2]), "...", file=sys.stderr)
    root = str(Path(__file__).parent.parent)
    begin_s = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "fleetcast", *arguments],
        cwd=folder, stdout=subprocess.DEVNULL, env=os.environ | {"PYTHONPATH": root},
    )  # fmt: skip
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{arguments[0]} failed")
    return {
        "command": " ".join(arguments[:2]),
        "seconds": time.monotonic() - begin_s,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / KIB,
    }


if __name__ == "__main__":
    main()
