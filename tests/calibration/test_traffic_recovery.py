"""Traffic drawn with known parameters, fitted: the fit returns them.

Seeds are fixed. Limits lie four standard errors or more out, as measured over twenty other seeds:
of 10^4 other seeds less than one would fail.
"""

import numpy as np
import pytest

from calibration.traffic.agents import agent_rows, fit_agents
from calibration.traffic.arrivals import fit_arrivals
from calibration.traffic.counts import fit_counts
from calibration.traffic.demand import Demand, demand_figures, fit_demand
from calibration.traffic.drawn import as_recorded, scenario_of, within
from calibration.traffic.durations import fit_durations
from calibration.traffic.following import NOBODY, following, infer_following
from calibration.traffic.lengths import fit_lengths
from calibration.traffic.population import zipf_of
from calibration.traffic.requests import fit_requests, rank_correlation
from calibration.traffic.sessions import fit_sessions
from calibration.traffic.shared_prompts import fit_shared
from scenarios.demand import P95, Traffic
from simulator.streams import stream
from simulator.traffic import Chains, draw_workload
from simulator.traffic.lengths.tokens import draw_lengths
from simulator.traffic.recordings.recorded_sessions import Sessions
from simulator.traffic.recordings.traces import Trace

SPAN_S = 7200.0
LENGTHS = {
    "input_tokens": {"kind": "lognormal", "median": 800.0, "p95": 4000.0},
    "output_tokens": {"kind": "lognormal", "median": 150.0, "p95": 600.0},
}
NS_PER_S = 1e9


def group(**keys):
    return {"name": "made", **LENGTHS, **keys}


def instants(arrivals, span_s=SPAN_S):
    scenario = scenario_of([group(arrivals=arrivals)], span_s)
    return draw_workload(scenario, 3, 0).arrival_ns / NS_PER_S


def recorded(made, span_s=SPAN_S, block_tokens=16, replication=0):
    """A trace of this group, as a file would have it."""
    workload = draw_workload(scenario_of([made], span_s), 3, replication)
    rows = within(workload, span_s)
    inputs = workload.input_tokens[rows].astype(np.int64)
    chains = None
    if workload.chains is not None:
        counts = workload.chains.counts[rows]
        at = np.repeat(workload.chains.first[rows] - np.cumsum(counts) + counts, counts)
        at += np.arange(at.size)
        part = Chains(np.concatenate([[0], np.cumsum(counts)]), workload.chains.keys[at],
                      workload.chains.ends[at])  # fmt: skip
        chains = as_recorded(part, inputs, block_tokens)
    return Trace(
        workload.arrival_ns[rows] / NS_PER_S, inputs, workload.output_tokens[rows].astype(np.int64),
        0.0, chains, block_tokens,
    )  # fmt: skip


# --- arrivals ------------------------------------------------------------------------------------


def test_poisson_is_found_to_be_poisson():
    found = fit_arrivals(instants({"kind": "poisson", "rate": "5/s"}), SPAN_S)
    assert (found.chosen.kind, found.table) == ("poisson", None)
    assert found.rate_per_s == pytest.approx(5.0, rel=0.03)


@pytest.mark.parametrize("kind, cv", [("gamma", 2.0), ("weibull", 2.0), ("gamma", 4.0)])
def test_burstiness_of_gaps_is_found(kind, cv):
    found = fit_arrivals(instants({"kind": kind, "rate": "5/s", "cv": cv}), SPAN_S)
    assert found.chosen.kind in ("gamma", "weibull") and found.table is None
    assert found.process.cv == pytest.approx(cv, rel=0.12)


@pytest.mark.slow
def test_times_on_and_off_are_found():
    arrivals = {"kind": "on-off", "rate": "4/s", "on": "5s", "off": "15s"}
    found = fit_arrivals(instants(arrivals, 4 * SPAN_S), 4 * SPAN_S)
    assert found.chosen.kind == "on-off"
    on_s, off_s = found.process.lasts_s
    assert on_s == pytest.approx(5.0, rel=0.25)
    assert off_s == pytest.approx(15.0, rel=0.25)


