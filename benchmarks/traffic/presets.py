"""`python -m benchmarks.traffic.presets DIR`: writes scenarios/catalogue/traffic.yaml to stdout.

What is fitted is fitted here, from the recordings in DIR; what is assumed stands here and says so.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np

from calibration.traffic.conversations import divided
from calibration.traffic.demand import level
from calibration.traffic.fit import fit
from calibration.traffic.following import common_prefix_tokens
from calibration.traffic.lengths import fit_lengths
from calibration.traffic.requests import followed
from calibration.traffic.windows import rate_table
from reports.inputs import yaml_text
from reports.trace_fit import wrapped
from simulator.traffic.recordings.traces import read_trace

Yaml = dict[str, Any]

DATE = "2026-11"
REPLICATIONS = 2
"""Nothing is judged here: docs/traffic-fits.md does that."""
HEAD = """\
# Traffic by name: what is usual for one kind of application, without its name and its rate.
# `figures` says of each key where it comes from: fitted to a recording, or assumed. Written by
# `python -m benchmarks.traffic.presets`; how near fits are to recordings: docs/traffic-fits.md.
"""
AZURE = "Azure LLM inference traces 2023 (Splitwise, ISCA 2024), CC-BY-4.0"
MOONCAKE = "Mooncake traces (FAST 2025), Apache-2.0"
NO_PREFIXES = "none: the recording does not tell what prompts share; add your system prompt"


def chat(folder: Path) -> Yaml:
    path = folder / "chat_azure2023_a.parquet"
    group = fit(path, number=REPLICATIONS).traffic[0]
    trace = read_trace(str(path))
    table = rate_table(trace.arrival_s, trace.span_s)
    # What is Poisson's own comes with the process.
    own = trace.span_s / trace.arrival_s.size / table.every_s
    rates = level(table.recorded, table.every_s, float(table.recorded.var()) - own, own)
    return {
        "description": "one answer per request, no sessions known; the rate drifts by minutes",
        "figures": {
            "arrivals": "fitted: Poisson at a level that changes from minute to minute as the "
            "recorded rates do (40 minutes; the recording's own drift is one path of it)",
            "lengths": "fitted",
            "prefixes": NO_PREFIXES,
        },
        "traffic": {"arrivals": {"kind": "poisson", "modulation": rates}} | lengths_of(group),
        "source": f"{AZURE}: AzureLLMInferenceTrace_conv.csv, first 2,400 s",
        "date": DATE,
    }


def long_chat(folder: Path) -> Yaml:
    """The steady sessions of Mooncake's conversations, told as one group."""
    path = folder / "chat_mooncake_conversation_a.parquet"
    fitted = fit(path, number=REPLICATIONS)
    most = max(fitted.traffic, key=lambda group: float(group["arrivals"]["rate"].rstrip("/s")))
    return {
        "description": "long prompts in conversations: each turn repeats all before it",
        "figures": {
            "arrivals": "assumed Poisson: recorded session starts show little more",
            "prefixes": "fitted: all prompts begin with the same block of 512 tokens",
            "lengths": "fitted, conversations whose first prompt is longer "
            "than two blocks (in shorter ones follow-ups cannot be seen)",
            "sessions": "fitted: follow-ups are prompts that repeat an earlier one",
        },
        "traffic": {
            "arrivals": {"kind": "poisson"},
            "prefixes": most["prefixes"],
            **lengths_of(most),
            "sessions": most["sessions"],
        },
        "source": f"{MOONCAKE}: conversation_trace.jsonl, first 2,100 s",
        "date": DATE,
    }


def code_completion(folder: Path) -> Yaml:
    group = fit(folder / "code_azure2023_a.parquet", number=REPLICATIONS).traffic[0]
    arrivals = {key: value for key, value in group["arrivals"].items() if key != "rate"}
    return {
        "description": "short answers in bursts: two thirds of seconds see no request",
        "figures": {
            "arrivals": "fitted: hidden states that last seconds to a minute, whatever your rate",
            "lengths": "fitted; 3.5 % of prompts stop at a limit of 7,437",
            "prefixes": NO_PREFIXES,
        },
        "traffic": {"arrivals": arrivals} | lengths_of(group),
        "source": f"{AZURE}: AzureLLMInferenceTrace_code.csv, first 2,400 s",
        "date": DATE,
    }


def summarisation(folder: Path) -> Yaml:
    group = fit(folder / "lengths_arxiv_summarization.parquet", number=REPLICATIONS).traffic[0]
    return {
        "description": "one long text in, its summary out; every request on its own",
        "figures": {
            "arrivals": "assumed Poisson: the data are lengths only",
            "lengths": "fitted; papers and abstracts counted "
            "by the Llama 2 tokenizer, those above 4,096 tokens together left out by the authors",
        },
        "traffic": {"arrivals": {"kind": "poisson"}} | lengths_of(group),
        "source": "microsoft/vidur arxiv_summarization_stats_llama2_tokenizer_filtered_v2.csv, MIT",
        "date": DATE,
    }


