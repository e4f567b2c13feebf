"""What may be said of two sets' figures, in words."""

from collections.abc import Sequence
from math import ceil, comb, inf, isinf, log2

from planner.comparison import KEPT, Comparison, Finding
from reports.tables import NUMBERS, counted, number, shown
from scenarios.objectives import LATENCIES

NAMES = {
    "error_rate": "error rate",
    "output_tokens_per_s": "output tokens/s",
    "gpu_hours_paid": "GPU-hours paid",
}
BETTER_HIGHER = (KEPT, "goodput", "availability")
NEITHER = ("output_tokens_per_s",)
"""More tokens are better or worse as one asks for them."""


# --- one figure ----------------------------------------------------------------------------------


def metric_of(finding: Finding) -> str:
    return finding.name if finding.name == KEPT else finding.name.split()[0]


def name_text(finding: Finding) -> str:
    """As people say it: 'error rate' of error_rate, 'error rate for chat'."""
    metric, *rest = finding.name.split(" ", 1)
    return " ".join([NAMES.get(metric, metric), *rest])


def value_texts(finding: Finding) -> tuple[str, str]:
    """The figure in the one set and in the other."""
    if finding.name == KEPT:
        a, b = (f"{int(kept.sum())} of {kept.size}" for kept in finding.values)
        return a, b
    metric = metric_of(finding)
    return shown(metric, finding.a.value), shown(metric, finding.b.value)


def trend(finding: Finding) -> int:
    """1: better, -1: worse, 0: neither, or no difference beyond noise."""
    if finding.verdict != "differs" or metric_of(finding) in NEITHER:
        return 0
    rises = finding.higher > finding.lower
    return 1 if rises == (metric_of(finding) in BETTER_HIGHER) else -1


def finding_text(finding: Finding, in_pairs: bool) -> str:
    """What may be said of a figure."""
    match finding.verdict:
        case "same":
            return "the same, exactly"
        case "too few":
            return f"too few periods to tell: {enough(finding, in_pairs)} would do"
        case "differs" if finding.name == KEPT:
            return f"{kept_change(finding, in_pairs)}: more than noise"
        case "differs":
            return f"{change_text(finding, in_pairs)}: more than noise"
    if finding.name == KEPT:
        return kept_noise(finding, in_pairs)
    return noise_text(finding, in_pairs)


def change_text(finding: Finding, in_pairs: bool) -> str:
    """'slower by 12 ms [9 ms, 15 ms]'; where the median difference is none, or without end, what
    can be said instead."""
    word, metric = direction(finding), metric_of(finding)
    if finding.low <= 0.0 <= finding.high:
        return sides_text(finding) if in_pairs else word
    least, most = sorted((abs(finding.low), abs(finding.high)))
    if isinf(finding.difference):
        known = f"by at least {amount(metric, least)}"
        return f"{word} {known if least < inf else 'beyond measure'}"
    by = amount(metric, finding.difference)
    return f"{word} by {by} [{amount(metric, least)}, {amount(metric, most)}]"


def sides_text(finding: Finding) -> str:
    """'higher in 11 of 20 pairs, lower in 0'."""
    sides = zip((finding.higher, finding.lower), directions(finding), strict=True)
    (most, word), (fewest, other) = sorted(sides, reverse=True)
    return f"{word} in {most} of {pairs_text(finding)}, {other} in {fewest}"


def noise_text(finding: Finding, in_pairs: bool) -> str:
    reach = max(abs(finding.low), abs(finding.high))
    metric, periods = metric_of(finding), periods_text(finding, in_pairs)
    if reach == 0.0:
        changed = finding.lower + finding.higher
        which = f"{changed} of {pairs_text(finding)}" if in_pairs else "few periods"
        return f"other in {which} only: no more than noise"
    if isinf(reach):
        return f"no difference that {periods} can show: too often never"
    seen = amount(metric, reach)
    return f"no difference that {periods} can show; one of {seen} would have been seen"


def kept_change(finding: Finding, in_pairs: bool) -> str:
    if in_pairs:
        lost, gained = finding.lower, finding.higher
        return f"{lost} of {pairs_text(finding)} lost, {gained} gained"
    return "kept more often" if finding.difference > 0 else "kept less often"


