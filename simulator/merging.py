"""Stores that were filled apart, united: a period is the same wherever it was simulated."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from simulator.store import CODE, RUN_FILE, SCENARIO, code_digest, named, touch, write


class NoStore(Exception):
    """A folder that is no store of this program's runs; the message says which and why."""


class RunsDiffer(Exception):
    """Two stores have different runs of the same period; the message names them."""


class Merged(NamedTuple):
    """What came from one store."""

    periods: int
    """That it has ..."""
    new: int
    """... and that the other one did not have, or not all of."""


def check_store(folder: Path) -> None:
    """Raises NoStore unless a folder has runs of this code, or nothing at all."""
    codes = [code.name for code in named(CODE, folder)]
    if not codes and any(folder.iterdir()):
        raise NoStore(f"{folder}: no folder of runs, as --runs names them")
    if codes and code_digest() not in codes:
        raise NoStore(
            f"{folder}: its runs are of another version of fleetcast, Python or a library than "
            "this one, which would simulate them again"
        )


def merge(folder: Path, into: Path) -> Merged:
    """Copy the runs of one store to another, which may have some of them. Whoever kills it, each
    file is there whole or not at all; again, it goes on. Raises RunsDiffer."""
    periods, new = set(), set()
    for path in run_files(folder):
        target = into / path.relative_to(folder)
        period = target.with_name("-".join(path.stem.split("-")[:2]))
        periods.add(period)
        if copied(path, target):
            new.add(period)
        touch(target.parent)
    return Merged(len(periods), len(new))


def run_files(store: Path) -> Iterator[Path]:
    """Whole runs before figures, as they were written: figures would hide that a run is missing."""
    for scenario in named(SCENARIO, store / code_digest()):
        files = [path for path in named(RUN_FILE, scenario) if path.suffix != ".tmp"]
        yield from sorted(files, key=lambda path: path.suffix == ".json")


def copied(path: Path, target: Path) -> bool:
    """False when the same is there already."""
    content = path.read_bytes()
    try:
        known = target.read_bytes()
    except FileNotFoundError:
        write(target, content)
        return True
    if known != content:
        raise RunsDiffer(
            f"{path} and {target} differ, and are of the same period: one was damaged, or made on "
            "another kind of CPU; remove the one that you trust less"
        )
    return False
