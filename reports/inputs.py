"""The scenario for readers: a list of facts per part, and the whole of it as YAML."""

import json
import re
from pathlib import PurePath
from typing import Any

from planner.statement import duration
from reports.fleet_inputs import fleet_parts
from reports.tables import few_percent
from scenarios.catalogue.facts import Engine, Gpu
from scenarios.demand import UserDemand
from scenarios.latency import LinearLatency, Profile
from scenarios.spread import Spread

Data = dict[str, Any]
Facts = list[tuple[str, str]]

QUANTITY = re.compile(r"(-?\d[\d.e+-]*?)(s|/s|B|B/s|FLOP/s|W|USD|USD/h|USD/kWh|kg/kWh)")
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*( [A-Za-z0-9_./-]+)*")
NOT_STRINGS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}
LISTED_MAX = 8
NUMBERS_MAX = 24
"""Numbers of a list that are told: a day by its hours."""
MEANINGS = {
    name: (field.description or "").replace("`", "")
    for part in (Profile, LinearLatency, Gpu, Engine)
    for name, field in part.model_fields.items()
}
"""What a coefficient of the step time is; empty where its name says it."""


def parts(scenario: Data) -> list[tuple[str, Facts]]:
    """(title, facts) per part of a scenario, as as_yaml_data gives it, in reading order."""
    replica = scenario["replica"]
    pools = scenario["fleet"].get("others", [])
    replicas = [replica, *(pool["replica"] for pool in pools)]
    gpus = {used["gpu"]["name"]: used["gpu"] for used in replicas}
    engines = {used["engine"]["name"]["name"]: used["engine"]["name"] for used in replicas}
    period = {key: scenario.get(key) for key in ("horizon", "preroll", "drain", "starts_at")}
    described: list[tuple[str, Data | None]] = [
        *((f"Traffic: {group['name']}", traffic(group)) for group in scenario["traffic"]),
        ("Drawn anew for each period", uncertain(scenario.get("uncertain"))),
        ("Period", period),
        ("Clients", scenario.get("clients")),
        (f"Replica: {replica['engine']['name']['name']}", server(replica)),
        (f"Model: {scenario['model']['name']}", without_name(scenario["model"])),
        *((f"GPU: {name}", without_name(gpu)) for name, gpu in gpus.items()),
        *((f"Engine: {name}", without_name(engine)) for name, engine in engines.items()),
        *step_time(scenario.get("latency")),
        *((f"Pool: {pool['name']}", other_pool(pool)) for pool in pools),
        ("Router", router(scenario["fleet"])),
        *fleet_parts(scenario),
        ("SLA", scenario.get("sla")),
        ("Search", scenario.get("plan")),
        ("Price of a GPU", price(scenario.get("price"))),
        ("Energy", scenario.get("energy")),
    ]
    return [(title, facts(part)) for title, part in described if part]


def traffic(group: Data) -> Data:
    shared = [prefix_text(prefix) for prefix in group.get("prefixes", [])]
    arrivals = group["arrivals"]
    if (users := arrivals.get("users")) is not None:
        arrivals = {key: value for key, value in arrivals.items() if key != "rate"}
        arrivals["users"] = UserDemand.model_validate(users).conversion
    return without_name(group) | {"arrivals": arrivals, "prefixes": shared}


def uncertain(spreads: Data | None) -> Data:
    """How far each uncertain input may be from what is given.

    >>> uncertain({"traffic.0.arrivals.rate": {"within": 0.2}})
    {'traffic.0.arrivals.rate': 'within 20 %'}
    """
    return {path: str(Spread.model_validate(spread)) for path, spread in (spreads or {}).items()}


def prefix_text(prefix: Data) -> str:
    """What prompts begin with, in words.

    >>> prefix_text({"tokens": 800, "variants": 1, "zipf": 0.0})
    '800 tokens, the same in all'
    >>> prefix_text({"tokens": 3000, "variants": 40, "zipf": 1.1})
    '3,000 tokens, one of 40 (Zipf 1.1)'
    """
    if prefix["variants"] == 1:
        return f"{prefix['tokens']:,} tokens, the same in all"
    popularity = f"Zipf {prefix['zipf']:g}" if prefix["zipf"] else "equally likely"
    return f"{prefix['tokens']:,} tokens, one of {prefix['variants']:,} ({popularity})"


