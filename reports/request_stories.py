"""What happened to single requests of a run, in words."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from planner.worst import Worst
from reports.tables import counted, milliseconds
from simulator.kernel import attempts
from simulator.run import COMPLETED, LOST, OUTCOMES, REJECTED, TIMED_OUT, UNFINISHED, Run
from simulator.stories import (
    BEFORE_RETRY,
    DECODE,
    NOWHERE,
    PREFILL,
    QUEUED,
    Phase,
    Stay,
    Story,
)
from simulator.traffic import NS_PER_S

Data = dict[str, Any]

ENDS = {
    REJECTED: "is turned away for good",
    TIMED_OUT: "has timed out",
    LOST: "is lost",
    UNFINISHED: "has not ended when the run does",
}


class Said(NamedTuple):
    """One sentence, and the instant it is about."""

    at_ns: int
    text: str


def worst_data(
    run: Run, worst: Worst, story: Story, groups: Sequence[str], replicas: Sequence[str]
) -> Data:
    """One of the worst requests, its figures and its story. Seconds; null for what never came.
    replicas: their names."""
    index = worst.request
    figures = {"ttft_s": run.ttft_s, "tpot_s": run.tpot_s, "e2e_s": run.e2e_s}
    return {
        "request": index,
        "group": groups[int(run.group[index])],
        "used": worst.used,
        "objective": worst.objective,
        "outcome": OUTCOMES[int(run.outcome[index])],
        **{name: float(column[index]) for name, column in figures.items()},
        "happened": [
            {"at_s": said.at_ns / NS_PER_S, "what": said.text}
            for said in told(run, index, story, replicas)
        ],
    }


def told(run: Run, index: int, story: Story, replicas: Sequence[str]) -> list[Said]:
    """Everything that happened to a request, in order."""
    arrival_ns = round(float(run.arrival_s[index]) * NS_PER_S)
    prompt, output = int(run.input_tokens[index]), int(run.output_tokens[index])
    first = f"arrives: {counted(prompt, 'prompt token')}, {counted(output, 'token')} to generate"
    sentences = [
        sentence
        for number, stay in enumerate(story.stays)
        for sentence in stay_told(stay, number, replicas[stay.replica], run)
    ]
    for wait in story.waits:
        what = "waits to be sent again" if wait.why == BEFORE_RETRY else "finds no replica: waits"
        sentences.append(Said(wait.begin_ns, f"{what}, {span(wait.begin_ns, wait.end_ns)}"))
    for ns, replica in story.refusals:
        where = "at the gate" if replica == NOWHERE else f"by {replicas[replica]}: queue full"
        sentences.append(Said(ns, f"is turned away {where}"))
    in_order = sorted(sentences, key=lambda said: said.at_ns)  # stable
    return [Said(arrival_ns, first), *in_order, *end_told(run, index, story)]


def end_told(run: Run, index: int, story: Story) -> Iterator[Said]:
    code = int(run.outcome[index])
    last_ns = max([0, *(stay.end_ns for stay in story.stays), *(w.end_ns for w in story.waits)])
    at_ns = last_ns if story.ended_ns is None else story.ended_ns
    if code == COMPLETED:
        latencies = (milliseconds(float(column[index])) for column in (run.ttft_s, run.e2e_s))
        yield Said(at_ns, "completes: first token after {}, last after {}".format(*latencies))
    else:
        yield Said(at_ns, ENDS[code])


def stay_told(stay: Stay, number: int, replica: str, run: Run) -> Iterator[Said]:
    """One attempt at one replica."""
    who = "a copy is sent" if stay.is_copy else "is sent again" if number else "is sent"
    there = f"{stay.ahead:,} waiting, {stay.running:,} running there"
    yield Said(stay.begin_ns, f"{who} to {replica}: {there}")
    for phase in stay.phases:
        if phase.end_ns > phase.begin_ns:
            yield Said(phase.begin_ns, phase_told(phase))
    if (left := left_told(stay, run)) is not None:
        yield Said(stay.end_ns, left)


def phase_told(phase: Phase) -> str:
    lasts = span(phase.begin_ns, phase.end_ns)
    if phase.name == QUEUED:
        return f"waits in its queue, {lasts}"
    if phase.name == DECODE:
        return f"decodes, {lasts}"
    if phase.name != PREFILL:
        lost = counted(phase.tokens, "token")
        return f"is preempted for want of KV blocks, loses {lost}, waits {lasts}"
    cached = f", {counted(phase.cached_tokens, 'token')} from the cache"
    if not phase.steps:
        return f"is prefilled, in its first step{cached if phase.cached_tokens else ''}"
    beside = counted(round(phase.batch / phase.steps) - 1, "other")
    work = f"{counted(phase.tokens, 'token')} in {counted(phase.steps, 'step')} beside {beside}"
    return f"is prefilled, {lasts}: {work}{cached if phase.cached_tokens else ''}"


def left_told(stay: Stay, run: Run) -> str | None:
    """Why it left, unless its end tells."""
    struck = f": {struck_text(stay, run)}" if stay.fault >= 0 else ""
    match stay.how:
        case attempts.FAILURE:
            return f"loses its replica{struck or ', which the fleet gives up'}"
        case attempts.TIMEOUT:
            return "its client hangs up: no first token in time"
        case attempts.PATIENCE:
            return f"its client hangs up{struck}"
        case attempts.LOST_RACE:
            return "its client lets go of this attempt: the other was faster"
    return None


def struck_text(stay: Stay, run: Run) -> str:
    """'fault gpu-hbm struck node-3 at 27.640 s', of the latest such incident."""
    name = run.faults[stay.fault]
    end_s = stay.end_ns / NS_PER_S
    own = [
        one
        for one in run.incidents.to_dict("records")
        if one["fault"] == name and stay.replica in one["replicas"] and one["begin_s"] <= end_s
    ]
    if not own:
        return f"fault {name}"  # it struck after the period
    return f"fault {name} struck {own[-1]['component']} at {own[-1]['begin_s']:,.3f} s"


def span(begin_ns: int, end_ns: int) -> str:
    return milliseconds((end_ns - begin_ns) / NS_PER_S)
