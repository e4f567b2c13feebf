"""The folders of a comparison, read back."""

import json
from pathlib import Path

from planner.result_set import ResultSet
from reports.folder import ANSWERS, OtherResults, read_results, shown_rows


def read_set(folder: Path, place: str) -> ResultSet:
    """The result set in `folder`, which its user calls `place`. Raises OtherResults."""
    command = made_by(folder)
    if command not in ANSWERS:
        what = f"what `fleetcast {command}` made" if command else "no finished results"
        raise OtherResults(f"{place} holds {what}; side by side go results of plan and simulate")
    if not (folder / ANSWERS[command]).exists():
        raise OtherResults(f"{place} holds no finished results; run `fleetcast {command}` again")
    results = read_results(folder)
    return ResultSet(
        place,
        results.manifest,
        results.answer if results.is_plan else None,
        results.replicas,
        shown_rows(results).set_index("replication"),
        results.latencies,
    )


def made_by(folder: Path) -> str:
    """The command that left a manifest in the folder; empty without one."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return str(manifest["command"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
