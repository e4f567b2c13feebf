"""`fleetcast trace-run FILE --replication 17`: one replication under the microscope."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetcast import options
from fleetcast.exits import Stop
from fleetcast.places import Local, Readable, is_address
from scenarios.units import A_SIZE, A_TIME, SIZE_BYTES, TIME_S, parse_quantity

if TYPE_CHECKING:
    from fleetcast.trace_source import Asked
    from reports.trace_run_events import Window
    from reports.trace_run_file import Subject
    from simulator.watch import Watched

LOOKS = 2000
"""At the fleet, for the counters."""
LOOK_LEAST_NS = 1_000_000


@click.command("trace-run")
@click.argument("file")
@click.option("--replication", default="0", show_default=True, metavar="N|worst|median",
              help="Which period; worst and median of a folder of results.")  # fmt: skip
@click.option("--size", type=click.IntRange(min=1), metavar="N",
              help="Replicas.  [default: those of the scenario, or of the results]")  # fmt: skip
@click.option("--from", "begin", default="0s", show_default=True, metavar="TIME",
              help="Where in the period the trace begins ...")  # fmt: skip
@click.option("--to", "end", metavar="TIME",
              help="... and where it ends.  [default: when the run does]")  # fmt: skip
@click.option("--max-size", "size_max", default="50MB", show_default=True, metavar="SIZE",
              help="Of the file. What does not fit is left out evenly, never the worst requests or "
              "those that a fault hit.")  # fmt: skip
@click.option("--out", type=Local(dir_okay=False, path_type=Path), metavar="PATH",
              help="The trace.  [default: out/NAME-REPLICATION.trace.json.gz]")  # fmt: skip
@options.overrides
@options.seed
@options.output
def command(
    file: str, replication: str, size: int | None, begin: str, end: str | None, size_max: str,
    out: Path | None, overrides: tuple[str, ...], seed: int | None, output: str,
) -> None:  # fmt: skip
    """Play one period of FILE again, as it was judged, and write down what happened to each
    request and replica: a trace for ui.perfetto.dev or chrome://tracing, and the ten worst
    requests in words.

    FILE: a scenario, or results of `plan` or `simulate`: a folder or s3://bucket/prefix.
    """
    from fleetcast.trace_source import asked_of
    from reports.trace_run_lines import trace_lines

    asked = asked_of(local(file), replication, size, overrides, seed)
    size_max_bytes = int(quantity("--max-size", size_max, SIZE_BYTES, A_SIZE))
    window_s = window_of(asked, begin, end)
    path = out or Path("out") / f"{asked.scenario.name}-{asked.replication}.trace.json.gz"
    options.results_folder(path.parent)
    data = traced(asked, window_s, path, size_max_bytes)
    if data["trace"]["requests_shown"] < data["trace"]["requests"]:
        click.echo(thinned_text(data["trace"], size_max), err=True)
    if output == "json":
        click.echo(json.dumps(data, indent=2))
    else:
        click.echo("\n".join(trace_lines(data)))


def local(file: str) -> Path:
    """A file or a folder, or the copy of what is elsewhere. Stop where there is none."""
    readable = Readable(exists=True, file_okay=not is_address(file), path_type=Path)
    path: Path = readable.convert(file, None, click.get_current_context())
    return path


def quantity(option: str, text: str, units: dict[str, float], allowed: str) -> float:
    """What an option says, in its base unit, or a Stop."""
    try:
        value = parse_quantity(text, units, allowed)
    except ValueError as error:
        raise Stop(f"{option}: got {text!r}\n    allowed: {allowed}") from error
    if value < 0:
        raise Stop(f"{option}: got {text!r}\n    allowed: nothing below zero")
    return value


def window_of(asked: "Asked", begin: str, end: str | None) -> tuple[float, float | None]:
    """Seconds of the period, or a Stop."""
    horizon_s = asked.scenario.horizon_s
    begin_s = quantity("--from", begin, TIME_S, A_TIME)
    if begin_s >= horizon_s:
        raise Stop(f"--from: got {begin}\n    allowed: below the period of {horizon_s:g}s")
    if end is None:
        return begin_s, None
    end_s = quantity("--to", end, TIME_S, A_TIME)
    if end_s <= begin_s:
        raise Stop(f"--to: got {end}\n    allowed: above --from, {begin}")
    return begin_s, end_s


def thinned_text(trace: dict[str, Any], size_max: str) -> str:
    return (
        f"Note: {trace['requests_shown']:,} of {trace['requests']:,} requests are in the trace, so "
        f"that it takes at most {size_max}: the worst, those that a fault hit, and others evenly. "
        "For all: a larger --max-size, or --from and --to"
    )


def traced(
    asked: "Asked", window_s: tuple[float, float | None], path: Path, size_max_bytes: int
) -> dict[str, Any]:
    """Run, write the trace, and tell: what is printed as JSON."""
    from fleetcast.progress import compile_first, watching
    from fleetcast.stop_on import user_errors
    from planner.verdict import judge
    from planner.worst import worst_requests
    from reports.request_stories import worst_data
    from reports.trace_run_file import TooSmall, write_trace
    from simulator.results import finite

    compile_first()
    with user_errors(), watching() as line:
        line.tell(f"replication {asked.replication} of {asked.replicas} replicas", 0, None)
        watched, window = watched_run(asked, window_s)
        run, objectives = watched.run, asked.scenario.objectives
        arrived = (run.arrival_s * 1e9 >= window.begin_ns) & (run.arrival_s * 1e9 <= window.end_ns)
        worst = worst_requests(run, objectives, arrived)
        subject = subject_of(asked, watched, window, {int(watched.rows[w.request]) for w in worst})
        line.tell(f"writing {path}", 0, None)
        try:
            written = write_trace(subject, path, size_max_bytes)
        except TooSmall as error:
            raise Stop(
                f"--max-size: {error}\n"
                "    allowed: a larger size, or a part of the period (--from, --to)"
            ) from error
    names = [name for name, _ in subject.replicas]
    stories = (subject.stories[int(watched.rows[one.request])] for one in worst)
    judged = judge(run, objectives)
    told: dict[str, Any] = finite(
        subject.about
        | {
            "kept": judged.kept if objectives else None,
            "objectives": [
                {"objective": check.objective.text, "value": check.value, "kept": check.kept}
                for check in judged.checks
            ],
            "trace": {"file": str(path), **written._asdict()},
            "worst": [
                worst_data(run, one, story, subject.groups, names)
                for one, story in zip(worst, stories, strict=True)
            ],
        }
    )
    return told


def watched_run(asked: "Asked", window_s: tuple[float, float | None]) -> tuple["Watched", "Window"]:
    """The run, looked at in the window alone."""
    from reports.trace_run_events import Window
    from simulator.control.lives import nanoseconds
    from simulator.watch import watch

    scenario = asked.scenario
    fleet = scenario.fleet.model_copy(update={"replicas": asked.replicas})
    begin_ns = nanoseconds(window_s[0])
    longest_ns = nanoseconds(scenario.horizon_s + scenario.drain_s)
    end_ns = longest_ns if window_s[1] is None else min(nanoseconds(window_s[1]), longest_ns)
    usual_ns = min(end_ns, nanoseconds(scenario.horizon_s)) - begin_ns
    every_ns = max(usual_ns // LOOKS, LOOK_LEAST_NS)
    looks_ns = range(begin_ns, end_ns + 1, every_ns)
    watched = watch(scenario, fleet, scenario.seed, asked.replication, looks_ns)
    return watched, Window(begin_ns, min(end_ns, watched.end_ns))


def subject_of(asked: "Asked", watched: "Watched", window: "Window", worst: set[int]) -> "Subject":
    """What is to be drawn, with names for everything."""
    from reports.trace_run_file import Subject, replica_names, rows_hit
    from simulator.results import versions
    from simulator.stories import Stories

    scenario = asked.scenario
    fleet = watched.played.fleet
    groups = [group.name for group in scenario.traffic]
    stories = Stories(watched.journal, len(watched.played.setup.workload), watched.end_ns)
    about = {
        "name": scenario.name,
        "scenario_hash": scenario.hash,
        "seed": scenario.seed,
        "replication": asked.replication,
        "replicas": asked.replicas,
        "from_s": window.begin_ns / 1e9,
        "to_s": window.end_ns / 1e9,
        "fleetcast": versions()["fleetcast"],
        "source": versions()["source"],
    }
    names = replica_names(watched.played.scenario, fleet)
    always = frozenset(worst | rows_hit(watched))
    return Subject(watched, stories, window, groups, names, always, about)
