"""Folders elsewhere: s3://bucket/prefix, of any store that speaks S3, copied whole.

The address may name the store, as `s3://bucket/prefix?endpoint_override=host:9000&scheme=http`;
else AWS_ENDPOINT_URL does, else it is Amazon's. Credentials come from the environment or the usual
files.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import fs


class PlaceError(Exception):
    """A place that cannot be read or written; the message says which, and what the store said."""


class Place(NamedTuple):
    """A folder in a store."""

    address: str
    """As it may be told (`told_address`)."""
    store: Any
    """A pyarrow FileSystem."""
    path: str

    def file(self, name: str) -> str:
        return f"{self.path}/{name}"


def open_place(address: str) -> Place:
    """The place at an address; nothing is read or written. Raises PlaceError."""
    try:
        store, path = fs.FileSystem.from_uri(address)
    except pa.ArrowException as error:
        raise PlaceError(f"{told_address(address)}: {first_line(error)}") from error
    if not path.strip("/"):
        raise PlaceError(f"{told_address(address)}: got no bucket\n    allowed: s3://bucket/prefix")
    return Place(told_address(address), store, path.rstrip("/"))


def told_address(address: str) -> str:
    """Without what may be secret in it: keys before the bucket, and what follows the path.

    >>> told_address("s3://KEY:SECRET@ours/a@b/chat/?endpoint_override=minio:9000")
    's3://ours/a@b/chat'
    """
    scheme, _, rest = address.split("?")[0].partition("://")
    bucket, slash, path = rest.rstrip("/").partition("/")
    return f"{scheme}://{bucket.rpartition('@')[2]}{slash}{path}"


def check_writable(place: Place) -> None:
    """Before hours of work for it. Raises PlaceError."""
    try:
        with place.store.open_output_stream(place.file(".writable")) as file:
            file.write(b"")
        place.store.delete_file(place.file(".writable"))
    except OSError as error:
        raise PlaceError(f"{place.address}: cannot be written: {first_line(error)}") from error


def names_in(place: Place) -> list[str]:
    """Of all files below a place; none where there is no such place. Raises PlaceError."""
    below = fs.FileSelector(place.path, allow_not_found=True, recursive=True)
    try:
        found = place.store.get_file_info(below)
    except OSError as error:
        raise PlaceError(f"{place.address}: cannot be read: {first_line(error)}") from error
    return sorted(info.path.removeprefix(f"{place.path}/") for info in found if info.is_file)


def fetch(place: Place, names: Iterable[str], folder: Path) -> None:
    """Copy files of a place into a folder. Raises PlaceError."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            fs.copy_files(
                place.file(name), str(folder / name),
                source_filesystem=place.store, destination_filesystem=fs.LocalFileSystem(),
            )  # fmt: skip
        except OSError as error:
            raise PlaceError(f"{place.address}: no {name}: {first_line(error)}") from error


def send(folder: Path, names: Iterable[str], place: Place) -> None:
    """Copy files of a folder to a place, one after the other. Raises PlaceError."""
    for name in names:
        try:
            fs.copy_files(
                str(folder / name), place.file(name),
                source_filesystem=fs.LocalFileSystem(), destination_filesystem=place.store,
            )  # fmt: skip
        except OSError as error:
            raise PlaceError(f"{place.address}: {name}: {first_line(error)}") from error


def remove(names: Iterable[str], place: Place) -> None:
    """Remove files from a place. Raises PlaceError."""
    for name in names:
        try:
            place.store.delete_file(place.file(name))
        except OSError as error:
            raise PlaceError(f"{place.address}: {name}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