def rag(folder: Path) -> Yaml:
    path = folder / "longctx_mooncake_synthetic.parquet"
    fitted = fit(path, number=REPLICATIONS)
    documents = fitted.traffic[1:]
    weights = [float(group["arrivals"]["rate"].rstrip("/s")) for group in documents]
    trace = read_trace(str(path))
    assert trace.chains is not None
    seen = followed(trace, common_prefix_tokens(trace.chains))
    assert seen is not None
    with_documents = ~divided(seen, trace.input_tokens)[0]
    return {
        "description": "a document and some questions on it, one after the other",
        "figures": {
            "arrivals": "assumed Poisson: the clock of the file is its authors' as well",
            "lengths, sessions": "fitted to a recording that its AUTHORS MADE "
            "UP (long documents beside small talk; the small talk is left out): no production data",
            "prefixes": "none: documents are shared within a session; if yours are shared between "
            "users, say `prefixes: [{tokens: ..., variants: ..., zipf: ...}]`",
        },
        "traffic": {
            "arrivals": {"kind": "poisson"},
            "input_tokens": mixed([group["input_tokens"] for group in documents], weights),
            "output_tokens": fit_lengths(trace.output_tokens[with_documents]),
            "sessions": documents[int(np.argmax(weights))]["sessions"],
        },
        "source": f"{MOONCAKE}: synthetic_trace.jsonl",
        "date": DATE,
    }


def reasoning(folder: Path) -> Yaml:
    group = fit(folder / "chat_azure2023_a.parquet", number=REPLICATIONS).traffic[0]
    parts = [
        {"weight": 0.5, "kind": "lognormal", "median": 250.0, "p95": 800.0, "max": 16384},
        {"weight": 0.5, "kind": "lognormal", "median": 1000.0, "p95": 3000.0, "max": 16384},
    ]
    return {
        "description": "chat with a model that thinks before it answers",
        "figures": {
            "arrivals": "assumed Poisson",
            "lengths": "fitted to chat without reasoning: prompts and final "
            "answers are assumed to be alike",
            "reasoning_tokens": "ASSUMED: two modes, and four times the answer in the mean; "
            "ServeGen (NSDI 2026) finds two modes in DeepSeek-R1's traffic. Measure your model",
            "prefixes": NO_PREFIXES,
        },
        "traffic": {
            "arrivals": {"kind": "poisson"},
            **lengths_of(group),
            "reasoning_tokens": {"kind": "mixture", "of": parts},
        },
        "source": f"{AZURE}: AzureLLMInferenceTrace_conv.csv, first 2,400 s; reasoning assumed",
        "date": DATE,
    }


def agent(folder: Path) -> Yaml:
    fitted = fit(folder / "agent_claudecode_sessions_a.parquet", number=REPLICATIONS)
    group = fitted.traffic[0]
    sessions = {key: value for key, value in group["sessions"].items() if key != "agents"}
    return {
        "description": "a coding agent: some fifty requests a session, up to 160,000 tokens",
        "figures": {
            "arrivals": "assumed Poisson: of sessions; the recordings have no clock in common",
            "prefixes": "fitted: what contexts keep when they are compacted; that all sessions "
            "share it is assumed",
            "lengths": "fitted; first prompts of three quarters of sessions, "
            "those with a window of 200,000 tokens (the others had 1,000,000)",
            "sessions": "fitted: requests, new tokens, pauses (tools for three fifths, people for "
            "the rest), compaction; 46 sub-agents in 416 sessions are left out",
        },
        "traffic": {
            "arrivals": {"kind": "poisson"},
            "prefixes": group["prefixes"],
            **lengths_of(group),
            "sessions": sessions,
        },
        "source": "callanjfox/kv-cache-tester traces/ (416 Claude Code sessions), Apache-2.0",
        "date": DATE,
    }


def lengths_of(group: Yaml) -> Yaml:
    keys = ("input_tokens", "output_tokens", "rank_correlation")
    return {key: group[key] for key in keys if key in group}


def mixed(parts: list[Yaml], weights: list[float]) -> Yaml:
    """One mixture of several, by their weights."""
    total = sum(weights)
    pieces = []
    for part, weight in zip(parts, weights, strict=True):
        own = sum(piece["weight"] for piece in part["of"])
        for piece in part["of"]:
            pieces.append(
                piece | {"weight": float(f"{piece['weight'] / own * weight / total:.4g}")}
            )
    return {"kind": "mixture", "of": pieces}


PRESETS: dict[str, Callable[[Path], Yaml]] = {
    "chat": chat,
    "long-chat": long_chat,
    "code-completion": code_completion,
    "rag": rag,
    "summarisation": summarisation,
    "reasoning": reasoning,
    "agent": agent,
}


def catalogue(folder: Path) -> str:
    """The whole file."""
    made = {"presets": {name: make(folder) for name, make in PRESETS.items()}}
    return HEAD + "\n".join(wrapped(line) for line in yaml_text(made).splitlines()) + "\n"


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
def main(folder: Path) -> None:
    """Print the presets, fitted to the recordings in FOLDER."""
    print(catalogue(folder), end="")


if __name__ == "__main__":
    main()
