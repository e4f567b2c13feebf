"""`fleetcast report A B ...`: result sets side by side."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from fleetcast import diff, options
from fleetcast.exits import EXIT_DIFFERENT, EXIT_DONE, Stop

MARKS = {"  ✓ ": "green", "  ✗ ": "red"}


def compare_folders(folders: Sequence[Path], out: Path | None, output: str, tell: bool) -> int:
    """Print what changed and what is more than noise, draw the page; the exit code."""
    from planner.comparison import compare
    from reports.comparison import differs
    from reports.comparison_lines import LABELS, as_data, comparison_lines
    from reports.comparison_page import write_comparison
    from reports.comparison_sets import read_set
    from reports.folder import OtherResults

    if len(folders) > len(LABELS):
        raise Stop(f"got {len(folders)} folders; side by side go at most {len(LABELS)}")
    try:
        sets = [read_set(folder) for folder in folders]
    except OtherResults as error:
        raise Stop(str(error)) from error
    comparisons = compare(sets)
    folder = options.results_folder(out or Path("out") / "comparison")
    page = write_comparison(sets, comparisons, folder)
    if output == "json":
        click.echo(json.dumps(as_data(sets, comparisons), indent=2))
    else:
        lines = [*comparison_lines(sets, comparisons), f"page: {page}"]
        diff.show(lines, diff.COLOURS | MARKS)
    return EXIT_DIFFERENT if tell and differs(comparisons) else EXIT_DONE
