"""`fleetcast calibrate RESULT...`: load tests of your own engine -> a profile for scenarios."""

import os
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetcast import options
from fleetcast.exits import EXIT_FAILED, Stop

if TYPE_CHECKING:
    from calibration.loadtests import LeftOut, LoadTest
    from calibration.profile import Calibration
    from scenarios.latency import Profile
    from scenarios.model import Scenario

PARTS = {
    "step": "the whole step",
    "overhead": "engine overheads",
    "request": "each request",
    "context": "reading its context",
    "prompt": "computing its prompt",
    "reply": "front end's reply",
}
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("calibrate")
@click.argument("results", metavar="RESULT...", nargs=-1, type=FILE)
@click.option(
    "--scenario",
    "file",
    required=True,
    type=FILE,
    help="The model, GPU, engine and flags that were measured; its traffic is not used.",
)
@options.overrides
@click.option(
    "--num-gpu-blocks",
    type=click.IntRange(min=1),
    metavar="N",
    help="KV blocks from the engine's log.",
)
@click.option(
    "--tables",
    type=click.Choice(["aiconfigurator"]),
    help="Start from measured operator tables instead of the built-in step time.",
)
@click.option(
    "--tables-version", metavar="V", help="Of the engine, in the tables; else the current one."
)
@click.option("--keep-suspicious", is_flag=True, help="Use runs with grave suspicions too.")
@click.option(
    "--out",
    default="ours.yaml",
    show_default=True,
    help="The profile to write.",
    type=click.Path(dir_okay=False, path_type=Path),
)
@options.output
def command(
    results: tuple[Path, ...], file: Path, overrides: tuple[str, ...], num_gpu_blocks: int | None,
    tables: str | None, tables_version: str | None, keep_suspicious: bool, out: Path, output: str,
) -> None:  # fmt: skip
    """Learn the step time of your engine from load tests and write it as a profile.

    RESULT is what `vllm bench serve --save-result`, GuideLLM, AIPerf or inference-perf wrote, or a
    CSV of your own. A scenario uses the profile with `latency: {profile: ours.yaml}`.
    """
    from simulator.results import write_text

    if not results and not tables:
        raise click.UsageError("name the RESULT files of a load test, or --tables aiconfigurator.")
    if tables_version and not tables:
        raise click.UsageError("--tables-version needs --tables.")
    scenario = measured_scenario(file, overrides, num_gpu_blocks)
    options.results_folder(out.parent)
    today = date.today().isoformat()
    base = from_tables(scenario, today, tables_version) if tables else None
    if not results:
        assert base is not None, "one of them is there"
        profile, data = base, {}
        lines = [f"{about(scenario)}, from tables", f"  {base.source}", *promise(base)]
    else:
        tests = read(results)
        calibration, left_out = learned(scenario, tests, today, base, keep_suspicious)
        profile = calibration.profile
        data = as_data(calibration, tests, left_out, str(scenario.model.name))
        lines = list(table(calibration, about(scenario), data))
    write_text(profile_yaml(profile), out)
    if num_gpu_blocks is not None:
        lines.append(
            f"The scenario needs it too: `num_gpu_blocks: {num_gpu_blocks}` in its engine."
        )
    named = os.path.relpath(out, file.parent)  # a scenario looks for it beside itself
    lines.append(f"{out}: use it with `latency: {{profile: {named}}}`")
    show({"profile": profile.as_yaml_data(), **data, "written": str(out)}, lines, output)


def measured_scenario(
    file: Path, overrides: tuple[str, ...], num_gpu_blocks: int | None
) -> "Scenario":
    """The scenario that was measured, or a Stop where it has a step time already."""
    if num_gpu_blocks is not None:
        overrides = (*overrides, f"replica.engine.num_gpu_blocks={num_gpu_blocks}")
    scenario = options.load_scenario(file, overrides, None)
    if scenario.latency is not None:
        raise Stop(
            f"{file} has a `latency:` of its own, and calibration starts from the built-in step "
            "time: take it out, and put the profile in afterwards"
        )
    return scenario


def from_tables(scenario: "Scenario", today: str, version: str | None) -> "Profile":
    from calibration.aic import profile_from_aic
    from calibration.aic_database import AicMissing, AicUnknown

    try:
        return profile_from_aic(scenario.model, scenario.replica, today, version)[0]
    except (AicMissing, AicUnknown) as error:
        raise Stop(f"--tables: {error}") from error


def read(results: tuple[Path, ...]) -> "list[LoadTest]":
    from calibration.loadtests import UnreadableLoadTest, read_load_test

    tests, faults = [], []
    for path in results:
        try:
            tests.append(read_load_test(path))
        except UnreadableLoadTest as error:
            faults.append(str(error))
    if faults:
        raise Stop("\n".join(faults))
    return tests


