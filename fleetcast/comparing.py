"""`fleetcast report A B ...`: result sets side by side."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from fleetcast import diff, options
from fleetcast.exits import EXIT_DIFFERENT, EXIT_DONE, Stop
from fleetcast.places import Readable, is_address

if TYPE_CHECKING:
    from planner.result_set import ResultSet

MARKS = {"  ✓ ": "green", "  ✗ ": "red"}


def compare_places(places: Sequence[str], out: Path | None, output: str, tell: bool) -> int:
    """Print what changed and what is more than noise, draw the page; the exit code."""
    from planner.comparison import compare
    from reports.comparison import differs
    from reports.comparison_lines import LABELS, as_data, comparison_lines
    from reports.comparison_page import write_comparison

    if len(places) > len(LABELS):
        raise Stop(f"got {len(places)} folders; side by side go at most {len(LABELS)}")
    sets = [set_at(place) for place in places]
    comparisons = compare(sets)
    folder = options.results_folder(out or Path("out") / "comparison")
    page = write_comparison(sets, comparisons, folder)
    if output == "json":
        click.echo(json.dumps(as_data(sets, comparisons), indent=2))
    else:
        lines = [*comparison_lines(sets, comparisons), f"page: {page}"]
        diff.show(lines, diff.COLOURS | MARKS)
    return EXIT_DIFFERENT if tell and differs(comparisons) else EXIT_DONE


def set_at(place: str) -> "ResultSet":
    """The result set in a folder or, through a copy, at an address."""
    from reports.comparison_sets import read_set
    from reports.folder import OtherResults
    from simulator.places import told_address

    readable = Readable(file_okay=False, path_type=Path)
    folder = readable.convert(place, None, click.get_current_context())
    if not folder.is_dir():
        raise Stop(f"{place}: no such folder")
    name = told_address(place) if is_address(place) else place
    try:
        return read_set(folder, name)
    except OtherResults as error:
        raise Stop(str(error).replace(str(folder), name)) from error
