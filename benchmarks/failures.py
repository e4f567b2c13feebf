"""`python -m benchmarks.failures FILE`: writes scenarios/catalogue/failures.yaml to stdout.

FILE holds rates, detection and repair times with their sources (failure-presets.json). What they
mean for a serving engine (who notices, which start follows) is said here.
"""

import json
import re
from pathlib import Path
from typing import Any

import click

from reports.trace_fit import wrapped

Yaml = dict[str, Any]

DATE = "2026-11"
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9./%-]*( [A-Za-z0-9./%-]+)*")
"""Text without quotes: no number, no sign that YAML reads."""
HEAD = """\
# Failures by name: what breaks, how often, who notices when, how it is mended. Rates are those of
# training clusters: how often a serving engine crashes or hangs is not public, nor is what share of
# repairs needs hands; try `scale` and other numbers. Which start follows a repair is assumed
# throughout. Written by `python -m benchmarks.failures`; how to use and change it:
# docs/guides/failures.md.
"""
SOURCES = {
    "L3": "Llama 3 Herd (arXiv:2407.21783) table 5",
    "DELTA": "Story of Two GPUs, SC 2025 (arXiv:2503.11901)",
    "BYTE": "ByteRobust, SOSP 2025 (arXiv:2509.16293)",
    "HPN": "Alibaba HPN, SIGCOMM 2024",
    "SPOT": "skypilot-org/spot-traces 221da1a, counted by us",
    "SNS": "Spot-and-Scoot (arXiv:2604.16457)",
    "RMA": "amcompute.com, When a GPU dies in production",
    "AWS": "AWS EC2 documentation, spot instance termination notices",
    "GCP": "GCE documentation, host maintenance",
    "VLLMH": "vllm-project/vllm issue 36960",
    "GUESS": "our guess",
}
RSC = "Kokolis et al., HPCA 2025 (arXiv:2410.21680)"
EFFECTS = {
    "thermal_throttle": "slow",
    "straggler_slow": "slow",
    "host_unplanned_maintenance": "crash",
    "engine_crash": "crash",
    "engine_hang": "hang",
    "spot_preempt": "crash",
    "rolling_drain": "drain",
}
"""All else is silence."""
UNPROBED = ("gpu_hard", "hbm_ecc_uncorrectable", "gpu_sram_gsp_other")
"""The engine's /health stays 200 when its GPU fails (vllm-project/vllm issue 36960)."""
STARTS = {
    "reset_or_reboot": "warm",
    "process_restart_or_reset": "warm",
    "gpu_sram_gsp_other": "warm",
    "network_link_switch": "warm",
    "engine_crash": "none",
    "engine_hang": "none",
    "spot_preempt": "node",
}
"""By kind of repair or else by fault; all else is cold, after what is slow nothing."""


def catalogue(data: Yaml) -> str:
    """The whole file."""
    lines = ["failures:"]
    for name in data["presets"]:
        lines.append(f"  {dashed(name)}:")
        told = preset(name, data)
        for key, value in told.items():
            lines += entries(value) if key == "faults" else [f"    {key}: {flow(value)}"]
    return HEAD + "\n".join(wrapped(line) for line in lines) + "\n"


def entries(faults: list[Yaml]) -> list[str]:
    """The faults of a preset: one key a line, of several repairs one a line."""
    lines = ["    faults:"]
    for told in faults:
        for key, value in told.items():
            opening = f"      {'-' if key == 'name' else ' '} {key}:"
            if key == "repair" and len(value) > 1:
                lines += [opening, *(f"          - {flow(each)}" for each in value)]
            else:
                lines.append(f"{opening} {flow(value[0] if key == 'repair' else value)}")
    return lines


def flow(value: Any) -> str:
    """A value as YAML within a line.

    >>> flow([{"share": 0.6, "time": {"median": "15min"}, "hands_on": True, "what": "a: b"}])
    '[{share: 0.6, time: {median: 15min}, hands_on: true, what: "a: b"}]'
    """
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {flow(each)}" for key, each in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(flow, value)) + "]"
        case str() if PLAIN.fullmatch(value):
            return value
    return json.dumps(value, ensure_ascii=False)


def preset(name: str, data: Yaml) -> Yaml:
    told = data["presets"][name]
    based = data["presets"][told["base"]]["faults"] if "base" in told else []
    faults = [fault(each, data) for each in [*based, *told["faults"]]]
    sources = "the sources of its faults" if faults else "none needed"
    return {
        "description": told["description"].replace("GUESS", SOURCES["GUESS"]) + beside(told),
        **({"faults": faults} if faults else {}),
        "source": f"{RSC}; {sources}" if "rsc" in name else sources,
        "date": DATE,
    }


