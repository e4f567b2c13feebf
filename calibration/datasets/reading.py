"""A folder of measured runs -> cases, and every row that is none with the reason."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from calibration.cases import Case, Refused
from calibration.datasets.dataset import CaseOf, Dataset
from calibration.datasets.llmservingsim import llmservingsim
from calibration.datasets.mlperf import mlperf
from calibration.datasets.names import known_beside
from calibration.datasets.nim import nim
from calibration.datasets.offline import perf_overview
from calibration.datasets.silicon import silicon
from calibration.datasets.static_batches import splitwise, trtllm
from calibration.datasets.suspicion import too_good
from calibration.datasets.tables import Row, Unusable, columns_of, read_rows
from calibration.datasets.vllm_s2r import vllm_s2r


class Kind(NamedTuple):
    """A layout of columns: those that give it away, and who reads it."""

    columns: frozenset[str]
    reader: Callable[[Dataset], CaseOf]


KINDS = (
    Kind(
        frozenset(
            {
                *("stage_rates_rps", "stage_durations_s", "output_tokens_requested"),
                *("n_prompt_groups", "prompts_per_group", "system_prompt_tokens_nominal"),
            }
        ),
        vllm_s2r,
    ),
    Kind(frozenset({"expert_parallel", "kv_dtype", "measurement"}), llmservingsim),
    Kind(
        frozenset({"first_token_latency_ms", "token_to_token_latency_ms", "batch_latency_ms"}),
        trtllm,
    ),
    Kind(frozenset({"prompt_time_ms", "token_time_ms", "prompt_size", "token_size"}), splitwise),
    Kind(
        frozenset({"agg_tp_size", "agg_moe_tp_size", "agg_moe_ep_size", "ttft_ms", "tpot_ms"}),
        silicon,
    ),
    Kind(frozenset({"isl_measured_mean", "itl_mean_ms", "littles_law_ratio", "ttft_p95_ms"}), nim),
    Kind(
        frozenset({"parallelism", "total_output_tok_per_s", "output_tok_per_s_per_gpu"}),
        perf_overview,
    ),
    Kind(frozenset({"target_qps", "official_result", "submitter", "scenario"}), mlperf),
)
NOT_CASES = ("measured", "peer_predictions", "requests")
"""How files begin that stand beside the cases."""
ALL_ROWS = "*"
"""Case id of a refusal that concerns a whole file."""
TROUBLE = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, OSError)
"""Other people's data may be wrong in ways nobody thought of: such a row is refused too."""


def read_cases(
    folder: Path, split: str | None = None, only: Collection[str] = ()
) -> tuple[list[Case], list[Refused]]:
    """The cases under `folder`, and every row that cannot be simulated.

    folder: holds data sets in folders of their own, or is one. A data set is a CSV file whose
    columns are those of a known kind; models.json and gpus.json in the folder or above it
    describe what our catalogue lacks.  split: only rows of that split.  only: only these case ids
    (patterns such as 's2r-*').  Nothing raises: whatever is wrong with the data is a Refused.
    """
    cases: list[Case] = []
    refused: list[Refused] = []
    files = list(data_files(folder))
    if not files:
        refused.append(
            Refused(folder.resolve().name, ALL_ROWS, f"no CSV files of cases in {folder}")
        )
    for dataset, path in files:
        for outcome in read_file(dataset, path, split, only):
            if isinstance(outcome, Case):
                cases.append(outcome)
            else:
                refused.append(outcome)
    return cases, refused


def data_files(folder: Path) -> Iterator[tuple[Dataset, Path]]:
    """Every file of cases, the folder's own first."""
    known = known_beside(folder)
    inside = folder.iterdir() if folder.is_dir() else ()
    sets = sorted(place for place in inside if place.is_dir() and place.name != "requests")
    for place in [folder, *sets]:
        for path in sorted(place.glob("*.csv")) + sorted(place.glob("*.csv.gz")):
            if not path.name.startswith(NOT_CASES):
                yield Dataset(place.resolve().name, place, known), path


def read_file(
    dataset: Dataset, path: Path, split: str | None, only: Collection[str]
) -> Iterator[Case | Refused]:
    """What becomes of each row of a file of cases."""
    kind = kind_of(columns_of(path))
    if kind is None:
        yield Refused(dataset.name, ALL_ROWS, f"{path.name}: columns of no known kind of data")
        return
    try:
        rows = read_rows(path)
    except Unusable as trouble:
        yield Refused(dataset.name, ALL_ROWS, str(trouble))
        return
    wanted = [row for row in rows if not only or matches(row.case_id, only)]
    if split is not None:
        wanted = [row for row in wanted if row.cells.get("split", split) == split]
    try:
        case_of = kind.reader(dataset)
    except TROUBLE as trouble:
        yield from (Refused(dataset.name, row.case_id, reason(trouble)) for row in wanted)
        return
    seen: set[str] = set()
    for row in wanted:
        if row.case_id in seen:
            yield Refused(dataset.name, row.case_id, "its case_id stands in an earlier row too")
        else:
            yield one_case(case_of, row, dataset, split)
        seen.add(row.case_id)


def one_case(case_of: CaseOf, row: Row, dataset: Dataset, split: str | None) -> Case | Refused:
    if split is not None and "split" not in row.cells:
        return Refused(dataset.name, row.case_id, f"no split stated, asked for {split!r}")
    try:
        case = case_of(row)
    except TROUBLE as trouble:
        return Refused(dataset.name, row.case_id, reason(trouble))
    return replace(case, suspect=case.suspect or too_good(case))


def kind_of(columns: set[str]) -> Kind | None:
    """The kind with the largest share of its columns there; None below a half."""
    share = {kind: len(kind.columns & columns) / len(kind.columns) for kind in KINDS}
    best = max(KINDS, key=lambda kind: share[kind])
    return best if share[best] >= 0.5 else None


def matches(case_id: str, patterns: Collection[str]) -> bool:
    return any(case_id == pattern or fnmatchcase(case_id, pattern) for pattern in patterns)


def reason(trouble: Exception) -> str:
    """In one line; of pydantic's errors the first, with what is allowed."""
    errors = getattr(trouble, "errors", None)
    if callable(errors):
        first = errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        allowed = first.get("ctx", {}).get("allowed")
        words = first["msg"] + (f" (allowed: {allowed})" if allowed else "")
        return f"{where}: {words}" if where else words
    if isinstance(trouble, Unusable):
        return str(trouble)
    return f"unreadable: {type(trouble).__name__}: {' '.join(str(trouble).split())}"