def test_a_table_of_rates_is_found_and_pure_poisson_inside():
    factors = [0.4, 1.6, 1.2, 0.8, 1.9, 0.1, 1.0, 1.0]
    arrivals = {"kind": "poisson", "rate": "8/s",
                "modulation": [{"kind": "table", "every": "240s", "factors": factors}]}  # fmt: skip
    found = fit_arrivals(instants(arrivals), SPAN_S)
    assert found.chosen.kind == "poisson" and found.table is not None
    assert found.table.every_s == 120.0
    wanted = np.repeat(np.array(factors), 2)[np.arange(found.factors.size) % 16]
    # 960 requests a window: a standard error of 3 % of the mean, 60 windows.
    assert np.abs(found.factors - wanted).max() < 0.2


def test_batches_are_found():
    arrivals = {"kind": "poisson", "rate": "6/s", "batch": {"kind": "geometric", "mean": 3.0}}
    found = fit_arrivals(instants(arrivals), SPAN_S)
    assert found.batch_sizes is not None
    assert found.batch_sizes.mean() == pytest.approx(3.0, rel=0.08)
    assert found.rate_per_s == pytest.approx(6.0, rel=0.08)
    assert Traffic.model_validate(group(arrivals=found.yaml)).arrivals.batch is not None


def test_a_clockwork_is_evenly_spaced():
    found = fit_arrivals(np.arange(5000) * 0.5, 2500.0)
    assert found.yaml == {"kind": "constant", "rate": "2/s"}


# --- lengths, counts, pauses ---------------------------------------------------------------------


def test_two_lognormals_are_told_as_two_lognormals():
    rng = stream(11, "lengths")
    tokens = np.concatenate([rng.lognormal(np.log(60), 0.5, 12_000),
                             rng.lognormal(np.log(900), 0.4, 8_000)])  # fmt: skip
    found = fit_lengths(np.rint(tokens))
    assert [part["kind"] for part in found["of"]] == ["lognormal", "lognormal"]
    small, large = found["of"]
    assert small["weight"] == pytest.approx(0.6, abs=0.02)
    assert small["median"] == pytest.approx(60, rel=0.04)
    assert large["median"] == pytest.approx(900, rel=0.04)
    assert large["p95"] == pytest.approx(900 * np.exp(0.4 * P95), rel=0.05)


def test_an_atom_survives():
    rng = stream(12, "lengths")
    tokens = np.minimum(np.rint(rng.lognormal(np.log(1500), 1.2, 20_000)), 7436)
    drawn = draw_lengths(lengths_of(fit_lengths(tokens)), 50_000, stream(1, "draw"))
    assert np.mean(drawn == 7436) == pytest.approx(np.mean(tokens == 7436), abs=0.01)
    for level in (0.1, 0.5, 0.9):
        assert np.quantile(drawn, level) == pytest.approx(np.quantile(tokens, level), rel=0.05)
    assert drawn.mean() == pytest.approx(tokens.mean(), rel=0.03)


def lengths_of(yaml):
    made = group(arrivals={"kind": "poisson", "rate": "1/s"}, input_tokens=yaml)
    return Traffic.model_validate(made).input_tokens


@pytest.mark.parametrize("tokens", [[7] * 50, [1, 2, 2, 9], list(range(1, 60))])
def test_few_lengths_are_lengths_all_the_same(tokens):
    drawn = draw_lengths(lengths_of(fit_lengths(tokens)), 1000, stream(2, "draw"))
    assert drawn.min() >= 1 and drawn.max() <= max(tokens)


def test_rank_correlation_and_none():
    rng = stream(13, "ranks")
    normal = rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], 20_000)
    first, second = np.exp(normal).T
    exact = 6 / np.pi * np.arcsin(0.25)
    assert rank_correlation(first * 1000, second * 1000) == pytest.approx(exact, abs=0.03)
    assert rank_correlation(np.full(100, 5), np.arange(100)) == 0.0


def test_a_mixture_of_pauses_is_found():
    """The one that agents show: tools for three fifths, people for the rest."""
    rng = stream(14, "pauses")
    pauses = np.concatenate([rng.lognormal(np.log(7.4), 0.59, 12_600),
                             rng.lognormal(np.log(74.0), 1.67, 7_400)])  # fmt: skip
    tools, people = fit_durations(pauses)["of"]
    assert tools["weight"] == pytest.approx(0.63, abs=0.04)
    assert float(tools["median"].rstrip("s")) == pytest.approx(7.4, rel=0.06)
    assert float(people["median"].rstrip("s")) == pytest.approx(74.0, rel=0.15)


