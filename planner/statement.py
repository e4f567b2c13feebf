"""What a plan says, word for word, with its scope."""

from planner.plan import Plan
from planner.search import Certificate
from scenarios.lines import named
from scenarios.model import Scenario
from simulator.inputs import inputs_told


def statement(plan: Plan) -> str:
    """What the plan says, word for word, with its scope."""
    scenario, promise = plan.scenario, plan.promise
    assert scenario.sla is not None
    kept = " and ".join(objective.text for objective in scenario.sla.objectives)
    period = f"a period of {duration(scenario.horizon_s)}"
    model = f"In this model (scenario {plan.question.hash[:12]}) {period} meets [{kept}]"
    scope = f"The statement is about the model with these inputs: {what_is_given(scenario)}"
    goal = f"with probability >= {promise.probability:g}"
    confidence = f"{promise.confidence:.0%} confidence"
    chosen = plan.certificate.replicas
    if chosen is None:
        tally = plan.certificate.tally(plan.shown)
        assert tally is not None
        seen = f"{tally.failed} of {tally.runs} periods failed"
        tried = f"not certified for {sizes_tried(plan.certificate)} replicas{chosen_line(plan)}"
        if plan.certificate.status == "infeasible":
            most = replicas(plan.certificate.tallies[-1].replicas)
            tried = f"rejected for up to {most}{chosen_line(plan)}"
        return f"{model} {goal}: {tried}; {replicas(plan.shown)}: {tally.status} ({seen}). {scope}"
    tally = plan.certificate.tally(chosen)
    assert tally is not None
    fewer = plan.one_fewer
    below = ""
    if fewer.runs:
        seen = f"{fewer.failed}/{fewer.runs} periods failed"
        below = f"{replicas(fewer.replicas)}: {fewer.status} ({seen}). "
    elif fewer.replicas:
        below = f"{replicas(fewer.replicas)}: not tried. "
    return (
        f"{model} {goal}: certified for {fleet(scenario, chosen)}{chosen_line(plan)}"
        f"{beside(scenario)} "
        f"at {confidence} "
        f"({tally.runs} fresh simulated periods, {tally.failed} failed; exact sequential test, "
        f"error <= {promise.alpha:.2g} over the whole search including its stopping rule"
        f"{audit(plan)}). {below}{scope}"
    )


def fleet(scenario: Scenario, size: int) -> str:
    """'5 replicas', '2 to 9 replicas by autoscaling'."""
    scaling = scenario.fleet.autoscaling
    if scaling is None:
        return replicas(size)
    return f"{size} to {scaling.replicas[1]} replicas by autoscaling"


def what_is_given(scenario: Scenario) -> str:
    """Which inputs the certificate covers, and which it takes as given."""
    given = "rates, lengths, step time and failure rates"
    if not scenario.uncertain:
        return f"{given} are taken as given."
    return (
        "some are drawn anew for each period from their stated ranges, and the promise is about "
        f"periods so drawn ({'; '.join(inputs_told(scenario))}); all other {given} are taken as "
        "given."
    )


def chosen_line(plan: Plan) -> str:
    """The choices that were made; nothing where there were none."""
    values = plan.lines[plan.line].values
    chosen = ", ".join(f"{key} {named(value)}" for key, value in values.items())
    return f" with {chosen}" if chosen else ""


def beside(scenario: Scenario) -> str:
    """The pools that stand beside every size that was tried."""
    others = [f"{pool.replicas} of pool {pool.name}" for pool in scenario.fleet.others]
    return f" beside {' and '.join(others)}" if others else ""


def sizes_tried(certificate: Certificate) -> str:
    return " and ".join(str(tally.replicas) for tally in certificate.tallies)


def audit(plan: Plan) -> str:
    """What the coupling of fleet sizes rests on, where the answer made use of it."""
    run, failed = plan.certificate.inherited_run, plan.certificate.inherited_failed
    if not plan.promise.coupled:
        return ""
    premise = ", given that more replicas do not hurt on the same period"
    return f"{premise}: {failed} of {run} such passes failed when run" if run else premise


def replicas(count: int) -> str:
    return f"{count} replica" + ("" if count == 1 else "s")


def duration(seconds: float) -> str:
    """'5 min' of 300, '90 s' of 90, '24 h' of a day.

    >>> duration(300.0), duration(90.0), duration(86400.0)
    ('5 min', '90 s', '24 h')
    """
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds:g} s"
