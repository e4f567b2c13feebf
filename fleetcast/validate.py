"""`fleetcast validate DIR`: the simulator against measured runs, case by case."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from fleetcast import options
from fleetcast.exits import EXIT_FAILED, Stop

if TYPE_CHECKING:
    from calibration.cases import Case, Refused

DEFAULT_PAGE = Path("accuracy.html")


@click.command("validate")
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False,
                                                         path_type=Path))  # fmt: skip
@click.option("--split", metavar="NAME", help="Only the rows of this split, such as dev.")
@click.option("--cases", "patterns", multiple=True, metavar="GLOB",
              help="Only cases with such an id: 's2r-*'. Repeatable.")  # fmt: skip
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="Runs of a case that is not recorded request by request; their mean counts.",
)
@options.workers
@click.option("-o", "--output", type=click.Choice(["table", "json", "html"]), default="table",
              show_default=True, help="What to make of it.")  # fmt: skip
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File to write instead of stdout.  [default for html: accuracy.html]",
)
def command(
    folder: Path, split: str | None, patterns: tuple[str, ...], seeds: int, workers: int,
    output: str, out: Path | None,
) -> None:  # fmt: skip
    """Simulate the measured runs in DIR and show how far off each prediction is.

    DIR is one data set or a folder of them. Cases that cannot be simulated are listed with the
    reason; overloaded and suspect ones are summed up apart.
    """
    cases, refused = read(folder, split, patterns)
    if output == "html":
        out = out or DEFAULT_PAGE
    if out is not None:
        options.results_folder(out.parent)
    data = validated(cases, refused, seeds, workers)
    data["asked"] = {
        "folder": folder.resolve().name, "split": split, "cases": list(patterns), "seeds": seeds,
    }  # fmt: skip
    show(data, output, out)
    if not data["cases"]:
        raise Stop(f"none of {len(refused):,} cases could be simulated", EXIT_FAILED)


def read(
    folder: Path, split: str | None, patterns: tuple[str, ...]
) -> "tuple[list[Case], list[Refused]]":
    """The cases, and the rows that are none; a Stop where there is nothing of what was asked."""
    from calibration.datasets import read_cases

    cases, refused = read_cases(folder, split, patterns)
    if not cases:
        check_question(folder, split, patterns, refused)
    return cases, refused


def check_question(
    folder: Path, split: str | None, patterns: tuple[str, ...], refused: "list[Refused]"
) -> None:
    """Stop where the folder, the split or the patterns are wrong, and say what there is."""
    from calibration.datasets import read_cases
    from calibration.datasets.reading import ALL_ROWS

    every, others = read_cases(folder)
    if not every and all(each.case_id == ALL_ROWS for each in others):
        raise Stop(no_dataset(folder, others))
    splits = sorted({case.split for case in every if case.split is not None})
    if split is not None and split not in splits:
        known = ", ".join(splits) or "none that is stated"
        raise Stop(f"--split {split}: no such split in {folder}; there is: {known}")
    if patterns and all(each.case_id == ALL_ROWS for each in refused):
        ids = [case.case_id for case in every] or [each.case_id for each in others]
        asked, some = " ".join(patterns), ", ".join(ids[:5])
        raise Stop(
            f"--cases {asked}: no case has such an id; of {len(ids):,} the first are: {some}"
        )


def no_dataset(folder: Path, others: "list[Refused]") -> str:
    """What was looked for, and what was found instead."""
    from calibration.datasets.reading import KINDS

    kinds = "".join(f"\n  {', '.join(sorted(kind.columns))}" for kind in KINDS)
    found = "".join(f"\n  {each.dataset}: {each.reason}" for each in others)
    return (
        f"no data set in {folder}. Looked there and in the folders just below for a table of cases "
        f"(.csv or .csv.gz) with columns such as these, at least half of one line:{kinds}"
        + (f"\nFound only:{found}" if found else "")
    )


def validated(
    cases: "list[Case]", refused: "list[Refused]", seeds: int, workers: int
) -> dict[str, Any]:
    """Simulate them, with progress on stderr."""
    from calibration.accuracy import as_json
    from calibration.validation import validate
    from fleetcast.progress import compile_first, watching
    from simulator.results import finite, versions

    compile_first(closed_loops=True)
    results: list[Any] = []
    with watching() as line:
        for case, result in zip(cases, validate(cases, seeds, workers), strict=True):
            results.append(result)
            line.tell(f"validate {case.dataset}", len(results), len(cases))
    data: dict[str, Any] = finite(as_json([*results, *refused]))
    return data | {"versions": versions()}


def show(data: dict[str, Any], output: str, out: Path | None) -> None:
    """To stdout or to a file, which is then named."""
    from reports.accuracy import page
    from reports.accuracy_lines import accuracy_lines

    match output:
        case "html":
            text = page(data)
        case "json":
            text = json.dumps(data, indent=1)
        case _:
            text = "\n".join(accuracy_lines(data))
    if out is None:
        click.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")
        click.echo(out)
