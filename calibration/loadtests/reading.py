"""A result file -> LoadTest. The content tells the format; names of files change hands."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from calibration.loadtests import (
    aiperf,
    aiperf_records,
    csv_runs,
    guidellm,
    inference_perf,
    inference_perf_requests,
    vllm_bench,
)
from calibration.loadtests.documents import documents_of, glimpse, text_of, unreadable
from calibration.loadtests.runs import LoadTest, Run


def each(documents: list[Any]) -> list[Any]:
    """One run per JSON object."""
    return documents


def together(documents: list[Any]) -> list[Any]:
    """One run of all JSON objects: each is a request."""
    return [documents]


@dataclass(frozen=True)
class Format:
    """How one kind of JSON is known, cut into runs, and read."""

    tool: str
    recognises: Callable[[Any], bool]
    parts: Callable[[list[Any]], list[Any]]
    read_run: Callable[[Any], tuple[Run, list[str]]]


FORMATS = (
    Format(vllm_bench.TOOL, vllm_bench.recognises, each, vllm_bench.read_run),
    Format(guidellm.TOOL, guidellm.recognises, guidellm.parts, guidellm.read_run),
    Format(aiperf.TOOL, aiperf_records.recognises, together, aiperf_records.read_run),
    Format(aiperf.TOOL, aiperf.recognises, each, aiperf.read_run),
    Format(inference_perf.TOOL, inference_perf.recognises, each, inference_perf.read_run),
    Format(
        inference_perf.TOOL,
        inference_perf_requests.recognises,
        together,
        inference_perf_requests.read_run,
    ),
)


def read_load_test(path: Path) -> LoadTest:
    """The runs of a result file and what was odd about it.

    Raises UnreadableLoadTest for files that are none or hold no usable run, OSError for those
    that cannot be opened.
    """
    path = Path(path)
    text = text_of(path)
    if text.lstrip()[0] not in "[{":
        if csv_runs.recognises(text):
            return LoadTest(path, csv_runs.TOOL, named_apart(csv_runs.read_runs(path, text)))
        raise unreadable(path, f"text that is no JSON and no CSV of ours: {glimpse(text)}")
    documents = documents_of(path, text)
    for kind in FORMATS:
        if any(map(kind.recognises, documents)):
            return read_documents(path, kind, documents)
    keys = list(documents[0])[:8] if documents and isinstance(documents[0], dict) else []
    said = f"with the keys {', '.join(map(repr, keys))}" if keys else "without any named fields"
    raise unreadable(path, f"JSON {said}: no result of a load test we know")


def read_documents(path: Path, kind: Format, documents: list[Any]) -> LoadTest:
    """The runs of all objects of a kind; those that give none are named in the notes."""
    known = [document for document in documents if kind.recognises(document)]
    parts = kind.parts(known)
    runs, notes, left_out = [], [], []
    for place, part in enumerate(parts, 1):
        prefix = f"run {place}: " if len(parts) > 1 else ""
        run, odd = kind.read_run(part)
        if reason := flaw(run):
            left_out.append(f"{prefix}left out: {reason}")
        else:
            runs.append(run)
            notes += [prefix + note for note in odd]
    if not runs:
        reasons = left_out[0] if left_out else "it has none"
        raise unreadable(path, f"a result of {kind.tool} without a usable run; {reasons}")
    if len(known) < len(documents):
        notes.append(f"{len(documents) - len(known)} JSON objects are no such result: left out")
    return LoadTest(path, kind.tool, named_apart(runs), tuple(merged(notes) + left_out))


def flaw(run: Run) -> str:
    """Why nothing can be learnt from a run, if so."""
    if run.requests == 0:
        return f"no request was completed ({run.failed or 0} failed)"
    if not run.measured:
        return "it has no latencies"
    lacking = [
        name
        for name, mean in (("input", run.input_tokens_mean), ("output", run.output_tokens_mean))
        if not mean > 0
    ]
    return f"it does not say how many {' and '.join(lacking)} tokens" if lacking else ""


def named_apart(runs: list[Run]) -> tuple[Run, ...]:
    """Runs whose names differ: the second '8 at once' is '8 at once (2)'."""
    seen: Counter[str] = Counter()
    named = []
    for run in runs:
        seen[run.name] += 1
        times = seen[run.name]
        named.append(run if times == 1 else replace(run, name=f"{run.name} ({times})"))
    return tuple(named)


def merged(notes: list[str]) -> list[str]:
    """What is so in every run is said once: 'run 1: x', 'run 2: x' -> 'x (2 runs)'."""
    bare = [note.split(": ", 1)[1] if note.startswith("run ") else note for note in notes]
    counts = Counter(bare)
    return list(
        dict.fromkeys(
            f"{short} ({counts[short]} runs)" if counts[short] > 1 else note
            for short, note in zip(bare, notes, strict=True)
        )
    )