def beside(told: Yaml) -> str:
    return f"; beside the faults of {dashed(told['base'])}" if "base" in told else ""


def fault(told: Yaml, data: Yaml) -> Yaml:
    """One fault, in the words of a scenario."""
    effect = EFFECTS.get(told["id"], "silence")
    made = {
        "name": dashed(told["id"]),
        "scope": told["scope"].removesuffix("_group_in_zone"),
        "effect": effect,
        "rate": rate_text(told["rate"], told["rate_unit"]),
    }
    if told["detection"].get("s", told["detection"]["dist"] != "none"):
        made["detection"] = time(told["detection"])
    if told["id"] in UNPROBED:
        made["probed"] = False
    made["repair"] = repairs(told, data, effect)
    if "slowdown" in told:
        made["speed"] = [told["slowdown"]["lo"], told["slowdown"]["hi"]]
    if "notice_s" in told:
        burst = {"share": told["co_preempt_prob"], "within": f"{told['co_preempt_window_s']}s"}
        made |= {"notice": f"{told['notice_s']}s", "burst": burst, "paid": False}
    if effect == "drain":
        made["drain_timeout"] = f"{told['drain_timeout_s']}s"
        made["at_most"] = told["max_concurrent"]
    return made | {"source": spelled_out(told["source"]), "confidence": told["confidence"]}


def repairs(told: Yaml, data: Yaml, effect: str) -> list[Yaml]:
    """The ways in which a fault is mended."""
    repair = told["repair"]
    if "ref" in repair:
        section, key = repair["ref"].split(".")
        repair = {"kind": repair["kind"], **data[section][key]}
    return [way(each, told["id"], effect) for each in repair.get("mix", [repair])]


def way(repair: Yaml, fault_id: str, effect: str) -> Yaml:
    kind = repair.get("kind", "")
    start = STARTS.get(kind) or STARTS.get(fault_id, "cold")
    made: Yaml = {"share": repair["w"]} if "w" in repair else {}
    made["time"] = time(repair)
    if effect != "slow":
        made["start"] = start
    if kind == "physical_replacement":
        made["hands_on"] = True
    return made | ({"what": dashed(kind)} if kind else {})


def time(told: Yaml) -> Yaml | str:
    if told["dist"] == "lognormal":
        return {"median": seconds(told["median_s"]), "p95": seconds(told["p95_s"])}
    if told["dist"] == "exponential":
        return {"exponential": seconds(told["mean_s"])}
    return seconds(told["s"])


def seconds(value: float) -> str:
    """
    >>> [seconds(value) for value in (30, 90, 900, 7200, 172800, 4960)]
    ['30s', '90s', '15min', '2h', '2d', '4960s']
    """
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if value % size == 0:
            return f"{value // size:g}{unit}"
    return f"{value:g}s"


def rate_text(rate: float, unit: str) -> str:
    """
    >>> rate_text(6.97, "events per 1e6 GPU-hours"), rate_text(1 / 672, "events per node-hour")
    ('6.97 per 1e6 GPU-hours', '1 per 28 node-days')
    >>> rate_text(0.47, "events per instance-hour")
    '0.47 per node-hour'
    """
    days = 1 / (24 * rate)
    if unit == "events per node-hour" and round(days) > 1 and abs(days - round(days)) < 1e-9:
        return f"1 per {round(days)} node-days"
    return f"{rate:g} {unit.removeprefix('events ').replace('instance', 'node')}"


def spelled_out(text: str) -> str:
    """A source with its abbreviations written out.

    >>> spelled_out("HPN;mix weight GUESS")
    'Alibaba HPN, SIGCOMM 2024; mix weight our guess'
    """
    text = re.sub(r"\((RSC-[12])/L3 total\)", rf"(the total of \1 in {RSC})", text)
    text = re.sub(r";\s*", "; ", text)
    return re.sub(r"\b[A-Z][A-Z0-9]+\b", lambda word: SOURCES.get(word[0], word[0]), text)


def dashed(name: str) -> str:
    return name.replace("_", "-")


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
def main(file: Path) -> None:
    """Print the presets of FILE as a catalogue."""
    print(catalogue(json.loads(file.read_text(encoding="utf-8"))), end="")


if __name__ == "__main__":
    main()
