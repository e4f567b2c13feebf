"""The promises about fitted traffic, on the recordings themselves.

A hundred replications from fixed seeds: the same figures on every machine. Were other seeds taken,
each limit would be at least 4.5 standard errors of the median away (less than 1 false alarm in
10^5), with one exception: the longest prompts of agents are those of a few sessions, and twenty
replications of them have their p99 within one or two standard errors of its limit (1 seed in 10).
"""

import re
from pathlib import Path

import pytest

from benchmarks.traffic import presets
from benchmarks.traffic.fits import bootstrap
from calibration.traffic.fit import fit
from scenarios.demand import Traffic
from tests.recordings import TRACES, needs_traces

CLOCKED = ("chat_azure2023_a", "code_azure2023_a", "chat_mooncake_conversation_a",
           "longctx_mooncake_synthetic")  # fmt: skip
OTHERS = ("agent_claudecode_sessions_a", "clients_servegen_m-large", "clients_servegen_m-mid",
          "clients_servegen_mm-image", "lengths_arxiv_summarization",
          "lengths_sharegpt_llama31_8b")  # fmt: skip
PRESETS_OF = {
    "chat_azure2023_a": ("chat", "reasoning"),
    "code_azure2023_a": ("code-completion",),
    "chat_mooncake_conversation_a": ("long-chat",),
    "longctx_mooncake_synthetic": ("rag",),
    "lengths_arxiv_summarization": ("summarisation",),
    "agent_claudecode_sessions_a": ("agent",),
}
WRITTEN = (Path(__file__).parents[2] / "scenarios" / "catalogue" / "traffic.yaml").read_text()
LENGTHS = [f"{side}_tokens_{p}" for side in ("input", "output") for p in ("p50", "p90", "p99")]


def errors(figures, names):
    found = {figure.name: figure.error for figure in figures}
    return {name: found[name] for name in names}


@needs_traces
@pytest.mark.slow
@pytest.mark.parametrize("name", [*CLOCKED, *OTHERS])
def test_drawn_traffic_is_as_recorded(name, monkeypatch):
    """Counts, lengths, and the prompt tokens found again. All about a recording is in one test: to
    fit it takes seconds."""
    fitted = fit(TRACES / f"{name}.parquet", number=20 if name == OTHERS[0] else 100)
    if name in CLOCKED[:3]:
        counts = errors(fitted.figures, ["dispersion_10s", "dispersion_60s"])
        assert all(abs(error) <= 0.25 for error in counts.values()), counts
    for figure, error in errors(fitted.figures, LENGTHS).items():
        assert abs(error) <= 0.1, figure
    if name in (*CLOCKED[2:], OTHERS[0]):
        (error,) = errors(fitted.figures, ["hit_token_share"]).values()
        assert abs(error) <= 0.05
    stands_alone(fitted.traffic)
    if name == "chat_azure2023_a":
        is_told_by_a_table(fitted.traffic[0])
    if name == "code_azure2023_a":
        is_told_by_hidden_states(fitted.traffic[0])
    # What is fitted does not depend on how many replications judge it.
    monkeypatch.setattr(presets, "fit", lambda path, number: fitted)
    made = presets.PRESETS
    for preset in PRESETS_OF.get(name, ()):
        monkeypatch.setattr(presets, "PRESETS", {preset: made[preset]})
        assert presets.catalogue(TRACES).removeprefix(f"{presets.HEAD}presets:\n") in WRITTEN


def stands_alone(groups):
    """Valid traffic that names no file, and says the same when it comes back."""
    for group in groups:
        traffic = Traffic.model_validate(group)
        assert "sha256" not in str(traffic.as_yaml_data())
        assert Traffic.model_validate(traffic.as_yaml_data()) == traffic


@needs_traces
@pytest.mark.slow
@pytest.mark.parametrize("name", CLOCKED[:3])
def test_windows_drawn_anew_are_as_recorded(name):
    """... and differ between replications, which `bootstrap` asserts."""
    figures = bootstrap(TRACES / f"{name}.parquet", 100)
    for scale, error in errors(figures, ["dispersion_10s", "dispersion_60s"]).items():
        assert abs(error) <= 0.25, scale
    for figure, error in errors(figures, LENGTHS).items():
        assert abs(error) <= 0.1, figure


def is_told_by_a_table(chat):
    """Azure's chat is Poisson whose rate drifts."""
    assert chat["arrivals"]["kind"] == "poisson"
    assert len(chat["arrivals"]["modulation"][0]["factors"]) == 40


def is_told_by_hidden_states(code):
    """Azure's code is ON/OFF on a scale of seconds."""
    assert code["arrivals"]["kind"] == "mmpp" and "modulation" not in code["arrivals"]
    atom = [part for part in code["input_tokens"]["of"] if 7436 in part["tokens"]]
    assert sum(part["tokens"].count(7436) / len(part["tokens"]) * part["weight"]
               for part in atom) == pytest.approx(0.035, abs=0.02)  # fmt: skip


def test_every_preset_of_the_catalogue_is_of_a_recording():
    names = re.findall(r"^  (\S+):$", WRITTEN, re.M)
    assert names == list(presets.PRESETS)
    assert sorted(names) == sorted(name for made in PRESETS_OF.values() for name in made)
    assert WRITTEN.startswith(f"{presets.HEAD}presets:\n")
