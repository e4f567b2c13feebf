"""What plan.json holds: the keys that planner/plan_data.py writes, and what they mean.

Classes here are named as what they are the JSON form of. The JSON Schema (`fleetcast schema
--plan`) and the reference page are made from this file. Numbers that are infinite or unknown are
null.
"""

from typing import Any, Literal

from scenarios.model import Minimised
from scenarios.part import Misfit, Record, misfits
from scenarios.price import Purchase
from simulator.provenance import Origin
from simulator.results import source_digest

Interval = list[float]


class Estimate(Record):
    """A figure over the certification periods of the fleet that is shown, one value each."""

    value: float | None
    """The median or, in `accounts`, the mean."""
    low: float | None
    """95 % interval of the value across periods; null where there is none."""
    high: float | None
    replications: int


class Objective(Estimate):
    """An objective of the SLA, with the figure that it is about in the median period."""

    objective: str
    limit: float
    """Seconds or a share of one."""


class OtherPool(Record):
    """A pool beside the main one, the same at every size."""

    name: str
    replicas: int
    gpu: str
    gpus_per_replica: int


class Fleet(Record):
    """The answer."""

    replicas: int | None
    """Of the main pool, with autoscaling its fewest; null where nothing was certified."""
    gpus: int | None
    """Of all pools."""
    most: int | None
    """To which autoscaling may grow the main pool; null without it."""
    gpu: str
    gpus_per_replica: int
    model: str
    precision: str
    router: str
    others: list[OtherPool]


class Certificate(Record):
    """The evidence of the fleet that is shown."""

    status: Literal["certified", "not certified", "infeasible"]
    """infeasible: every size that is allowed was rejected."""
    probability: float
    """The share of periods that has to keep the SLA."""
    confidence: float
    replications: int
    """Fresh periods of this size."""
    failed: int
    interval: Interval
    """For the share of periods kept; it holds although the search looked on."""
    inherited_run: int
    """Passes of a smaller fleet that were run for a larger one after all ..."""
    inherited_failed: int
    """... and how many of them failed."""


class Tally(Record):
    """What certification saw of one size."""

    replicas: int
    runs: int
    failed: int
    status: Literal["certified", "rejected", "undecided", "not tried"]
    inherited: int
    """How many of the runs were passes of a smaller fleet, not simulated for this one."""
    interval: Interval


class Screened(Record):
    """A size that was looked at roughly, to know where to certify."""

    replicas: int
    passed: bool


class PoolCost(Record):
    """The GPUs of one pool."""

    pool: str
    """The first is main; spares and warm pool are in it."""
    gpu: str
    purchase: Purchase
    gpus: float
    """Paid for at a time: the mean where that changes; all that were bought of owned ones."""
    usd_per_gpu_hour: float
    usd_per_hour: float
    usd_per_month: float
    kw: float | None
    """At the site's meter, in the mean; null where the catalogue does not know the GPU's power."""


class Energy(Record):
    """What the periods drew at the site's meter."""

    kwh_per_month: float
    kwh_per_million_tokens: float | None
    co2_kg_per_month: float | None
    """Null without a carbon factor."""
    co2_kg_per_million_tokens: float | None
    idle: float
    """Share of its power that a GPU draws while no engine step computes ..."""
    busy: float
    """... and while one does."""
    assumed: bool
    """Whether one of them is the catalogue's assumption."""
    asked: bool
    """Whether the scenario says `energy`."""


class Cost(Record):
    """What the fleet that is shown costs; idle, spare and failed time are inside. How it is
    reckoned: [what a fleet costs](../guides/costs.md)."""

    usd_per_gpu_hour: float
    """Mean over all GPUs."""
    usd_per_replica_hour: float
    """One replica of the main pool."""
    usd_per_hour: float
    usd_per_month: float
    usd_per_million_tokens: float | None
    """Prompt and output tokens of completed requests; null where none completed."""
    usd_per_million_output_tokens: float | None
    gpus_paid: float
    """At a time: spares and warm pool with those that serve; the mean where that changes."""
    pools: list[PoolCost]
    energy: Energy | None
    """Null where the catalogue does not know what a GPU draws."""
    price_source: str
    price_date: str | None
    hours_per_month: float
    varies: bool
    """Whether the GPUs that are paid for come and go."""