def server(replica: Data) -> Data:
    """A replica's settings without the facts of its GPU and engine."""
    own = {key: value for key, value in replica.items() if key not in ("gpu", "engine")}
    return own | without_name(replica["engine"])


def other_pool(pool: Data) -> Data:
    replica = pool["replica"]
    named = {"GPU": replica["gpu"]["name"], "engine": replica["engine"]["name"]["name"]}
    return (
        {"replicas": pool["replicas"]}
        | named
        | server(replica)
        | {title.lower(): latency for title, latency in step_time(pool.get("latency"))}
    )


def step_time(latency: Data | None) -> list[tuple[str, Data]]:
    """A step time that the scenario gives or a profile, with a title; none where it is physics."""
    if latency is None:
        return []
    told = "calibrated" if "measured_on" in latency else "as given"
    return [(f"Step time, {told}", latency)]


def coefficient_rows(coefficients: list[Data]) -> list[Data]:
    """Each coefficient of a step time (simulator.provenance) as the cells of a table."""
    return [
        {
            "name": each["name"].removesuffix("_s").replace("_", " "),
            "meaning": MEANINGS[each["name"]],
            "of": each["of"],
            "value": coefficient_text(each["value"], each["unit"]),
            "uncertainty": uncertainty_text(each["uncertainty"]),
            "origin": each["origin"],
        }
        for each in coefficients
    ]


def coefficient_text(value: float, unit: str) -> str:
    """
    >>> coefficient_text(55e-6, "s"), coefficient_text(0.9, "share")
    ('55 µs', '0.900 share')
    """
    return time_text(value) if unit == "s" else f"{value:#.3g} {unit}"


def uncertainty_text(relative: float | None) -> str:
    """
    >>> uncertainty_text(0.021), uncertainty_text(0.004), uncertainty_text(None)
    ('± 2 %', '± 0.4 %', 'not known')
    """
    if relative is None:
        return "not known"
    return f"± {few_percent(100 * relative)}"


def price(prices: Data | None) -> Data:
    """Each GPU with its prices, then whose they are. (A folder may be of before there were
    kinds.)"""
    told = dict(prices or {})
    gpus: Data = told.pop("gpus", {})
    return gpus | told


def router(fleet: Data) -> Data:
    rules = {key: rule_text(fleet.get(key)) for key in ("router", "admission")}
    return rules | {"most waiting per replica": fleet.get("queue_limit")}


def rule_text(rule: Any) -> Any:
    """A router by name, or a function of the user's own in words."""
    if not isinstance(rule, dict):
        return rule
    return f"own function {rule['function']} of {PurePath(rule['path']).name}"


def without_name(part: Data) -> Data:
    return {key: value for key, value in part.items() if key != "name"}


def facts(part: Data, prefix: str = "") -> Facts:
    """One (label, text) per value; nested parts give several, those of a list with numbers.

    >>> facts({"arrivals": {"kind": "gamma", "cv": 2.0, "batch": {"kind": "constant", "count": 3}}})
    [('arrivals', 'gamma (cv 2)'), ('arrivals: batch', 'constant (count 3)')]
    """
    found: Facts = []
    for key, value in part.items():
        label = f"{prefix}{key.replace('_', ' ')}"
        if isinstance(value, dict) and "kind" in value:
            inner = {name: each for name, each in value.items() if is_nested(name, each)}
            plain = {name: each for name, each in value.items() if name not in inner}
            found += [(label, phrase(plain)), *facts(inner, f"{label}: ")]
        elif isinstance(value, dict) and is_nested(key, value):
            found += facts(value, f"{label}: ")
        elif is_nested(key, value):
            found += [(f"{label} {number}", phrase(each)) for number, each in enumerate(value, 1)]
        elif value not in (None, [], ""):
            found.append((label, phrase(value)))
    return found


def is_nested(key: str, value: Any) -> bool:
    """Whether a value is told by facts of its own: a part that is no file, or several that have
    kinds or lists within. The components of a mixture and a median with its p95 are told in one
    line."""
    if isinstance(value, dict):
        return "sha256" not in value and set(value) != {"median", "p95"}
    parts = value if isinstance(value, list) and key != "of" else []
    return any(
        isinstance(each, dict)
        and ("kind" in each or any(isinstance(x, list) for x in each.values()))
        for each in parts
    )


