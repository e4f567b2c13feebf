"""What a file may say about traffic: arrivals, lengths, sessions, prefixes, groups."""

from scenarios.demand.arrivals import (
    Arrivals,
    ClosedArrivals,
    ConstantArrivals,
    GammaArrivals,
    MarkovArrivals,
    OnOffArrivals,
    OpenArrivals,
    PoissonArrivals,
    PopulationArrivals,
    Renewal,
    Replay,
    ServegenArrivals,
    TraceArrivals,
    WeibullArrivals,
)
from scenarios.demand.counts import Counts, Durations
from scenarios.demand.lengths import (
    TOKENS_MAX,
    Constant,
    FromFile,
    FromTrace,
    Gamma,
    Lengths,
    Lognormal,
    Mixture,
    OwnLengths,
    Quantiles,
    Table,
    TraceFile,
    Uniform,
    Weibull,
)
from scenarios.demand.modulation import CALENDAR, Modulation
from scenarios.demand.sessions import Agents, DrawnSessions, RecordedSessions, Sessions, Tools
from scenarios.demand.traffic import CHAINS_MAX, PREFIX_TOKENS_MAX, Prefix, Traffic
from scenarios.demand.users import UserDemand
from scenarios.units import P95

__all__ = [
    "CALENDAR", "CHAINS_MAX", "P95", "PREFIX_TOKENS_MAX", "TOKENS_MAX", "Agents", "Arrivals",
    "ClosedArrivals", "Constant", "ConstantArrivals", "Counts", "DrawnSessions", "Durations",
    "FromFile", "FromTrace", "Gamma", "GammaArrivals", "Lengths", "Lognormal", "MarkovArrivals",
    "Mixture", "Modulation", "OnOffArrivals", "OpenArrivals", "OwnLengths", "PoissonArrivals",
    "PopulationArrivals", "Prefix", "Quantiles", "RecordedSessions", "Renewal", "Replay",
    "ServegenArrivals", "Sessions", "Table", "Tools", "TraceArrivals", "TraceFile", "Traffic",
    "Uniform", "UserDemand", "Weibull", "WeibullArrivals",
]  # fmt: skip