class Down(Record):
    """The share of the time with so many replicas down."""

    replicas: int
    exactly: Estimate
    or_more: Estimate


class Fault(Record):
    """What one fault of the scenario did, over all periods."""

    fault: str
    incidents: int
    retried: int
    """Requests that it hit last and that completed in the end."""
    lost: int
    """Those that did not."""


class Accounts(Record):
    """What failures cost. Means, since what is rare is zero in the median period; without an
    interval where all periods agree."""

    periods: int
    available_error_rate: float
    """The error rate that a minute may have and still count as available."""
    means: dict[str, Estimate]
    """By the columns of [replications.parquet](results.md)."""
    down: list[Down]
    faults: list[Fault]


class Search(Record):
    """Where the search looked, on the chosen line."""

    first: int
    """The scenario's `plan.replicas`, as far as `gpus_available` and autoscaling allow."""
    last: int
    lower_bound: int
    """Fewer replicas do not keep up with the mean load."""
    first_guess: int


class Load(Record):
    """What the traffic asks for, in the mean."""

    requests_per_s: float
    input_tokens: float
    output_tokens: float


class Coefficient(Record):
    """One number that a step time uses."""

    name: str
    of: str
    """Whose it is: a chip, an engine, 'all engines', 'profile', 'scenario'."""
    value: float
    unit: str
    uncertainty: float | None
    """Relative standard error; null where nobody measured it."""
    origin: Origin


class StepTime(Record):
    """What the step time of a pool rests on, and the error to expect of it:
    [how far to trust it](../guides/reading-the-answer.md#how-far-to-trust-the-step-time)."""

    pool: str
    origin: Origin
    rests_on: str
    error_pct: dict[str, float]
    """tpot_median, tpot_p90, ttft_median ...: of the absolute error, %; empty where unknown."""
    coefficients: list[Coefficient]
    never_measured: list[str]
    """The GPU, the engine or both, where the fit did not see it."""


class Line(Record):
    """What became of one combination of choices."""

    choice: dict[str, str]
    """Dotted keys of the scenario, and what was chosen, by name."""
    fate: Literal[
        "certified", "not certified", "infeasible", "dear", "unable", "not tried", "ruled out",
        "impossible",
    ]  # fmt: skip
    """dear: something better is certified. unable: no size passed the screening. not tried: it
    looks better than the answer, and no alpha was left for it. ruled out: no size is allowed.
    impossible: there is no such fleet."""
    why_not: str
    """Why nothing of it was run; else empty."""
    gpu: str | None
    gpus_per_replica: int | None
    sizes: list[int] | None
    """Fewest and most replicas that were allowed; null where none are."""
    lower_bound: int | None
    first_guess: int | None
    replicas: int | None
    """The certified size, else the smallest that looks able."""
    value: float | None
    """What the plan makes small (USD per hour, GPUs or kW), of `replicas` or, without, of the
    `lower_bound`."""
    screened: list[Screened]
    certified: list[Tally]


class Kept(Record):
    """How some periods of another world ended."""

    kept: int
    """Periods that kept the SLA ..."""
    runs: int
    """... of so many."""
    used: float | None
    """Share of the tightest objective's allowance that the median period used: 1 at the limit; null
    where that was not measured."""
    interval: Interval
    """95 %, for the share kept: Clopper and Pearson's."""


class WhatIf(Kept):
    """One thing made better."""

    relieves: str
    """What is scarce if this helps."""
    change: str


class Constraint(Record):
    """What binds one size below the answer, by what-ifs on the same seeds."""

    replicas: int
    as_it_is: Kept
    what_ifs: list[WhatIf]
    binding: list[str]
    """What helps most; empty where no single thing does, or none has to."""


