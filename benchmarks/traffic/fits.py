"""Each recording of a folder, fitted and drawn anew; and its windows, laid out anew."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from calibration.traffic import match
from calibration.traffic.drawn import replications
from calibration.traffic.figures.traffic import figures_of_trace
from calibration.traffic.fit import fit
from calibration.traffic.fitted import Fitted
from calibration.traffic.match import Figure, Kind
from simulator.traffic import TraceError
from simulator.traffic.recordings.traces import read_trace

ENDINGS = (".parquet", ".csv", ".jsonl", ".json")
CLOCKED = ("requests", "sessions")
BLOCK = "300s"
"""Of the bootstrap: the default of `arrivals: {kind: trace}`."""
NOT_PROMISED = ("hit_token_share",)
"""Of the bootstrap: prompts share within a drawn window, never across windows."""


@dataclass(frozen=True)
class Result:
    """fitted: None where the file cannot be fitted, then `refused` says why. bootstrap: the same
    figures of its windows drawn anew, for recordings with one clock; and whether replications of
    those differ."""

    file: str
    fitted: Fitted | None = None
    refused: str = ""
    bootstrap: tuple[Figure, ...] = ()


def recordings(folder: Path) -> list[Path]:
    """The files of a folder; lengths that belong to a file of clients come with it."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in ENDINGS]
    names = {path.name for path in files}
    return [path for path in files if path.name.replace("lengths_", "clients_", 1) not in names
            or not path.name.startswith("lengths_")]  # fmt: skip


def results(folder: Path, number: int) -> Iterator[Result]:
    for path in recordings(folder):
        try:
            fitted = fit(path, number=number)
        except TraceError as error:
            yield Result(path.name, refused=str(error).removeprefix(f"{path}: "))
            continue
        again = bootstrap(path, number) if fitted.kind in CLOCKED else ()
        yield Result(path.name, fitted, bootstrap=again)


def bootstrap(path: Path, number: int) -> tuple[Figure, ...]:
    """A scenario that replays windows of the file itself. Its replications must differ."""
    trace = read_trace(str(path.resolve()))
    recorded = {"kind": "trace"}
    group = {
        "name": "windows",
        "arrivals": {"kind": "trace", "file": str(path.resolve()), "block": BLOCK},
        "input_tokens": recorded,
        "output_tokens": recorded,
    }
    drawn = [
        match.flat(found)
        for found in replications([group], trace.span_s, number, match.SEED, trace.block_tokens)
    ]
    assert len({one["input_tokens_mean"] for one in drawn}) == len(drawn), "replications differ"
    kinds = {
        name: Kind(kind.absolute) if name in NOT_PROMISED else kind
        for name, kind in match.REQUESTS.items()
    }
    return tuple(match.compared(match.flat(figures_of_trace(trace)), drawn, kinds))