def kept_noise(finding: Finding, in_pairs: bool) -> str:
    if not in_pairs:
        return f"no difference that {periods_text(finding, in_pairs)} can show"
    seen = ceil(1 + log2(1 / finding.alpha))
    return (
        f"{kept_change(finding, in_pairs)}: no more than noise; {seen} that change one way would "
        "have been seen"
    )


def direction(finding: Finding) -> str:
    return directions(finding)[0 if finding.higher > finding.lower else 1]


def directions(finding: Finding) -> tuple[str, str]:
    return ("slower", "faster") if metric_of(finding) in LATENCIES else ("higher", "lower")


def amount(metric: str, difference: float) -> str:
    """
    >>> amount("ttft", -0.012), amount("error_rate", 0.0021), amount("gpu_hours_paid", 1.5)
    ('12 ms', '0.21 points', '1.5')
    """
    size = abs(difference)
    if metric in LATENCIES:
        return shown(metric, size)
    return number(size) if metric in NUMBERS else f"{size * 100:.2g} points"


def periods_text(finding: Finding, in_pairs: bool) -> str:
    """How many periods a figure is of."""
    if in_pairs:
        return pairs_text(finding)
    return f"{finding.a.replications} and {counted(finding.b.replications, 'period')}"


def pairs_text(finding: Finding) -> str:
    return counted(finding.a.replications, "pair")


def enough(finding: Finding, in_pairs: bool) -> str:
    """How many periods could show a difference at the level that is asked."""
    if in_pairs:
        return f"{ceil(1 + log2(1 / finding.alpha))} pairs"
    each = 1
    while 2 / comb(2 * each, each) > finding.alpha:
        each += 1
    return f"{each} of each"


# --- a comparison --------------------------------------------------------------------------------


def pairing_text(one: Comparison) -> str:
    """Which periods are compared with which."""
    if one.paired:
        demand = "the same demand" if one.same_demand else "the same random numbers, other demand"
        sources = [side.manifest["versions"].get("source") for side in (one.a, one.b)]
        demand += "" if sources[0] == sources[1] else ", as far as the versions draw alike"
        return f"{counted(one.periods[0], 'period')} of each, pair by pair: one seed, {demand}"
    sides = zip(one.periods, (one.a, one.b), strict=True)
    seeds = [f"{counted(n, 'period')} of seed {side.manifest['seed']}" for n, side in sides]
    return " and ".join(seeds) + ", independent"


def notes(one: Comparison) -> list[str]:
    """What a reader of the figures has to know."""
    found = []
    if one.whole != one.periods:
        whole = one.whole[0] if one.paired else f"{one.whole[0]} and {one.whole[1]}"
        found.append(f"figures are of the {whole} that ran to their end and were not stopped")
    if [each.text for each in one.a.objectives] != [each.text for each in one.b.objectives]:
        found.append("SLA kept, goodput and availability are by each set's own objectives")
    return found


def conclusion(comparisons: Sequence[Comparison]) -> str:
    """Everything in a line."""
    findings = [finding for one in comparisons for finding in one.findings]
    if not findings:
        return "no figure that both have: no periods were run, or none to their end"
    if all(finding.verdict == "same" for finding in findings):
        return f"all {len(findings)} figures are the same, exactly"
    if cannot_tell(comparisons):
        unknown = sum(finding.verdict == "too few" for finding in findings)
        return (
            f"too few periods to tell anything of {unknown} of {counted(len(findings), 'figure')}"
        )
    worse = sum(trend(finding) < 0 for finding in findings)
    better = sum(trend(finding) > 0 for finding in findings)
    found = sum(finding.verdict == "differs" for finding in findings)
    verb = "differs" if found == 1 else "differ"
    told = f": {worse} worse, {better} better" if found else ""
    return (
        f"{found or 'none'} of {counted(len(findings), 'figure')} {verb} by more than noise{told}"
    )


def cannot_tell(comparisons: Sequence[Comparison]) -> bool:
    """Nothing differs as far as can be told, and of some figures nothing can."""
    verdicts = {finding.verdict for one in comparisons for finding in one.findings}
    return "differs" not in verdicts and "too few" in verdicts


def differs(comparisons: Sequence[Comparison]) -> bool:
    return any(finding.verdict == "differs" for one in comparisons for finding in one.findings)
