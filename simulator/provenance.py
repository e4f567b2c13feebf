"""Where a step time comes from, and how wrong such ones were about what they had not seen."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from scenarios.catalogue import coefficients
from scenarios.catalogue.facts import Engine, Gpu, Model
from scenarios.fleet import OtherPool, Replica
from scenarios.latency import Latency, LinearLatency, Profile
from scenarios.model import Scenario
from scenarios.part import Part, yaml_key
from scenarios.units import TIME_S, parse_quantity
from simulator.latency import reply, step_time

Origin = Literal["given", "calibrated", "measured", "assumed"]
"""given: by the scenario or a catalogue file of its own. calibrated: a profile, from load tests of
this very replica. measured: fitted to measurements of this GPU or engine. assumed: it is like
others."""

ALL = "unknown"
"""Owner in the coefficient file of what all engines share, and of what nobody measured."""
NUDGE = 0.01
"""Of a coefficient: a step time that stays the same does not use it."""
HALF_PCT, MOST_PCT = 67.0, 164.0
"""Half of normal errors lie within 0.67 standard errors, nine of ten within 1.64."""


@dataclass(frozen=True)
class Coefficient:
    """One number that a step time uses."""

    name: str
    of: str
    """Whose it is: a chip, an engine, 'all engines', 'profile', 'scenario'."""
    value: float
    unit: str
    uncertainty: float | None
    """Relative standard error; None where nobody measured it."""
    origin: Origin


@dataclass(frozen=True)
class Provenance:
    """What a step time rests on, and the error to expect of it."""

    origin: Origin
    rests_on: str
    error_pct: dict[str, float] = field(default_factory=dict)
    """tpot_median, tpot_p90, ttft_median, ...: of the absolute error, %; empty where unknown."""
    coefficients: list[Coefficient] = field(default_factory=list)
    never_measured: list[str] = field(default_factory=list)
    """The GPU, the engine or both, where the fit did not see it."""


def step_times(scenario: Scenario) -> list[dict[str, Any]]:
    """The provenance of every pool's step time as data, the main pool's first."""
    main = ("main", scenario.replica, scenario.latency)
    others = [(pool.name, pool.replica, pool.latency) for pool in scenario.fleet.others]
    return [
        {"pool": name} | asdict(provenance(scenario.model, replica, latency))
        for name, replica, latency in [main, *others]
    ]


def step_time_sd(scenario: Scenario) -> float | None:
    """Relative standard error to expect of the step time: that of the pool of which least is
    known. None where it is not known of one."""
    pools: list[Scenario | OtherPool] = [scenario, *scenario.fleet.others]
    errors = [provenance(scenario.model, p.replica, p.latency).error_pct for p in pools]
    if not all("tpot_median" in error for error in errors):
        return None
    return max(error["tpot_median"] for error in errors) / HALF_PCT


def provenance(model: Model, replica: Replica, latency: Latency | None) -> Provenance:
    """Of the step time that `simulator.latency.step_time` gives for the same."""
    physical = list(used(model, replica, latency))
    match latency:
        case LinearLatency():
            costs = list(stated(latency, "given", {}))
            return Provenance("given", "step time given by the scenario", coefficients=costs)
        case Profile():
            return of_profile(latency, physical)
        case _:
            return of_physics(model, replica, physical)


def of_profile(profile: Profile, physical: list[Coefficient]) -> Provenance:
    sure = profile.uncertainty
    step = sure.get("step_factor")
    error = {} if step is None else {"tpot_median": HALF_PCT * step, "tpot_p90": MOST_PCT * step}
    costs = list(stated(profile.step, "calibrated", {}, "profile")) if profile.step else []
    factors = [
        factor
        for factor in stated(profile, "calibrated", sure, "profile")
        if profile.step is None or not factor.name.endswith("_factor") or factor.value != 1.0
    ]
    return Provenance(
        "calibrated", f"calibrated: {profile.source}", error, [*factors, *costs, *physical]
    )


def of_physics(model: Model, replica: Replica, physical: list[Coefficient]) -> Provenance:
    news = {}
    if not was_fitted(replica.gpu.silicon):
        news["unknown_gpu"] = replica.gpu.name
    if not was_fitted(replica.engine.facts.name):
        news["unknown_engine"] = replica.engine.facts.name
    kind, what = ("moe", "mixture-of-experts") if model.experts else ("dense", "dense")
    rests_on = f"physics fitted to measurements, {what} model"
    rests_on += f", {' and '.join(news.values())} never measured" if news else ""
    known: dict[str, dict[str, float]] = fit().get("bands", {})
    bands = [known.get(f"{new}_{kind}", {}) for new in ("known", *news)]
    # What is new can only make it worse, though few measurements may say otherwise.
    error = {m: max(band[m] for band in bands if m in band) for m in bands[-1]}
    origin: Origin = "assumed" if news else "measured"
    return Provenance(origin, rests_on, error, physical, list(news.values()))


def stated(
    part: Part, origin: Origin, sure: dict[str, float], of: str = "scenario"
) -> Iterator[Coefficient]:
    """The numbers that a file states, those aside that say nothing."""
    for name in type(part).model_fields:
        value = getattr(part, name)
        if isinstance(value, float) and value:
            yield Coefficient(name, of, value, unit(name), sure.get(yaml_key(name)), origin)


def used(model: Model, replica: Replica, latency: Latency | None) -> Iterator[Coefficient]:
    """The coefficients of GPU and engine without which the step time would be another."""
    gpu, engine = replica.gpu, replica.engine.facts

    def times(gpu: Gpu, engine: Engine) -> object:
        settings = replica.engine.model_copy(update={"facts": engine})
        other = replica.model_copy(update={"gpu": gpu, "engine": settings})
        return step_time(model, other, latency), reply(other, latency)

    for name in fields(gpu, "silicon"):
        nudged = gpu.model_copy(update={name: getattr(gpu, name) + NUDGE})
        if times(nudged, engine) != times(gpu, engine):
            yield fitted(gpu, name, "silicon", gpu.silicon)
    for name in fields(engine, "engines"):
        changed = engine.model_copy(update={name: getattr(engine, name) + NUDGE})
        if times(gpu, changed) != times(gpu, engine):
            yield fitted(engine, name, "engines", engine.name)


def fields(facts: Part, shelf: str) -> list[str]:
    known = coefficients()[shelf][ALL]
    return [name for name in type(facts).model_fields if yaml_key(name) in known]


def fitted(facts: Gpu | Engine, name: str, shelf: str, owner: str) -> Coefficient:
    """A coefficient beside the fit: its own, that of all engines, or one that nobody measured."""
    value: float = getattr(facts, name)
    if value != on_file(shelf, owner, name):
        return Coefficient(name, facts.name, value, unit(name), None, "given")
    sure: dict[str, float] = fit().get("uncertainty", {})
    own = f"{owner}.{name}"
    candidates = (own, fit().get("tied", {}).get(own), f"{ALL}.{name}")
    key = next((k for k in candidates if k in sure), None) if was_fitted(owner) else None
    if key is None:
        return Coefficient(name, facts.name, value, unit(name), None, "assumed")
    of = "all engines" if key.startswith(f"{ALL}.") else owner
    origin: Origin = "assumed" if key in fit().get("undecided", ()) else "measured"
    return Coefficient(name, of, value, unit(name), sure[key], origin)


def on_file(shelf: str, owner: str, name: str) -> float:
    """The value in the coefficient file."""
    shelves = coefficients()[shelf]
    text = (shelves[ALL] | shelves.get(owner, {}))[yaml_key(name)]
    return parse_quantity(text, TIME_S, "a time") if name.endswith("_s") else float(text)


def fit() -> dict[str, Any]:
    """How sure the fit is: `uncertainty` and `bands`; perhaps `tied`, coefficient -> the one whose
    value it takes, and `undecided`, those that the data left at their prior."""
    found: dict[str, Any] = coefficients().get("fit", {})
    return found


def was_fitted(owner: str) -> bool:
    """Whether the fit saw this chip or engine."""
    return owner != ALL and any(key.startswith(f"{owner}.") for key in fit().get("uncertainty", {}))


def unit(name: str) -> str:
    if name.endswith("_s"):
        return "s"
    return "factor" if name.endswith("_factor") else "share"
