"""A file of recorded traffic -> traffic of a scenario, by what the file holds."""

from pathlib import Path

import numpy as np

from calibration.traffic import match
from calibration.traffic.agent_fit import fit_agent_trace
from calibration.traffic.demand_fit import fit_series
from calibration.traffic.drawn import replications
from calibration.traffic.figures.traffic import figures
from calibration.traffic.fitted import Fitted
from calibration.traffic.population_fit import fit_clients
from calibration.traffic.requests import fit_pairs, fit_requests
from simulator.traffic.formats.faults import Faults
from simulator.traffic.formats.reading import open_trace
from simulator.traffic.formats.rows import Rows, joined
from simulator.traffic.formats.source import look_at
from simulator.traffic.recordings.servegen import is_client_file, read_clients
from simulator.traffic.recordings.traces import TraceError, trace_of

LENGTHS = {name: kind for name, kind in match.REQUESTS.items() if "tokens_" in name or
           name == "rank_correlation"}  # fmt: skip
REQUESTS_PER_S = 1.0
ROWS_LEAST = 50
SESSIONS_LEAST = 20
"""Fewer tell nothing that a table or two would not tell better."""


def fit(path: Path, name: str | None = None, number: int | None = None) -> Fitted:
    """Traffic like that of `path`, judged by `number` drawn replications (when not given, as many
    as the length of the recording allows).

    Raises TraceError for a file that holds nothing that can be fitted, OSError for one that cannot
    be opened.
    """
    called = name or path.stem
    if is_client_file(path):
        clients = read_clients(path)
        if not clients.total_rate_per_s().any():
            raise TraceError(f"{path}: clients of which none asks for anything")
        return fit_clients(clients, called, number or match.REPLICATIONS)
    if look_at(path).has("timestamp", "value"):
        return fit_series(path, number or match.REPLICATIONS)
    file = open_trace(path)
    rows = joined(list(file.rows()))
    if len(rows) < ROWS_LEAST:
        told = "".join(f"\n  {line}" for line in file.faults.lines())
        raise TraceError(
            f"{path}: {file.format} with {len(rows)} usable requests; a fit needs {ROWS_LEAST}"
            f"{told}"
        )
    reading = file.reading
    number = number or match.replications_for(len(rows))
    if not reading.timed:
        return with_faults(fit_without_arrivals(rows, called, number), file.faults)
    trace = trace_of(rows, reading.relative, reading.block_tokens)
    if not reading.relative and trace.arrival_s[-1] <= 0:
        raise TraceError(f"{path}: all requests arrive at the same instant; a fit needs a span")
    if reading.relative:
        sessions = 0 if trace.sessions is None else int(trace.sessions.session.max()) + 1
        if sessions < SESSIONS_LEAST:
            raise TraceError(
                f"{path}: {file.format} with {sessions} sessions, each with a clock of its own; a "
                f"fit needs {SESSIONS_LEAST} (FILE may be a folder of sessions)"
            )
        return with_faults(fit_agent_trace(trace, called, number), file.faults)
    return with_faults(fit_requests(trace, called, number), file.faults)


def with_faults(fitted: Fitted, faults: Faults) -> Fitted:
    """Rows that could not be used are told."""
    fitted.notes.extend(f"left out: {line}" for line in faults.lines())
    return fitted


def fit_without_arrivals(rows: Rows, name: str, number: int) -> Fitted:
    """A file of lengths, which does not tell when requests come."""
    arrivals = {"kind": "poisson", "rate": f"{REQUESTS_PER_S:g}/s"}
    pairs = fit_pairs(rows.input_tokens, rows.output_tokens)
    group = {"name": name, "arrivals": arrivals} | pairs
    notes = [f"arrivals: the file has lengths only; `rate: {arrivals['rate']}` stands in for yours"]
    instants_s = np.arange(len(rows), dtype=np.float64)
    measured = match.flat(figures(instants_s, rows.input_tokens, rows.output_tokens))
    drawn = replications([group], len(rows) / REQUESTS_PER_S, number, match.SEED, None)
    wanted = {name: measured[name] for name in LENGTHS}
    compared = match.compared(wanted, map(match.flat, drawn), LENGTHS)
    return Fitted("lengths", f"{len(rows):,} requests", [group], notes, compared, number)
