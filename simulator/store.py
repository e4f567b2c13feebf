"""Finished runs, kept for whoever asks next: the same traffic on the same fleet is the same run,
whatever it is called, costs or is promised.

    FOLDER/CODE/SCENARIO/0005-0000012.run                   a whole run of five replicas,
    FOLDER/CODE/SCENARIO/0005-0000012.parquet               and its request rows, or some of them
    FOLDER/CODE/SCENARIO/0005-0000012-OBJECTIVES.json       its figures, for these objectives
    FOLDER/CODE/SCENARIO/0005-0000012-OBJECTIVES-lost.json  those of a run that might stop once it
                                                            was lost, and was lost

The capitals are digests. A file appears under its name only when it is whole, and always with the
same bytes, so commands may share a store at any time. One may also lose a file to another's `tidy`:
what is gone, or damaged, is simulated again.
"""

import hashlib
import json
import os
import platform
import re
import zlib
from contextlib import suppress
from functools import cache
from pathlib import Path
from threading import get_ident
from typing import Any

import pyarrow as pa

from scenarios.model import Scenario, placeless
from simulator.record import Record, read_record, read_rows
from simulator.results import source_digest, versions

BESIDE = ("name", "description", "catalogue", "sla", "plan", "price", "energy")
"""Parts of a scenario that no run depends on. Of the catalogue the facts are in its other parts."""
LIBRARIES = ("python", "numba", "numpy", "scipy", "simpy")
CODE, SCENARIO = "[0-9a-f]{16}", "[0-9a-f]{32}"
RUN_FILE = r"\d{4,}-\d{7,}[-.].*"
DAY_S = 86_400.0
UNUSED_S = 30 * DAY_S


class Store:
    """A folder of finished runs, and how many of them were of use to this command."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: set[Path] = set()
        """Periods that somebody wanted to know of ..."""
        self.simulated: set[Path] = set()
        """... and those that were simulated for this command, wanted or not."""

    def folder_of(self, scenario: Scenario) -> Path:
        """Where the runs of a scenario are, whatever the size of its fleet."""
        return self.folder / code_digest() / key(scenario)[:32]

    @property
    def account(self) -> str:
        """'212 periods: 0 simulated, 212 from out/.runs'."""
        asked, simulated = len(self.asked), len(self.asked & self.simulated)
        periods = "1 period" if asked == 1 else f"{asked:,} periods"
        return f"{periods}: {simulated:,} simulated, {asked - simulated:,} from {self.folder}"

    def tidy(self, now_s: float) -> None:
        """Remove runs of other versions, and those of scenarios that nobody asked about for
        UNUSED_S. What others are writing stays. now_s: since the epoch."""
        for code in named(CODE, self.folder):
            for scenario in named(SCENARIO, code):
                used_s = modified_s(scenario)
                if code.name != code_digest() or now_s - used_s > UNUSED_S:
                    remove_runs(scenario, now_s)
            remove_if_empty(code)


def key(scenario: Scenario) -> str:
    """sha256 of what the runs of a scenario depend on, the seed among it, the code apart."""
    text = json.dumps(facts(scenario), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def facts(scenario: Scenario) -> dict[str, Any]:
    """What the runs of a scenario depend on. Each run names the replicas of the main pool."""
    data: dict[str, Any] = placeless(scenario.as_yaml_data())
    for name in BESIDE:
        data.pop(name, None)
    del data["fleet"]["replicas"]
    for pool in (data, *data["fleet"].get("others", ())):
        pool["replica"].pop("purchase", None)
        pool["replica"]["gpu"].pop("price", None)
    return data


@cache
def code_digest() -> str:
    """Of the program that simulates: with another one, a run is another run."""
    used = {name: versions()[name] for name in LIBRARIES}
    used["source"] = source_digest(("scenarios", "simulator"))
    return hashlib.sha256(json.dumps(used).encode()).hexdigest()[:16]


# --- files ----------------------------------------------------------------------------------------


def read_figures(path: Path) -> dict[str, Any] | None:
    """None when there are none."""
    try:
        figures: dict[str, Any] = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return figures


def known_record(path: Path) -> Record | None:
    """None when there is none."""
    try:
        return read_record(path.read_bytes())
    except (OSError, ValueError, zlib.error):
        return None


def known_rows(path: Path) -> pa.Table | None:
    """None when there are none."""
    try:
        return read_rows(path)
    except (OSError, pa.ArrowException):
        return None


def write(path: Path, content: bytes) -> None:
    """A whole file or none. Another process may write the same one."""
    own = f"{path.name}.{platform.node()}-{os.getpid()}-{get_ident()}.tmp"
    temporary = path.with_name(own)
    try:
        write_new(temporary, content)
    except FileNotFoundError:  # another process has just removed the empty folder
        write_new(temporary, content)
    os.replace(temporary, path)


def write_new(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def touch(folder: Path) -> None:
    """Somebody asked for the runs in a folder, if there are any."""
    with suppress(FileNotFoundError):
        os.utime(folder)


def remove_runs(folder: Path, now_s: float) -> None:
    """Those in the folder of a scenario; what may still be written to stays."""
    for path in named(RUN_FILE, folder):
        if path.suffix != ".tmp" or now_s - modified_s(path) > DAY_S:
            path.unlink(missing_ok=True)
    remove_if_empty(folder)


def remove_if_empty(folder: Path) -> None:
    with suppress(OSError):  # not empty: somebody else's files, or about to be written
        folder.rmdir()


def named(pattern: str, folder: Path) -> list[Path]:
    """What is in a folder under a name of ours: anybody's folder may be called a store. Nothing
    when the folder is not there, or no longer."""
    try:
        return sorted(path for path in folder.iterdir() if re.fullmatch(pattern, path.name))
    except (FileNotFoundError, NotADirectoryError):
        return []


def modified_s(path: Path) -> float:
    """Since the epoch; the end of time for what is gone."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")
