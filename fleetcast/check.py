"""`fleetcast check FILE`: every fault of a scenario, or what it amounts to."""

from pathlib import Path

import click

from fleetcast import options
from fleetcast.price_age import warn_of_old_prices


@click.command("check")
@options.scenario_file
@options.overrides
def command(file: Path, overrides: tuple[str, ...]) -> None:
    """Check FILE and show every fault at once; when it is sound, say what it amounts to."""
    from fleetcast.stop_on import user_errors
    from planner.bracket import bracket, draw_periods, question_makes_sense
    from planner.search import SCREENING
    from reports.facts import fact_lines
    from reports.tables import accuracy_facts
    from scenarios.fleet import PythonRule
    from scenarios.lines import lines, named
    from simulator.inputs import inputs_told
    from simulator.kernel.step_time import in_python
    from simulator.provenance import step_times
    from simulator.rules import load_rule
    from simulator.simulate import pools

    scenario = options.load_scenario(file, overrides, None)
    warn_of_old_prices(scenario)
    main = pools(scenario, scenario.fleet)[0]
    limits, time = main.limits, main.time
    probability = scenario.sla.probability if scenario.sla else 0.95
    with user_errors():
        for rule in (scenario.fleet.router, scenario.fleet.admission):
            if isinstance(rule, PythonRule):
                load_rule(rule)
        periods = draw_periods(scenario, scenario.seed, SCREENING)
        load = bracket(scenario, periods, probability).load
        if scenario.sla is not None:
            question_makes_sense(scenario, load)
        uncertain = inputs_told(scenario)
    pool = limits.blocks * limits.block_tokens
    click.echo(f"{file}: sound (scenario {scenario.hash[:12]})")
    click.echo(
        f"  traffic  {load.rate_per_s:.2f} requests/s, {load.input_tokens:.0f} tokens in, "
        f"{load.output_tokens:.0f} out on average"
    )
    for group in scenario.traffic:
        if (users := getattr(group.arrivals, "users", None)) is not None:
            click.echo(f"  users    {group.name}: {users.conversion}")
    for told in uncertain:
        click.echo(f"  drawn    {told}, anew for each period")
    click.echo(
        f"  replica  {scenario.model.name} on {scenario.gpus_per_replica} x "
        f"{scenario.replica.gpu.name}: {limits.blocks:,} KV blocks = {pool:,} tokens"
    )
    if scenario.plan is not None and scenario.plan.choices:
        known = lines(scenario)
        click.echo(f"  lines    {len(known)} combinations of choices")
        for line in known:
            if line.fault is not None:
                chosen = ", ".join(f"{key} {named(value)}" for key, value in line.values.items())
                click.echo(f"           not {chosen}: {line.why_not}")
    lone_s = in_python(time, 0, 1, 1, round(load.input_tokens), round(load.input_tokens))
    click.echo(f"  step     {lone_s * 1e3:.2f} ms for one decode at the mean context")
    click.echo("\n".join(fact_lines(accuracy_facts(step_times(scenario)))))
