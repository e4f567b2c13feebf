"""Files that people have beside their traces, and that hold no requests: told what they are for."""

import re

from simulator.traffic.formats.source import Source

ADVICE = "use it with `fleetcast calibrate` or `fleetcast validate`"
BENCHMARKS = {
    "vllm bench serve": ("request_throughput", "total_input_tokens"),
    "GuideLLM": ("benchmarks",),
    "AIPerf": ("request_latency", "input_sequence_length"),
    "AIPerf's profile_export": ("metrics", "metadata"),
    "inference-perf": ("load_summary", "successes"),
    "inference-perf's requests": ("start_time", "end_time", "info"),
}
YAML_KEY = re.compile(r"^(\w+):", re.MULTILINE)


def what_it_is(source: Source) -> str:
    """A sentence for a file that is known and no trace; empty for one that is not known."""
    keys = set(YAML_KEY.findall(source.head)) if source.kind in ("text", "table") else set()
    for tool, names in BENCHMARKS.items():
        if source.has(*names) or set(names) <= keys:
            return f"a result of {tool}, not recorded traffic; {ADVICE}"
    if "trace_version" in keys:
        return "the header of a BLIS trace; name the CSV with its requests, and keep both together"
    if source.has("metadata", "data") and gap_seconds(source):
        return "how many spot instances were up over time (SkyPilot), not traffic"
    if source.kind == "parquet" and source.has("timestamp", "value"):
        return "a demand series, totals per interval and no single requests"
    if source.kind == "parquet" and source.has("series", "step", "value"):
        return "demand series without a clock, and no single requests"
    return ""


def gap_seconds(source: Source) -> bool:
    first = source.first[0] if source.first else None
    about = first.get("metadata") if isinstance(first, dict) else None
    return isinstance(about, dict) and "gap_seconds" in about
