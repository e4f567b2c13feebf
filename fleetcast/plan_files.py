"""A plan.json, read back, or one message that says what is wrong with it."""

import json
from pathlib import Path
from typing import Any

from fleetcast.exits import Stop
from planner.plan_file import plan_faults

FAULTS_SHOWN = 5


def read_plan(path: Path) -> dict[str, Any]:
    """The plan in a file; of another version too, as far as it has what is needed of it."""
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except UnicodeDecodeError as error:
        raise Stop(f"{path} is not UTF-8 text: {error.reason}") from error
    except (ValueError, RecursionError) as error:
        raise Stop(f"{path} is no plan.json: not JSON: {error}") from error
    if not isinstance(data, dict):
        raise Stop(f"{path} is no plan.json: got {type(data).__name__}, not a mapping of keys")
    if faults := plan_faults(data):
        shown = [f"  {'.'.join(map(str, fault.at))}: {fault.what}" for fault in faults]
        more = len(shown) - FAULTS_SHOWN
        told = [*shown[:FAULTS_SHOWN], *([f"  and {more} more"] if more > 0 else [])]
        raise Stop("\n".join([f"{path} is no plan.json that this version reads:", *told]))
    return data


def version_text(plan: dict[str, Any]) -> str:
    """Which version of the program made a plan."""
    versions = plan["versions"]
    return f"fleetcast {versions.get('fleetcast', '?')}, source {versions.get('source', '?')}"
