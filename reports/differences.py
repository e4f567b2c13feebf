"""What differs between two plans (plan.json), fact by fact: the question, the answer, the figures.

A fact of the question is a key of the scenario, written with dots; members of lists that have names
are told by them. What a plan chose is an answer; its question is which values there were.
"""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any, Literal, NamedTuple

from reports.lines import short
from reports.tables import counted, interval_text, shown
from scenarios.document import has, path_of
from scenarios.objectives import promise
from scenarios.reference import as_yaml
from scenarios.schema import without_zeros

Data = dict[str, Any]

NOT_ASKED = ("name", "description", "catalogue")
"""Keys of a scenario that change no run; what a catalogue file says is told by its facts."""
TEXT_MAX = 80
MARKS = {"changed": "~", "added": "+", "removed": "-"}


class Change(NamedTuple):
    """One fact that differs. `a` and `b` are None where there is no such thing."""

    key: str
    a: Any
    b: Any

    @property
    def kind(self) -> Literal["added", "removed", "changed"]:
        if self.a is None:
            return "added"
        return "removed" if self.b is None else "changed"


class Differences(NamedTuple):
    """All that differs between plan `a` and plan `b`."""

    question: list[Change]
    answer: list[Change]
    figures: list[Change]
    summary: str

    @property
    def any(self) -> bool:
        return bool(self.question or self.answer or self.figures)


def differences(a: Data, b: Data) -> Differences:
    """Of two plans as data."""
    question = list(changes(question_of(a), question_of(b)))
    answer = list(changes(answer_of(a), answer_of(b)))
    figures = list(changes(figures_of(a), figures_of(b)))
    return Differences(question, answer, figures, summary(a, b, question, answer, figures))


def as_data(found: Differences) -> Data:
    """The same for `-o json`."""
    groups = {name: getattr(found, name) for name in ("question", "answer", "figures")}
    told = {name: changes_as_data(group) for name, group in groups.items()}
    return {"differ": found.any, **told, "summary": found.summary}


def changes_as_data(group: list[Change]) -> list[Data]:
    return [{"change": each.kind, **each._asdict()} for each in group]


def difference_lines(found: Differences) -> list[str]:
    """The same for people; lines of facts begin with two spaces and the mark of what became."""
    lines = []
    for name in ("question", "answer", "figures"):
        group: list[Change] = getattr(found, name)
        lines += [name, *(change_line(change) for change in group)] if group else []
    return [*lines, found.summary]


def change_line(change: Change) -> str:
    """
    >>> change_line(Change("fleet.replicas", 5, 6)), change_line(Change("drain", None, "9.0s"))
    ('  ~ fleet.replicas: 5 -> 6', '  + drain: 9s')
    """
    values = [text(value) for value in (change.a, change.b) if value is not None]
    return f"  {MARKS[change.kind]} {change.key}: {' -> '.join(values)}"


def text(value: Any) -> str:
    """A value as one would write it in a scenario, not longer than a line.

    >>> text("300.0s"), text({"kind": "gamma", "cv": 1.2}), text(12744.0)
    ('300s', '{kind: gamma, cv: 1.2}', '12744')
    """
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, dict) and "figure" in value:
        return str(value["figure"])
    written = as_yaml(without_zeros(value))
    if len(written) <= TEXT_MAX:
        return written
    number = f" ({len(value)} in all)" if isinstance(value, list) else ""
    return f"{written[: TEXT_MAX - 4]} ...{number}"


# --- facts ---------------------------------------------------------------------------------------


def changes(a: Any, b: Any, key: str = "") -> Iterator[Change]:
    """The smallest parts of plain data that differ."""
    if a == b:
        return
    a, b = members(a, b), members(b, a)
    if not (isinstance(a, dict) and isinstance(b, dict)) or "figure" in a:
        yield Change(key, named(a), named(b))
    elif "name" in a and "name" in b and a["name"] != b["name"]:
        yield Change(key, a["name"], b["name"])  # another GPU: not each of its facts
    else:
        for inner in [*a, *(inner for inner in b if inner not in a)]:
            yield from changes(a.get(inner), b.get(inner), f"{key}.{inner}" if key else f"{inner}")


def members(value: Any, other: Any) -> Any:
    """A list as a mapping: by the names of its parts or, beside one as long, by positions from 0.
    Anything else as it is."""
    if not isinstance(value, list):
        return value
    if have_names(value) or (not value and have_names(other)):
        return {each["name"]: {k: v for k, v in each.items() if k != "name"} for each in value}
    same_length = isinstance(other, list) and len(other) == len(value)
    return dict(enumerate(value)) if same_length else value


def have_names(value: Any) -> bool:
    """Whether it is a list of parts that differ in their names."""
    names = [each["name"] for each in value if has(each, "name")] if isinstance(value, list) else []
    return bool(names) and len(set(names)) == len(value)


