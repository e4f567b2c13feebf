"""The catalogue's traffic presets, for the page about them: what each is like, and from where."""

import numpy as np

from calibration.traffic.drawn import scenario_of, within
from scenarios.catalogue import load_catalogue
from scenarios.catalogue.facts import Preset
from simulator.traffic import draw_workload

REQUESTS = 10_000
"""Drawn of each at least, for its figures."""
SESSIONS_PER_S = 0.1
SEED = 1
HEADING = ("preset", "what it is", "prompt p50 / p99", "answer p50 / p99")


def presets_markdown() -> str:
    """A table of all presets, and where each of their figures comes from."""
    presets = load_catalogue().presets
    rows = [(f"`{name}`", preset.description, *lengths(preset)) for name, preset in presets.items()]
    table = ["| " + " | ".join(HEADING) + " |", "|---" * len(HEADING) + "|"]
    table += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([*table, "", *(section(preset) for preset in presets.values())])


def section(preset: Preset) -> str:
    figures = [f"- `{key}`: {text}" for key, text in preset.figures.items()]
    source = f"Source: {preset.source} ({preset.date})."
    return "\n".join([f"### {preset.name}", "", source, "", *figures, ""])


def lengths(preset: Preset) -> tuple[str, str]:
    """Prompts with their prefixes and all before them; answers with the reasoning."""
    rate = SESSIONS_PER_S if "sessions" in preset.traffic else 1.0
    group = {
        "name": preset.name,
        "preset": preset.name,
        "arrivals": {"rate": f"{rate}/s"},
    }
    span_s = REQUESTS / rate / (5.0 if "sessions" in preset.traffic else 1.0)
    workload = draw_workload(scenario_of([group], span_s), SEED, 0)
    rows = within(workload, span_s)
    return quantiles(workload.input_tokens[rows]), quantiles(workload.output_tokens[rows])


def quantiles(tokens: np.ndarray) -> str:
    """Two digits: a preset is no measurement of yours."""
    p50, p99 = (float(f"{value:.2g}") for value in np.quantile(tokens, [0.5, 0.99]))
    return f"{p50:,.0f} / {p99:,.0f}"
