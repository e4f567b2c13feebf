"""Result sets side by side: their answers, what changed and what of it is more than noise, as the
lines and the data that `fleetcast report A B ...` prints."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from planner.comparing import ALPHA
from planner.comparison import Comparison, Finding, kept_share
from planner.result_set import ResultSet
from reports.answer import fleet_found_text
from reports.comparison import (
    cannot_tell,
    conclusion,
    differs,
    finding_text,
    name_text,
    notes,
    pairing_text,
    trend,
    value_texts,
)
from reports.differences import (
    Change,
    answer_of,
    change_line,
    changes,
    changes_as_data,
    facts_of,
    question_of,
)
from reports.tables import counted, percent, usd
from simulator.estimates import Estimate
from simulator.results import finite

Data = dict[str, Any]

LABELS = "ABCDEF"
"""As many sets as there are colours that stay apart."""
SURE = f"a chance of at most {percent(ALPHA)} that any of this is said by mistake (Holm)"


# --- each set ------------------------------------------------------------------------------------


class Card(NamedTuple):
    """The answer of one set."""

    label: str
    place: str
    answer: str
    kept: str
    cost: str


def cards(sets: Sequence[ResultSet]) -> list[Card]:
    return [
        Card(label, one.place, answer_text(one), kept_text(one), cost_text(one))
        for label, one in zip(LABELS, sets, strict=False)
    ]


def answer_text(one: ResultSet) -> str:
    if one.plan is None:
        scaled = " at first, by autoscaling" if "autoscaling" in one.scenario["fleet"] else ""
        return f"{counted(one.replicas, 'replica')}{scaled}, simulated"
    found = fleet_found_text(one.plan)
    if one.plan["fleet"]["replicas"] is None:
        return f"{found}; figures of {counted(one.replicas, 'replica')}"
    return f"{found}, certified"


def share_kept(one: ResultSet) -> Estimate | None:
    """P(SLA) over all periods; None where nothing is promised or no period was run."""
    if not (one.objectives and len(one.periods)):
        return None
    return kept_share(one, one.periods["kept"].to_numpy(dtype=float))


def kept_text(one: ResultSet) -> str:
    share = share_kept(one)
    if share is None:
        return counted(len(one.periods), "period")
    kept, periods = int(one.periods["kept"].sum()), counted(share.replications, "period")
    return f"SLA kept in {kept} of {periods}, P(SLA) in [{share.low:.2f}, {share.high:.2f}]"


def cost_text(one: ResultSet) -> str:
    return "" if one.plan is None else f"{usd(one.plan['cost']['usd_per_month'], 0)}/month"


# --- what changed --------------------------------------------------------------------------------


class Changed(NamedTuple):
    """What differs between two sets beside their figures."""

    question: list[Change]
    answer: list[Change]
    """Of two plans."""
    versions: list[Change]


def changed(a: ResultSet, b: ResultSet) -> Changed:
    versions = list(changes(a.manifest["versions"], b.manifest["versions"]))
    if a.plan is None or b.plan is None:
        return Changed(list(changes(as_run(a), as_run(b))), [], versions)
    question = list(changes(question_of(a.plan), question_of(b.plan)))
    return Changed(question, list(changes(answer_of(a.plan), answer_of(b.plan))), versions)


def as_run(one: ResultSet) -> Any:
    """The question of a simulation, or of the fleet that a plan shows: where the plan searched is
    no part of it."""
    return facts_of({key: value for key, value in one.scenario.items() if key != "plan"})


# --- together ------------------------------------------------------------------------------------


def comparison_lines(sets: Sequence[ResultSet], comparisons: Sequence[Comparison]) -> list[str]:
    """For people. What changed begins with two spaces and its mark: facts as in `fleetcast diff`,
    figures beyond noise with ✓ (better), ✗ (worse) or ~."""
    lines = []
    for card in cards(sets):
        told = ", ".join(filter(None, (card.answer, card.cost, card.kept)))
        lines.append(f"{card.label}  {card.place}: {told}")
    for label, one in zip(LABELS[1:], comparisons, strict=False):
        lines += ["", f"{label} against A: {pairing_text(one)}"]
        lines += list(changed_lines(changed(one.a, one.b)))
        lines += list(finding_lines(one))
    return [*lines, "", f"{conclusion(comparisons)}; {SURE}"]


def changed_lines(found: Changed) -> Iterator[str]:
    for name, group in found._asdict().items():
        yield from [name, *map(change_line, group)] if group else []
    if not found.question:
        yield "the question is the same"


def finding_lines(one: Comparison) -> Iterator[str]:
    """A line per figure; those that are the same share one."""
    same = [name_text(finding) for finding in one.findings if finding.verdict == "same"]
    told = [finding for finding in one.findings if finding.verdict != "same"]
    rows = [
        (mark(f), name_text(f), " -> ".join(value_texts(f)), finding_text(f, one.paired))
        for f in told
    ]
    if one.findings:
        yield "; ".join(["figures, of the median period", *notes(one)])
    name_width, value_width = (max((len(row[i]) for row in rows), default=0) for i in (1, 2))
    for sign, name, values, said in rows:
        yield f"  {sign} {name:<{name_width}}  {values:<{value_width}}  {said}"
    if same:
        yield f"    the same, exactly: {', '.join(same)}"


def mark(finding: Finding) -> str:
    """Better, worse, other; a blank where it is no more than noise."""
    other = "~" if finding.verdict == "differs" else " "
    return {1: "✓", -1: "✗", 0: other}[trend(finding)]


def as_data(sets: Sequence[ResultSet], comparisons: Sequence[Comparison]) -> Data:
    """For `-o json`: seconds, shares of one. Numbers without end are null."""
    told: Data = finite(
        {
            "differ": None if cannot_tell(comparisons) else differs(comparisons),
            "alpha": ALPHA,
            "sets": [set_data(label, one) for label, one in zip(LABELS, sets, strict=False)],
            "comparisons": [
                comparison_data(label, one)
                for label, one in zip(LABELS[1:], comparisons, strict=False)
            ],
            "summary": conclusion(comparisons),
        }
    )
    return told


def set_data(label: str, one: ResultSet) -> Data:
    share, known = share_kept(one), one.manifest
    return {
        "set": label,
        "place": one.place,
        **{key: known[key] for key in ("command", "scenario_hash", "seed", "versions")},
        "replicas": one.replicas,
        "periods": len(one.periods),
        "kept": share and share._asdict(),
    }


def comparison_data(label: str, one: Comparison) -> Data:
    groups = changed(one.a, one.b)._asdict().items()
    return {
        "set": label,
        "against": LABELS[0],
        "changed": {name: changes_as_data(group) for name, group in groups},
        "paired": one.paired,
        "same_demand": one.same_demand,
        "periods": list(one.periods),
        "whole_periods": list(one.whole),
        "figures": [finding_data(finding, one.paired) for finding in one.findings],
    }


def finding_data(finding: Finding, in_pairs: bool) -> Data:
    plain = {k: v for k, v in finding._asdict().items() if k not in ("values", "name")}
    sides = {"a": finding.a._asdict(), "b": finding.b._asdict()}
    return {"figure": finding.name} | plain | sides | {"said": finding_text(finding, in_pairs)}