def named(value: Any) -> Any:
    """Facts of the catalogue by their name."""
    return value["name"] if has(value, "name") else value


def question_of(plan: Data) -> Any:
    """The chosen scenario's data with the choices not made."""
    scenario = deepcopy(plan["scenario"])
    if "autoscaling" not in scenario["fleet"]:
        scenario["fleet"].pop("replicas")  # that of `simulate`: a plan searches its own
    for key in plan["choice"]:
        options = dict.fromkeys(line["choice"][key] for line in plan["lines"])
        put(scenario, key, f"one of {', '.join(options)}")
    return facts_of(scenario)


def facts_of(scenario: Data) -> Any:
    """What may change a run or its verdict."""
    facts = {key: value for key, value in scenario.items() if key not in NOT_ASKED}
    if "sla" in facts:
        promises = dict(promise(each) for each in facts["sla"]["objectives"])
        facts["sla"] = facts["sla"] | {"objectives": promises}
    return without_places(facts)


def put(data: Any, key: str, value: Any) -> None:
    *above, last = path_of(key)
    step: Any
    for step in above:
        data = data[step] if isinstance(data, list) else data.setdefault(step, {})
    data[last] = value


def without_places(data: Any) -> Any:
    """Files by their bytes: where they lie is no fact."""
    if isinstance(data, list):
        return [without_places(each) for each in data]
    if not isinstance(data, dict):
        return data
    known = "sha256" in data
    return {
        key: without_places(each) for key, each in data.items() if not (known and key == "path")
    }


def answer_of(plan: Data) -> Data:
    """What was found, by the keys of plan.json; of what nobody certified, only that."""
    certificate, fewer, cost = plan["certificate"], plan.get("one_fewer"), plan["cost"]
    told = {key: certificate.get(key) for key in ("status", "replications", "failed")}
    if plan["fleet"]["replicas"] is None:
        return {"certificate": told}
    money = {"usd_per_month": rounded(cost.get("usd_per_month"), 2)}
    money["usd_per_million_tokens"] = rounded(cost.get("usd_per_million_tokens"), 4)
    if (energy := cost.get("energy")) and energy["asked"]:
        money["energy.kwh_per_month"] = rounded(energy["kwh_per_month"], 1)
    return {
        "fleet": {key: plan["fleet"].get(key) for key in ("replicas", "gpus")},
        "choice": plan["choice"],
        "cost": money,
        "certificate": told,
        "one_fewer": fewer and {"status": fewer["status"]},
    }


def rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)


def figures_of(plan: Data) -> Data:
    """What each objective is about, in the median period of the fleet that is shown."""
    figures = {}
    for each in plan["objectives"]:
        metric, about = each["objective"].split()[0], promise(each["objective"])[0]
        median = shown(metric, each["value"]) if each["replications"] else "not run"
        interval = f" {interval_text(metric, each)}" if each["replications"] else ""
        known = {key: each[key] for key in ("value", "low", "high")}
        figures[about] = known | {"figure": median + interval}
    return {"objectives": figures}


# --- the summary ---------------------------------------------------------------------------------


def summary(
    a: Data, b: Data, question: list[Change], answer: list[Change], figures: list[Change]
) -> str:
    """Everything in a line."""
    if not (question or answer or figures):
        return "no difference"
    asked = counted(len(question), "fact") if question else "nothing"
    return f"{asked} of the question changed; the answer: {answer_text(a, b)}"


def answer_text(a: Data, b: Data) -> str:
    """How the answer of `b` differs from that of `a`.

    >>> def plan(replicas, usd): return {
    ...     "fleet": {"replicas": replicas}, "cost": {"usd_per_month": usd}, "choice": {}}
    >>> answer_text(plan(5, 10620.0), plan(6, 12744.0))
    '1 replica more, +2,124 USD/month'
    >>> answer_text(plan(5, 10620.0), plan(5, 10620.0))
    'the same'
    """
    before, after = a["fleet"]["replicas"], b["fleet"]["replicas"]
    if before is None and after is None:
        return "still none certified"
    if after is None:
        return f"none certified any more ({b['certificate']['status']})"
    if before is None:
        return f"{counted(after, 'replica')}, certified now"
    chosen = [
        f"{short(change.key)} {text(change.b)}"
        for change in changes(a["choice"], b["choice"])
        if change.b is not None
    ]
    more = after - before
    size = [f"{counted(abs(more), 'replica')} {'more' if more > 0 else 'fewer'}"] if more else []
    usd = b["cost"]["usd_per_month"] - a["cost"]["usd_per_month"]
    money = [f"{usd:+,.0f} USD/month"] if abs(usd) >= 0.5 else []
    return ", ".join([*chosen, *size, *money]) or "the same"