class Lever(Record):
    """One input a step smaller and a step larger."""

    input: str
    less: Kept
    more: Kept


class Sensitivity(Record):
    """What the answer hangs on, the heaviest input first."""

    step: float
    as_it_is: Kept
    inputs: list[Lever]


class Headroom(Record):
    """The largest multiple of the traffic that the fleet still certifies."""

    factor: float
    replications: int
    failed: int
    refused: float | None
    """The next larger multiple, which it does not keep; null where none was tried."""


class FrontierPoint(Record):
    """A size near the answer, on the certificate's periods."""

    replicas: int
    usd_per_month: float | None
    """Null of a fleet that comes and goes and was not run to the end."""
    kept: int
    runs: int
    interval: Interval


class Explanation(Record):
    """Why this answer: estimates beside the certificate; only the headroom is certified."""

    constraint: Constraint
    sensitivity: Sensitivity
    headroom: Headroom
    frontier: list[FrontierPoint]
    luck: Kept | None
    """The answer with uncertain inputs exactly as given; null where all are certain."""


class PlanFile(Record):
    """The answer of `fleetcast plan`, its evidence in figures, and the scenario that it holds for.
    Seconds, shares of one, USD."""

    name: str
    scenario_hash: str
    """Of the question, with all its choices: the identity of what was asked."""
    scenario: dict[str, Any]
    """The scenario of the chosen line, every fact of it in place of names: with `fleet.replicas`
    this is what `fleetcast plan --check` runs again. A file that the scenario names is told by its
    place and the sha256 of its bytes."""
    versions: dict[str, str]
    """Of the program and the packages that made it; `source`: a digest of the code and the
    catalogue that results depend on."""
    seed: int
    statement: str
    """What the plan says, word for word, with its scope."""
    minimise: Minimised
    line: int
    """Which of `lines` was chosen or, where none was certified, is the one that is shown."""
    choice: dict[str, str]
    """What was chosen, by name: the same as of that line; empty where there was nothing to
    choose."""
    fleet: Fleet
    certificate: Certificate
    one_fewer: Tally | None
    """One replica below the answer; null where nothing was certified."""
    cost: Cost
    figures_of: int
    """The size that figures and cost are of: the answer, else the largest that certification
    ran."""
    objectives: list[Objective]
    metrics: dict[str, Estimate]
    """By the columns of [replications.parquet](results.md)."""
    accounts: Accounts | None
    """Null without failures and autoscaling, and where no period was run."""
    sizes: list[Tally]
    """Every size of the chosen line that certification ran."""
    screened: list[Screened]
    search: Search
    load: Load
    step_time: list[StepTime]
    """The main pool's first."""
    lines: list[Line]
    """Every combination of the plan's choices, in the order of the file."""
    explanation: Explanation | None
    """Null where nothing was certified."""


def plan_schema() -> dict[str, Any]:
    """The JSON Schema of plan.json."""
    schema = PlanFile.model_json_schema()
    return schema | {"$schema": "https://json-schema.org/draft/2020-12/schema"}


NEEDED = (
    ("name",), ("scenario",), ("choice",), ("lines",), ("cost",), ("objectives",), ("versions",),
    ("fleet",), ("fleet", "replicas"), ("certificate",), ("certificate", "status"),
)  # fmt: skip
"""What a plan of any version must have to be checked or compared."""


def made_here(plan: dict[str, Any]) -> bool:
    """Whether this very version of the code made a plan."""
    versions = plan.get("versions")
    return isinstance(versions, dict) and versions.get("source") == source_digest()


def plan_faults(plan: dict[str, Any]) -> list[Misfit]:
    """What keeps plain data from being a plan. Those of another version may lack keys that are not
    NEEDED, and have others."""
    found = misfits(PlanFile, plan)
    if made_here(plan):
        return found
    return [each for each in found if each.kind == "wrong" or each.at in NEEDED]
