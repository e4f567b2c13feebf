"""A file -> the JSON values in it, or its text; or what it looks like instead."""

import json
import re
from pathlib import Path
from typing import Any

from calibration.loadtests.csv_runs import SHORT
from calibration.loadtests.runs import UnreadableLoadTest

ACCEPTED = f"""
    accepted: `vllm bench serve --save-result` JSON
    accepted: GuideLLM's JSON report
    accepted: AIPerf's profile_export_aiperf.json or profile_export.jsonl, genai-perf's JSON
    accepted: inference-perf's summary_, stage_*_ or per_request_lifecycle_metrics.json
    accepted: CSV with a header of {SHORT}, duration_s"""
PACKED = {b"\x1f\x8b": "gzip", b"PK\x03\x04": "zip", b"(\xb5/\xfd": "zstd", b"PAR1": "Parquet"}
"""First bytes of files that people pack results into."""
GAP = re.compile(r"\s*")


def text_of(path: Path) -> str:
    """The text of a file that has some. Raises UnreadableLoadTest."""
    if path.is_dir():
        raise unreadable(path, "a folder; name one of its files")
    content = path.read_bytes()
    for start, packing in PACKED.items():
        if content.startswith(start):
            raise unreadable(path, f"a {packing} file; unpack it first")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise unreadable(path, "a binary file") from None
    if "\0" in text:
        raise unreadable(path, "a binary file")
    if not text.strip():
        raise unreadable(path, "an empty file")
    return text


def documents_of(path: Path, text: str) -> list[Any]:
    """All JSON values of a file, one after the other with or without line breaks; lists count as
    their items. Raises UnreadableLoadTest where the JSON breaks off."""
    decoder = json.JSONDecoder()
    documents: list[Any] = []
    text = text.rstrip()
    end = 0
    while end < len(text):
        start = next(GAP.finditer(text, end)).end()
        try:
            document, end = decoder.raw_decode(text, start)
        except json.JSONDecodeError as error:
            what = f"JSON that breaks off or is broken at {path}:{error.lineno}:{error.colno}"
            raise unreadable(path, f"{what} ({error.msg}); was the run stopped?") from error
        except (ValueError, RecursionError) as error:
            raise unreadable(path, f"JSON that cannot be decoded ({error})") from error
        documents += document if isinstance(document, list) else [document]
    return documents


def glimpse(text: str) -> str:
    """The first line, shortened."""
    line = text.lstrip().splitlines()[0]
    return repr(line if len(line) <= 60 else f"{line[:57]}...")


def unreadable(path: Path, looks_like: str) -> UnreadableLoadTest:
    """The error of a file that looks like something else."""
    return UnreadableLoadTest(f"{path}: {looks_like}{ACCEPTED}")