def test_lognormal_counts_are_told_so():
    counts = np.maximum(1, np.rint(stream(15, "counts").lognormal(np.log(40), 0.9, 4000)))
    found = fit_counts(counts)
    assert found["kind"] == "lognormal"
    assert found["median"] == pytest.approx(40, rel=0.08)


# --- prefixes and sessions -----------------------------------------------------------------------


def test_a_system_prompt_and_documents_are_found():
    made = group(
        arrivals={"kind": "poisson", "rate": "3/s"},
        prefixes=[{"tokens": 704}, {"tokens": 6000, "variants": 120, "zipf": 0.9}],
    )
    trace = recorded(made)
    found = fit_shared(trace.chains, trace.input_tokens)
    system, document = found.prefixes
    assert system == {"tokens": 704}
    assert document["tokens"] == pytest.approx(6000, abs=16)
    assert document["variants"] == pytest.approx(120, rel=0.15)
    assert document["zipf"] == pytest.approx(0.9, abs=0.1)


def test_sessions_cut_off_at_both_ends_are_found():
    """Two hours of sessions whose pauses last minutes: turns, pauses and new tokens."""
    made = group(
        arrivals={"kind": "poisson", "rate": "0.5/s"},
        sessions={
            "kind": "drawn",
            "turns": {"kind": "geometric", "mean": 3.0},
            "follow_up_tokens": {"kind": "lognormal", "median": 100.0, "p95": 300.0},
            "think": {"kind": "lognormal", "median": "120s", "p95": "600s"},
        },
    )
    trace = recorded(made)
    seen = infer_following(trace.chains, trace.input_tokens, trace.block_tokens, 0)
    found = fit_sessions(
        seen, trace.arrival_s, trace.input_tokens, trace.output_tokens, SPAN_S, 0,
        np.ones(trace.arrival_s.size, dtype=bool),
    )  # fmt: skip
    assert found.steady
    assert found.mean_turns == pytest.approx(3.0, rel=0.12)
    think = found.sessions["think"]
    assert think["kind"] == "lognormal"
    assert float(think["median"].rstrip("s")) == pytest.approx(120, rel=0.12)
    # A pause of ten minutes is rarely seen to its end: without weights it would be 480 s or less.
    assert float(think["p95"].rstrip("s")) == pytest.approx(600, rel=0.2)
    fresh = draw_lengths(lengths_of(found.sessions["follow_up_tokens"]), 20_000, stream(1, "new"))
    assert np.median(fresh) == pytest.approx(100, rel=0.06)


@pytest.mark.slow
def test_a_fit_of_sessions_has_prompts_and_hits_like_the_recording():
    made = group(
        arrivals={"kind": "poisson", "rate": "0.8/s"},
        prefixes=[{"tokens": 320}],
        sessions={
            "kind": "drawn",
            "turns": {"kind": "geometric", "mean": 4.0},
            "follow_up_tokens": {"kind": "lognormal", "median": 100.0, "p95": 300.0},
            "think": {"kind": "exponential", "mean": "60s"},
        },
    )
    fitted = fit_requests(recorded(made, 3600.0), "again", 6)
    assert fitted.kind == "sessions"
    assert fitted.traffic[0]["prefixes"] == [{"tokens": 320}]
    figures = {figure.name: figure for figure in fitted.figures}
    # Of dispersion one hour tells little: 60 windows, a standard error of 18 %.
    promised = [f for f in fitted.figures if f.limit and not f.name.startswith("dispersion")]
    assert len(promised) == 7 and all(figure.kept for figure in promised), promised
    assert abs(figures["rate_per_s"].error) < 0.1


def test_sessions_that_the_file_names_are_believed():
    """Session ids instead of hash ids, and pauses that the file tells: thirty seconds each."""
    starts_s = np.sort(stream(18, "sessions").random(1500)) * 7000.0
    session, turn = np.repeat(np.arange(1500), 4), np.tile(np.arange(4), 1500)
    arrival_s = starts_s[session] + 100.0 * turn
    order = np.argsort(arrival_s, kind="stable")
    place = np.empty(order.size, dtype=int)
    place[order] = np.arange(order.size)
    parent = np.where(turn > 0, np.append(0, place[:-1]), NOBODY)[order]
    pause_s = np.where(turn > 0, 30.0, np.nan)[order]
    unknown = np.full(order.size, np.nan)
    trace = Trace(
        arrival_s[order], (1000 + 300 * turn)[order], np.full(order.size, 100), 0.0, None, None,
        Sessions(session[order], parent, pause_s, unknown, False),
    )  # fmt: skip
    fitted = fit_requests(trace, "told", 3)
    assert fitted.kind == "sessions"
    sessions = Traffic.model_validate(fitted.traffic[0]).sessions
    assert sessions.follow_up_tokens.tokens == 200
    assert sessions.think.time_s == 30.0
    # Three chances of nearly one, and none afterwards.
    assert max(sessions.turns.counts) == 4
    assert sessions.turns.weights[-1] > 0.9 * sum(sessions.turns.weights)


