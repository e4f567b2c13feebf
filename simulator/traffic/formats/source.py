"""A file before it is read: unpacked, and looked at from its first lines. Names tell nothing."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TextIO

import pyarrow
import pyarrow.parquet

from simulator.traffic.formats.faults import TraceError

Kind = Literal["parquet", "table", "lines", "document", "folder", "text"]
HEAD_BYTES = 1 << 20
HEAD_LINES = 100
PACKED = {b"\x1f\x8b": "gzip", b"(\xb5/\xfd": "zstd"}
CLOSED = {b"PK\x03\x04": "a zip archive", b"BZh": "a bzip2 file", b"\xfd7zXZ": "an xz file"}
ARROW = pyarrow.lib.ArrowException


@dataclass(frozen=True)
class Source:
    """What the first lines of a file say.

    kind: 'lines' holds a JSON object per line, 'document' one JSON value over many lines, 'folder'
    such documents.
    columns: names of a table's header, or of a Parquet file. first: the first JSON objects;
    document: all of a 'document'.
    start_line: where the text of the table begins, 1 unless a header of YAML stands above it.
    """

    path: Path
    kind: Kind
    columns: tuple[str, ...] = ()
    first: tuple[Any, ...] = ()
    start_line: int = 1
    head: str = ""
    document: Any = None

    @property
    def holds_json(self) -> bool:
        return self.kind in ("lines", "document", "folder")

    def has(self, *names: str) -> bool:
        """All of these are columns, or keys of one of the first objects."""
        wanted = set(names)
        if wanted <= set(self.columns):
            return True
        return any(isinstance(value, dict) and wanted <= set(value) for value in self.first)


def look_at(path: Path) -> Source:
    """Raises TraceError for what holds no text and no table; OSError where there is no file."""
    if path.is_dir():
        return folder_source(path)
    with path.open("rb") as file:
        start = file.read(8)
    if start.startswith(b"PAR1"):
        return Source(path, "parquet", columns=tuple(parquet_schema(path).names))
    for magic, what in CLOSED.items():
        if start.startswith(magic):
            raise TraceError(f"{path}: {what}; unpack it first")
    head = head_of(path)
    lines = head.splitlines()[:HEAD_LINES]
    at = next(i for i, line in enumerate(lines) if line.strip())
    if lines[at].lstrip()[0] in "[{":
        return json_source(path, lines[at:], head)
    at = next((i for i, line in enumerate(lines) if line.startswith("request_id,")), at)
    columns = tuple(name.strip() for name in next(csv.reader([lines[at]])))
    kind: Kind = "table" if len(columns) > 1 else "text"
    return Source(path, kind, columns=columns, start_line=at + 1, head=head)


def folder_source(path: Path) -> Source:
    """A folder of JSON documents, as far as its first ones tell."""
    files = documents_in(path)
    if not files and not any(path.glob("*.csv")):
        raise TraceError(f"{path}: a folder without a .json file")
    return Source(path, "folder", first=tuple(read_document(file) for file in files[:1]))


def documents_in(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.json"))


def parquet_schema(path: Path) -> Any:
    try:
        return pyarrow.parquet.read_schema(path)
    except (ARROW, OSError) as error:
        raise TraceError(f"{path}: a Parquet file that is broken: {first_line(error)}") from error


def head_of(path: Path) -> str:
    """The first lines of a text file, without one that is cut in two."""
    with path.open("rb") as file:
        packed = file.read(4)
    try:
        with opened(path) as file:
            content: bytes = file.read(HEAD_BYTES)
    except (ARROW, OSError, EOFError) as error:
        if not packed.startswith(tuple(PACKED)):
            raise
        raise TraceError(f"{path}: a packed file that breaks off: {first_line(error)}") from error
    if content.startswith((b"PAR1", b"PK\x03\x04")):
        raise TraceError(f"{path}: a packed file inside a packed file; unpack it first")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise TraceError(f"{path}: text in UTF-16; save it as UTF-8")
    if b"\0" in content or unprintable(content):
        raise TraceError(f"{path}: a binary file, no trace")
    text = content.decode("utf-8-sig", errors="replace")
    if not text.strip():
        raise TraceError(f"{path}: an empty file")
    cut = text.rfind("\n") if len(content) == HEAD_BYTES else -1
    return text[:cut] if cut > 0 else text


def unprintable(content: bytes) -> bool:
    """More than one byte in twenty is no text of any encoding."""
    control = sum(content.count(byte) for byte in range(32) if byte not in (9, 10, 12, 13, 27))
    return control * 20 > len(content)


def json_source(path: Path, lines: list[str], head: str) -> Source:
    """JSON lines where the first line, or most lines, are whole objects; else a document."""
    with opened_text(path) as file:
        # A line may be longer than what we have of the file.
        lines = [next(line for line in file if line.strip()), *lines[1:]]
    found = [value for line in lines if isinstance(value := decoded(line), dict)]
    written = sum(bool(line.strip()) for line in lines)
    if isinstance(decoded(lines[0]), dict) or 2 * len(found) > written:
        return Source(path, "lines", first=tuple(found), head=head)
    document = read_document(path)
    listed = document if isinstance(document, list) else [document]
    first = tuple(listed[:HEAD_LINES])
    return Source(path, "document", first=first, head=head, document=document)


def decoded(line: str) -> Any:
    """The JSON value of a line, None where there is none."""
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        return None


def read_document(path: Path) -> Any:
    """The whole of a JSON document; it has to fit into memory."""
    with opened_text(path) as file:
        try:
            return json.load(file)
        except json.JSONDecodeError as error:
            place = f"line {error.lineno}, column {error.colno}"
            raise TraceError(
                f"{path}: JSON that breaks off or is broken at {place} ({error.msg})"
            ) from error
        except (ValueError, RecursionError) as error:
            raise TraceError(f"{path}: JSON that cannot be decoded: {error}") from error


def opened(path: Path) -> Any:
    """The bytes of a file, unpacked where they are packed."""
    with path.open("rb") as file:
        start = file.read(4)
    packing = next((name for magic, name in PACKED.items() if start.startswith(magic)), None)
    return pyarrow.input_stream(str(path), compression=packing)


def opened_text(path: Path) -> TextIO:
    """Its text. Bytes that are no UTF-8 stay what they are: numbers beside them can be read."""
    return io.TextIOWrapper(
        opened(path), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )


def text_lines(source: Source) -> Iterator[str]:
    """Line by line from the table's header on. Raises TraceError where unpacking ends early."""
    with opened_text(source.path) as file:
        try:
            for _ in range(source.start_line - 1):
                next(file)
            yield from file
        except (ARROW, OSError, EOFError) as error:
            what = "a packed file that breaks off"
            raise TraceError(f"{source.path}: {what}: {first_line(error)}") from error


def first_line(error: BaseException) -> str:
    return str(error).strip().split("\n")[0]
