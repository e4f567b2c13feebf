"""docs/traffic-fits.md, from what was fitted and drawn. It shows derived figures, never rows."""

from collections.abc import Sequence

from benchmarks.table import markdown
from benchmarks.traffic.fits import BLOCK, Result
from calibration.traffic.match import SEED, Figure
from reports.trace_fit import error_text, limit_text, number

HEAD = """# Traffic: measured against synthetic

How much traffic drawn from `fleetcast trace fit` looks like the recording it was fitted to.
`make traffic` wrote this page: it fits every recording in a folder, draws {replications}
replications of the recording's length from each fit (seed {seed}) and measures both sides alike.
Errors are of the median over replications; beside it, where 80 % of replications lie. "Windows"
replays the recording itself in windows of {block}, drawn anew in each replication
(`arrivals: {{kind: trace}}`).

What is promised: the index of dispersion (variance over mean of counts in consecutive bins) within
25 % at 10 s and 60 s, 50th, 90th and 99th percentile of prompts and answers within 10 %, the share
of prompt tokens that an infinite prefix cache finds within 5 points. Windows do not share prefixes
with each other, so that their hit rate is lower and nothing is promised of it.
"""


def page(results: Sequence[Result], replications: int) -> str:
    """The whole page as Markdown."""
    head = HEAD.format(replications=replications, seed=SEED, block=BLOCK)
    parts = [head, "## In short\n\n" + summary(results)]
    parts += [section(result) for result in results if result.fitted is not None]
    refused = [f"- `{r.file}`: {r.refused}" for r in results if r.fitted is None]
    if refused:
        parts.append("## Not fitted\n\n" + "\n".join(refused))
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def summary(results: Sequence[Result]) -> str:
    rows = []
    for result in results:
        if result.fitted is None:
            continue
        beyond = [f.name for f in result.fitted.figures if f.kept is False]
        beyond += [f"{f.name} (windows)" for f in result.bootstrap if f.kept is False]
        rows.append(
            (f"`{result.file}`", result.fitted.kind, kept(result.fitted.figures),
             kept(result.bootstrap), ", ".join(beyond) or "none")
        )  # fmt: skip
    return markdown(("recording", "fitted as", "kept", "kept by windows", "beyond the limit"), rows)


def kept(figures: Sequence[Figure]) -> str:
    promised = [figure for figure in figures if figure.limit is not None]
    if not promised:
        return "-"
    return f"{sum(figure.kept is True for figure in promised)} of {len(promised)}"


def section(result: Result) -> str:
    fitted = result.fitted
    assert fitted is not None
    windows = {figure.name: figure for figure in result.bootstrap}
    heading = ["", "measured", "synthetic", "10-90 %", "error", "limit"]
    rows = []
    for figure in fitted.figures:
        again = windows.get(figure.name)
        cells = [
            figure.name, number(figure.measured), number(figure.synthetic),
            f"{number(figure.low)} .. {number(figure.high)}", flagged(figure), limit_text(figure),
        ]  # fmt: skip
        if windows:
            cells += [number(again.synthetic), flagged(again)] if again else ["", ""]
        rows.append(tuple(cells))
    heading += ["windows", "error"] if windows else []
    notes = "\n".join(f"- {note}" for note in fitted.notes)
    return f"## {result.file}\n\n{fitted.about}.\n\n{notes}\n\n{markdown(heading, rows)}"


def flagged(figure: Figure) -> str:
    """The error, bold where it is beyond its limit."""
    text = error_text(figure)
    return f"**{text}**" if figure.kept is False else text
