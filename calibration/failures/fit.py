"""Files of incidents or of spot availability -> faults of a scenario."""

from collections.abc import Sequence
from pathlib import Path

from calibration.failures.fitted import FittedFailures
from calibration.failures.incident_fit import fit_incidents
from calibration.failures.instants import instants_s
from calibration.failures.log import read_log
from calibration.failures.spot import holds_spot_trace, read_zones
from calibration.failures.spot_fit import WITHIN_S, fit_spot
from calibration.failures.watched import Watched
from simulator.traffic.formats.faults import TraceError


def fit(
    paths: Sequence[Path],
    watched: Watched,
    scope: str | None = None,
    within_s: float | None = None,
) -> FittedFailures:
    """Faults of a log of incidents, or of spot traces of one zone or several.

    Raises TraceError for what cannot be used, OSError for a file that cannot be opened.
    """
    spot = [holds_spot_trace(path) for path in paths]
    source = f"fitted to {', '.join(path.name for path in paths)}"
    if all(spot):
        if watched != Watched() or scope is not None:
            raise TraceError(
                f"{paths[0]}: a spot trace says itself how much was watched: without --gpus and "
                "its like, --from, --to and --scope"
            )
        return fit_spot(read_zones(paths), source, WITHIN_S if within_s is None else within_s)
    if len(paths) > 1:
        raise TraceError(
            f"{paths[spot.index(False)]}: several files are the zones of spot traces, and this is "
            "none; a log of incidents is one file"
        )
    if within_s is not None:
        raise TraceError(f"{paths[0]}: --within is about bursts of spot traces, not about a log")
    return fit_incidents(read_log(paths[0], scope), watched, source)


def watched_of(counts: dict[str, int], begin: str | None, end: str | None) -> Watched:
    """How much was watched, from texts of --from and --to. Raises TraceError."""
    ends = {"--from": begin, "--to": end}
    seconds = instants_s(list(ends.values()))
    for (option, text), instant in zip(ends.items(), seconds, strict=True):
        if text is not None and instant != instant:
            raise TraceError(f"{option} {text}: no instant, such as 2026-03-01 or 86400")
    from_s, to_s = (
        None if text is None else float(instant)
        for text, instant in zip(ends.values(), seconds, strict=True)
    )
    return Watched(counts, from_s, to_s)