def phrase(value: Any) -> str:
    """A value in words.

    >>> phrase({"kind": "lognormal", "median": 90.0, "p95": 300.0, "weight": 0.6})
    'lognormal (median 90, p95 300, weight 0.6)'
    """
    match value:
        case {"path": path, "sha256": digest, **_rest}:
            return f"{PurePath(path).name} (sha256 {digest[:12]})"
        case {"median": median, "p95": p95, **rest} if not rest:
            return f"{phrase(median)} (p95 {phrase(p95)})"
        case {"kind": kind, **details}:
            told = [
                phrase(detail) if key == "of" else f"{str(key).replace('_', ' ')} {phrase(detail)}"
                for key, detail in details.items()
                if detail not in (None, [])
            ]
            return f"{kind} ({', '.join(told)})" if told else str(kind)
        case dict():
            return ", ".join(f"{key} {phrase(detail)}" for key, detail in value.items())
        case list():
            numbers = all(isinstance(item, int | float) for item in value)
            most = NUMBERS_MAX if numbers else LISTED_MAX
            shown = "; ".join(phrase(item) for item in value[:most])
            more = len(value) - most
            return shown if more <= 0 else f"{shown}; and {more:,} more"
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return f"{value:,.10g}"
        case _:
            return quantity(str(value))


def quantity(text: str) -> str:
    """A quantity of the scenario in a unit people read; other text as it is.

    >>> [quantity(text) for text in ("900.0s", "5.5e-05s", "864000000000.0B/s", "12.0/s", "vllm")]
    ['15 min', '55 µs', '864 GB/s', '12 per s', 'vllm']
    """
    found = QUANTITY.fullmatch(text)
    if found is None:
        return text
    number, unit = float(found[1]), found[2]
    match unit:
        case "s":
            return time_text(number)
        case "/s":
            return f"{number:g} per s"
        case "B":
            return f"{number / 2**30:.4g} GiB"
        case "B/s":
            return f"{number / 1e9:,.6g} GB/s"
        case "FLOP/s":
            return f"{number / 1e12:,.6g} TFLOP/s"
        case "W":
            return f"{number:g} W"
        case "kg/kWh":
            return f"{number:g} kg per kWh"
        case _:
            return f"{number:,.2f} {unit.replace('/', ' per ')}"


def time_text(seconds: float) -> str:
    if seconds >= 1.0 or seconds == 0:
        return duration(seconds)
    if seconds >= 1e-3:
        return f"{seconds * 1e3:.4g} ms"
    if seconds >= 1e-6:
        return f"{seconds * 1e6:.4g} µs"
    return f"{seconds * 1e9:.4g} ns"


def yaml_text(value: Any, indent: str = "") -> str:
    """Plain data as YAML. (The YAML library lives in scenarios/, where files are read.)

    >>> print(yaml_text({"name": "chat", "traffic": [{"cv": 1.2, "of": [1, 2]}], "price": {}}))
    name: chat
    traffic:
      - cv: 1.2
        of: [1, 2]
    price: {}
    """
    lines = []
    for key, item in value.items():
        opening = f"{indent}{scalar(key)}:"
        if isinstance(item, dict) and item:
            lines += [opening, yaml_text(item, indent + "  ")]
        elif isinstance(item, list) and any(isinstance(entry, dict) for entry in item):
            entries = (yaml_text(entry, indent + "    ") for entry in item)
            starts = (f"{indent}  - {entry[len(indent) + 4 :]}" for entry in entries)
            lines += [opening, *starts]
        elif isinstance(item, list):
            lines.append(f"{opening} [{', '.join(scalar(entry) for entry in item)}]")
        else:
            lines.append(f"{opening} {scalar(item)}")
    return "\n".join(lines)


def scalar(value: Any) -> str:
    text = value if isinstance(value, str) and value.lower() not in NOT_STRINGS else ""
    if PLAIN.fullmatch(text) or QUANTITY.fullmatch(text):
        return text
    return json.dumps(value, ensure_ascii=False)