def test_agents_compaction_and_sub_agents_are_found():
    """Hand-made sessions: grown by 1,000 a request, compacted to the prefix and 15,000 tokens."""
    session, parent, inputs, outputs, hits, pause = ([] for _ in range(6))
    for number in range(60):
        prompt, main = 30_000, NOBODY
        for turn in range(40):
            row, new = len(inputs), turn == 0
            whole = 0 if new else inputs[main]
            compact = not new and whole + 1_100 > 50_000
            prompt = prompt if new else 30_000 if compact else whole + 1_100
            session.append(number)
            parent.append(main)
            inputs.append(prompt)
            outputs.append(100)
            hits.append(0 if new else 15_000 if compact else whole)
            pause.append(np.nan if new else 10.0)
            main = row
            if turn == 5:  # two sub-agents, three requests each
                for _ in range(2):
                    last = main
                    for step in range(3):
                        session.append(number)
                        parent.append(last)
                        inputs.append(16_000 + 600 * step)
                        outputs.append(100)
                        hits.append(0 if step == 0 else 16_000 + 600 * (step - 1))
                        pause.append(4.0)
                        last = len(inputs) - 1
    columns = [np.array(column) for column in (session, parent, inputs, outputs, hits, pause)]
    session, parent, inputs, outputs, hits, pause = columns
    rows = agent_rows(session, following(parent, hits), inputs, outputs, pause)
    assert rows.main.sum() == 60 * 40
    (found,) = fit_agents(rows)
    assert found.prefix_tokens == 15_000
    assert found.sessions["turns"] == {"kind": "constant", "count": 40}
    assert found.sessions["compaction"] == {"above": 49_800, "to": 15_000}
    assert found.sessions["follow_up_tokens"] == {"kind": "constant", "tokens": 1_000}
    agents = found.sessions["agents"]
    assert agents["number"] == {"kind": "constant", "count": 2}
    assert agents["requests"] == {"kind": "constant", "count": 3}
    assert agents["follow_up_tokens"] == {"kind": "constant", "tokens": 500}
    assert agents["share"] == pytest.approx(60 / rows.main.sum(), rel=0.1)


# --- demand and clients --------------------------------------------------------------------------


def test_a_level_with_a_memory_is_found():
    rng = stream(16, "level")
    logs = np.zeros(20_000)
    shocks = rng.standard_normal(20_000) * np.sqrt(1 - 0.9**2)
    for at in range(1, 20_000):
        logs[at] = 0.9 * logs[at - 1] + shocks[at]
    values = 100 * np.exp(0.5 * logs)
    (found,) = fit_demand(Demand(values, np.zeros(20_000, dtype=int), 3600.0))
    assert found["kind"] == "level" and found["every"] == "3600s"
    assert found["sigma"] == pytest.approx(0.5, abs=0.05)
    assert found["correlation"] == pytest.approx(0.9, abs=0.03)


def test_a_daily_profile_is_found():
    hours = np.arange(60 * 24) % 24
    profile = 1 + 0.5 * np.sin(hours / 24 * 2 * np.pi)
    noise = np.exp(0.1 * stream(17, "noise").standard_normal(hours.size))
    demand = Demand(1000 * profile * noise, hours, 3600.0)
    daily, level = fit_demand(demand)
    assert daily["kind"] == "daily"
    assert np.array(daily["factors"]) == pytest.approx(profile[:24], rel=0.08)
    assert level["sigma"] == pytest.approx(0.1, abs=0.02)
    assert demand_figures(demand).daily_share == pytest.approx(0.92, abs=0.03)


@pytest.mark.parametrize("exponent", [0.0, 0.7, 1.5])
def test_zipf_is_found_from_shares(exponent):
    shares = np.arange(1.0, 81.0) ** -exponent
    assert zipf_of(shares / shares.sum()) == pytest.approx(exponent, abs=1e-3)
