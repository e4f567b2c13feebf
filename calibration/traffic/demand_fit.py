"""A demand series -> how a rate changes over time, judged by sample paths drawn anew."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from calibration.traffic import match
from calibration.traffic.demand import (
    Demand,
    DemandFigures,
    demand_figures,
    fit_demand,
    read_series,
)
from calibration.traffic.fitted import Fitted
from calibration.traffic.rounding import per_second
from scenarios.demand import PoissonArrivals
from simulator.streams import stream
from simulator.traffic.arrivals.modulation import rate_over_time
from simulator.traffic.drawing import Period

Yaml = dict[str, Any]

HOUR_S = 3600.0
KINDS = {
    "cv": match.Kind(),
    "peak_over_mean": match.Kind(),
    "p99_over_mean": match.Kind(),
    "correlation": match.Kind(absolute=True),
    "daily_share": match.Kind(absolute=True),
}


def fit_series(path: Path, number: int) -> Fitted:
    """Raises TraceError for a file that is no demand."""
    series = read_series(path)
    known = series.values[np.isfinite(series.values)]
    modulation = fit_demand(series)
    arrivals: Yaml = {
        "kind": "poisson",
        "rate": per_second(float(known.mean()) / series.every_s),
        "modulation": modulation,
    }
    measured = asdict(demand_figures(series))
    drawn = [asdict(drawn_figures(arrivals, series, replication)) for replication in range(number)]
    compared = match.compared(measured, drawn, KINDS)
    days = series.values.size * series.every_s / 86_400
    about = f"{series.values.size:,} intervals of {series.every_s:g} s, {days:.1f} days"
    return Fitted("demand", about, [], notes_of(series, modulation), compared, number, arrivals)


def drawn_figures(arrivals: Yaml, series: Demand, replication: int) -> DemandFigures:
    """Of one sample path, looked at where the recording was."""
    span_s = series.values.size * series.every_s
    week_s = float(series.hour[0]) * HOUR_S
    rate = rate_over_time(
        PoissonArrivals.model_validate(arrivals),
        Period(0.0, span_s, span_s, week_s),
        lambda *purpose: stream(match.SEED, "demand", replication, *purpose),
    )
    bounds_s = np.arange(series.values.size + 1) * series.every_s
    values = np.diff(np.interp(bounds_s, rate.times_s, rate.areas))
    values[~np.isfinite(series.values)] = np.nan
    return demand_figures(replace(series, values=values))


def notes_of(series: Demand, modulation: list[Yaml]) -> list[str]:
    gaps = int(np.isnan(series.values).sum())
    share = demand_figures(series).daily_share
    kinds = [part["kind"] for part in modulation]
    notes = []
    if "table" in kinds:
        notes.append("modulation: too few days to tell what is typical of one: the recorded table")
    elif "daily" in kinds:
        notes.append(
            f"modulation: the hour of the day explains {share:.0%} of the variance; the rest is a "
            "level that remembers the one before. It needs a `starts_at`"
        )
    else:
        notes.append(
            f"modulation: the hour of the day explains {share:.0%} of the variance, which is too "
            "little to tell: a level that remembers the one before"
        )
    if gaps:
        notes.append(f"{gaps:,} intervals of long zeros or without a value are taken for gaps")
    return [*notes, "what counts in the file need not be requests: set `rate` to yours"]
