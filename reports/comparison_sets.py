"""The folders of a comparison, read back."""

from pathlib import Path

from planner.result_set import ResultSet
from reports.folder import read_results, shown_rows


def read_set(folder: Path, place: str) -> ResultSet:
    """The result set in `folder`, which its user calls `place`. Raises OtherResults."""
    results = read_results(folder)
    return ResultSet(
        place,
        results.manifest,
        results.answer if results.is_plan else None,
        results.replicas,
        shown_rows(results).set_index("replication"),
        results.latencies,
    )