def learned(
    scenario: "Scenario", tests: "list[LoadTest]", today: str, base: "Profile | None",
    keep_suspicious: bool,
) -> "tuple[Calibration, list[LeftOut]]":  # fmt: skip
    """The calibration and the runs it does without; a Stop when none is left."""
    from calibration.loadtests import LeftOut, cases_of
    from calibration.profile import calibrate
    from fleetcast.progress import compile_first

    compile_first(closed_loops=True)
    cases, left_out = cases_of(tests, scenario.model, scenario.replica, keep_suspicious)
    if not cases:
        reasons = "".join(f"\n  {each}" for each in left_out)
        raise Stop(
            f"no usable run (--keep-suspicious takes the doubtful ones){reasons}", EXIT_FAILED
        )
    try:
        calibration = calibrate(cases, source(tests, len(cases), base), today, base)
    except ValueError as error:
        raise Stop(f"no profile: {error}", EXIT_FAILED) from error
    return calibration, [*left_out, *(LeftOut(*each) for each in calibration.unused)]


def source(tests: "list[LoadTest]", runs: int, base: "Profile | None") -> str:
    """What the profile rests on, in a line."""
    files = ", ".join(f"{test.path.name} ({test.tool})" for test in tests)
    start = f", on {base.source}" if base else ""
    return f"{runs} run{'s' if runs > 1 else ''} of {files}{start}"


def profile_yaml(profile: "Profile") -> str:
    from scenarios.latency import profile_text

    return (
        "# Written by `fleetcast calibrate`. A scenario of the same replica uses it with\n"
        "#   latency: {profile: this-file.yaml}\n" + profile_text(profile)
    )


# --- what is told --------------------------------------------------------------------------------


def as_data(
    calibration: "Calibration", tests: "list[LoadTest]", left_out: "list[LeftOut]", model: str
) -> dict[str, Any]:
    from calibration.loadtests import suspicions
    from calibration.loadtests.advice import doubts, other_model, wishes

    names = {run.model for test in tests for run in test.runs if run.model}
    others = sorted(name for name in names if other_model(name, model))
    unused = {each.name for each in left_out}
    runs = [(test, run) for test in tests for run in test.runs]
    told = [
        (run.name if len(tests) == 1 else f"{test.path.name}: {run.name}", run)
        for test, run in runs
    ]
    return {
        "points": [
            asdict(point) | {"error_before": point.error_before, "error_after": point.error_after}
            for point in calibration.points
        ],
        "parts": [asdict(part) | {"distance": part.distance} for part in calibration.parts],
        "warnings": [
            f"the results name the model {name!r}, the scenario {model!r}" for name in others
        ],
        "notes": [note for test in tests for note in test.notes],
        "suspicions": [f"{n}: {s}" for n, run in told if n not in unused for s in suspicions(run)],
        "doubts": list(doubts(calibration)),
        "left_out": [str(each) for each in left_out],
        "measure_next": list(wishes(calibration)),
    }


def about(scenario: "Scenario") -> str:
    replica = scenario.replica
    return (
        f"{scenario.model.name} on {replica.gpus} x {replica.gpu.name}, "
        f"{replica.engine.facts.name}, {replica.precision}"
    )


def table(calibration: "Calibration", title: str, data: dict[str, Any]) -> Iterator[str]:
    from calibration.loadtests.advice import in_words

    yield f"{title}: {calibration.profile.source}"
    yield f"  {'run':28} {'figure':>10} {'measured':>12} {'built in':>18} {'profile':>18}"
    for point in calibration.points:
        figures = "".join(
            f" {value:>10,.4g} {error:>+7.1%}"
            for value, error in (
                (point.before, point.error_before),
                (point.after, point.error_after),
            )
        )
        name = point.case_id if len(point.case_id) <= 28 else f"{point.case_id[:25]}..."
        yield f"  {name:28} {in_words(point.metric):>10} {point.measured:>9,.4g} ms{figures}"
    yield ""
    yield f"  {'learned':22} {'factor':>7} {'within':>7} {'believed before':>16}  how far from that"
    for part in calibration.parts:
        away = f"{part.distance:+.1f} standard errors" + (
            "" if part.decided else ", hardly decided"
        )
        believed = f"1 within {part.spread_before:.0%}"
        learned = f"{part.factor:7.3f} {part.spread:>7.0%}"
        yield f"  {PARTS[part.name]:22} {learned} {believed:>16}  {away}"
    yield from promise(calibration.profile)
    headings = {
        "warnings": "Is it the same model?", "notes": "The files:", "suspicions": "Suspicious:",
        "doubts": "Doubtful:", "left_out": "Left out:", "measure_next": "Measure next:",
    }  # fmt: skip
    for key, heading in headings.items():
        if data[key]:
            yield f"{heading}"
            yield from (f"  - {line}" for line in data[key])


def promise(profile: "Profile") -> Iterator[str]:
    spread = profile.uncertainty["step_factor"]
    yield f"Step times of other requests on this replica: within {spread:.0%} (one standard error)."


def show(data: dict[str, Any], lines: list[str], output: str) -> None:
    import json

    if output == "json":
        click.echo(json.dumps(data, indent=1))
    else:
        click.echo("\n".join(lines))
