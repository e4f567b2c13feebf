"""Where results go and come from: a folder, or an S3-compatible store at an address.

What is elsewhere is worked on in a folder here, and copied back when it is whole.
"""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from fleetcast.exits import EXIT_FAILED, Stop
from fleetcast.options import results_folder

if TYPE_CHECKING:
    from simulator.places import Place

SCHEME = "s3://"
DONE = {
    "plan.json": "a plan", "simulation.json": "a simulation", "sweep.json": "a sweep",
    "drill.json": "a drill",
}  # fmt: skip
"""Files whose presence means that all others are there, and what they are of."""
ROWS = "requests.parquet"
"""Large, and nothing that is done again depends on it: it is not fetched to be kept."""


class Out(NamedTuple):
    """Where a command writes: the folder, and what the user calls it."""

    folder: Path
    name: str


@contextmanager
def results_place(out: str | None, default: Path) -> Iterator[Out]:
    """The place that --out names, with what is in it; what changed is there in the end. Stop where
    that is not possible."""
    if out is not None and is_address(out):
        with elsewhere(out, "--out ") as place:
            yield place
    else:
        folder = results_folder(Path(out) if out else default)
        yield Out(folder, str(folder))


def refuse_others(out: Out, own: str) -> None:
    """Stop where a folder holds what another command made: its manifest and its tables have the
    same names. own: the file of DONE that this command writes."""
    for name, what in DONE.items():
        if name != own and (out.folder / name).exists():
            raise Stop(f"{out.name} holds {what}; --out names another folder")


@contextmanager
def existing_place(text: str) -> Iterator[Out]:
    """A place with results, to add to them. Stop where there is none."""
    if is_address(text):
        with elsewhere(text, "") as place:
            yield place
    elif Path(text).is_dir():
        yield Out(Path(text), str(Path(text)))
    else:
        raise Stop(f"{text}: no such folder")


@contextmanager
def elsewhere(address: str, option: str) -> Iterator[Out]:
    """A folder here with the files of a place, which gets what changed when all is done."""
    from simulator.places import PlaceError, check_writable, open_place

    try:
        place = open_place(address)
        check_writable(place)
        with TemporaryDirectory() as temporary:
            folder = Path(temporary)
            before = fetched(place, folder)
            yield Out(folder, place.address)
            deliver(folder, place, before)
    except PlaceError as error:
        raise Stop(f"{option}{error}", EXIT_FAILED) from error


def is_address(text: str) -> bool:
    return text.startswith(SCHEME)


def fetched(place: "Place", folder: Path) -> dict[str, str]:
    """Copy what is in a place, and tell a digest of each file; request rows stay where they are."""
    from simulator.places import fetch, names_in

    there = names_in(place)
    fetch(place, [name for name in there if name != ROWS], folder)
    return dict.fromkeys(there, "") | digests(folder)


def deliver(folder: Path, place: "Place", before: dict[str, str]) -> None:
    """Send what is new or different, and remove what is gone. Until all of it is there, nothing
    says that it is done; a page drawn again leaves that as it is."""
    from simulator.places import remove, send

    after = digests(folder)
    changed = [name for name in sorted(after) if before.get(name) != after[name]]
    listed = read_object(folder / "manifest.json").get("files", [])
    gone = [name for name in before if name not in after and not (name == ROWS and ROWS in listed)]
    done: list[str] = []
    if not {"manifest.json", *listed, *DONE}.isdisjoint([*changed, *gone]):
        done = [name for name in DONE if name in after]
        remove([name for name in DONE if name in before], place)
    remove([name for name in gone if name not in DONE], place)
    send(folder, [name for name in changed if name not in done] + done, place)


def digests(folder: Path) -> dict[str, str]:
    """sha256 of each file below a folder, by name."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256")
            found[path.relative_to(folder).as_posix()] = digest.hexdigest()
    return found


def read_object(path: Path) -> dict[str, Any]:
    """The JSON object in a file; empty when there is none."""
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


class Readable(click.Path):
    """An argument that may be an address: its files are copied here, and it is the copy."""

    def convert(self, value: Any, param: Any, ctx: click.Context | None) -> Any:
        from simulator.places import PlaceError, open_place

        if ctx is None or not isinstance(value, str) or not is_address(value):
            return super().convert(value, param, ctx)
        copy = Path(ctx.with_resource(TemporaryDirectory()))
        try:
            return copied(open_place(value), copy, self.file_okay)
        except PlaceError as error:
            raise Stop(str(error), EXIT_FAILED) from error


def copied(place: "Place", folder: Path, one_file: bool) -> Path:
    """The copy of all files of a place, or of the one file that it is."""
    from simulator.places import PlaceError, fetch, names_in

    if one_file:
        above, _, name = place.path.rpartition("/")
        fetch(place._replace(path=above), [name], folder)
        return folder / name
    there = names_in(place)
    if not there:
        raise PlaceError(f"{place.address}: there is nothing")
    fetch(place, there, folder)
    return folder
