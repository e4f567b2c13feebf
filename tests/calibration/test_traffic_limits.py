"""The promises about fitted traffic, on the recordings themselves.

A hundred replications from fixed seeds: the same figures on every machine. Were other seeds taken,
each limit would be at least 4.5 standard errors of the median away (less than 1 false alarm in
10^5), with one exception: the longest prompts of agents are those of a few sessions, and twenty
replications of them have their p99 within one or two standard errors of its limit (1 seed in 10).
"""

from functools import cache
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
LENGTHS = [f"{side}_tokens_{p}" for side in ("input", "output") for p in ("p50", "p90", "p99")]


@cache
def fitted(name):
    return fit(TRACES / f"{name}.parquet", number=20 if name == OTHERS[0] else 100)


def errors(figures, names):
    found = {figure.name: figure.error for figure in figures}
    return {name: found[name] for name in names}


@needs_traces
@pytest.mark.slow
@pytest.mark.parametrize("name", [*CLOCKED, *OTHERS])
def test_drawn_traffic_is_as_recorded(name):
    """Counts, lengths, and the prompt tokens found again; and what is fitted stands alone."""
    figures = fitted(name).figures
    if name in CLOCKED[:3]:
        for scale, error in errors(figures, ["dispersion_10s", "dispersion_60s"]).items():
            assert abs(error) <= 0.25, scale
    for figure, error in errors(figures, LENGTHS).items():
        assert abs(error) <= 0.1, figure
    if name in (*CLOCKED[2:], OTHERS[0]):
        (error,) = errors(figures, ["hit_token_share"]).values()
        assert abs(error) <= 0.05
    stands_alone(fitted(name).traffic)


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


@pytest.mark.slow
@needs_traces
def test_code_is_told_by_hidden_states_and_chat_by_a_table():
    """Azure code is ON/OFF on a scale of seconds; chat is Poisson whose rate drifts."""
    chat, code = (fitted(name).traffic[0] for name in CLOCKED[:2])
    assert chat["arrivals"]["kind"] == "poisson"
    assert len(chat["arrivals"]["modulation"][0]["factors"]) == 40
    assert code["arrivals"]["kind"] == "mmpp" and "modulation" not in code["arrivals"]
    atom = [part for part in code["input_tokens"]["of"] if 7436 in part["tokens"]]
    assert sum(part["tokens"].count(7436) / len(part["tokens"]) * part["weight"]
               for part in atom) == pytest.approx(0.035, abs=0.02)  # fmt: skip


@needs_traces
@pytest.mark.slow
def test_the_presets_of_the_catalogue_are_what_is_fitted(monkeypatch):
    """What is fitted does not depend on how many replications judge it."""
    monkeypatch.setattr(presets, "fit", lambda path, number: fitted(path.stem))
    written = Path(__file__).parents[2] / "scenarios" / "catalogue" / "traffic.yaml"
    assert presets.catalogue(TRACES) == written.read_text()
