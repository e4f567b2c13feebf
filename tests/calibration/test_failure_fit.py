"""Logs of incidents and spot traces -> faults: exact figures first, then coverage of intervals."""

import json
import math
from collections import Counter

import numpy as np
import pytest
from scipy import stats

from calibration.failures.fit import fit, watched_of
from calibration.failures.hazards import poisson_rate, weibull_shape
from calibration.failures.incident_fit import fit_incidents
from calibration.failures.lifetimes import (
    LN2,
    SPREADS,
    Lifetimes,
    best_fit,
    median_interval,
    most_likely,
)
from calibration.failures.log import Incident, Log, read_log
from calibration.failures.spot import Zone, read_zones
from calibration.failures.spot_fit import absences, fit_spot
from calibration.failures.watched import Watched
from scenarios.failures import Fault
from simulator.streams import stream
from simulator.traffic.formats.faults import TraceError
from tests.recordings import SAMPLES

HOUR_S, DAY_S = 3600.0, 86_400.0
SAMPLE = SAMPLES / "skypilot_preemption_us-east-1f_v100_4node.json"
LOG = """start,end,kind,scope,component,detected
2026-01-02T00:00:00Z,2026-01-02T00:20:00Z,gpu_hard,gpu,gpu-3,2026-01-02T00:00:30Z
2026-01-05T12:00:00Z,2026-01-05T12:10:00Z,gpu_hard,gpu,gpu-9,2026-01-05T12:01:00Z
2026-01-07T06:00:00+02:00,,nic,node,node-1,
"""
FALSE_ALARM = 1e-4


def write(tmp_path, text, name="log.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def incident(start_s, end_s, component="", kind="gpu", scope="gpu"):
    return Incident(0, kind, scope, start_s, end_s, math.nan, component, "silence")


# --- distributions -------------------------------------------------------------------------------


@pytest.mark.parametrize("events", [0, 1, 7, 80])
def test_poisson_interval_is_garwoods(events):
    value, low, high = poisson_rate(events, 4.0)
    assert value == events / 4.0
    if events:
        assert stats.poisson.sf(events - 1, low * 4.0) == pytest.approx(0.025)
    else:
        assert low == 0.0
    assert stats.poisson.cdf(events, high * 4.0) == pytest.approx(0.025)


@pytest.mark.parametrize(
    "family, law",
    [("lognormal", stats.lognorm(1.3, scale=900)), ("weibull", stats.weibull_min(0.7, scale=4e3))],
)
def test_likeliest_parameters_are_scipys(family, law):
    """With open incidents, which both count as right-censored."""
    rng = stream(4, family)
    lasts, until = law.rvs(80, random_state=rng), rng.exponential(6000, 80)
    seen = Lifetimes(lasts[lasts <= until], until[lasts > until])
    assert seen.running.size > 5
    median, spread, _ = most_likely(family, seen)
    both = stats.CensoredData(seen.ended, right=seen.running)
    shape, _, scale = (stats.lognorm if family == "lognormal" else stats.weibull_min).fit(
        both, floc=0
    )
    frozen = (stats.lognorm if family == "lognormal" else stats.weibull_min)(shape, scale=scale)
    assert spread == pytest.approx(shape, rel=1e-3)
    assert median == pytest.approx(frozen.median(), rel=1e-3)
    if family == "weibull":
        assert weibull_shape(seen).value == pytest.approx(shape, rel=1e-3)


def test_an_exponential_is_total_time_over_ends():
    seen = Lifetimes(np.array([10.0, 20.0, 60.0]), np.array([90.0]))
    found = best_fit(seen)
    assert (found.family, found.mean) == ("exponential", pytest.approx(60.0))
    assert found.p95 == pytest.approx(60.0 * math.log(20.0))


def test_the_likelier_family_is_chosen():
    rng = stream(5, "families")
    assert best_fit(Lifetimes(rng.lognormal(6, 1.5, 300), np.empty(0))).family == "lognormal"
    assert best_fit(Lifetimes(rng.weibull(3.0, 300), np.empty(0))).family == "weibull"
    assert best_fit(Lifetimes(rng.exponential(9.0, 300), np.empty(0))).family == "exponential"


def test_the_same_time_always_is_fixed_and_no_end_at_all_a_guess():
    assert best_fit(Lifetimes(np.full(6, 300.0), np.empty(0))).family == "fixed"
    guess = best_fit(Lifetimes(np.empty(0), np.array([100.0, 200.0])))
    assert guess.family == "unknown"
    # At that mean seeing none end has probability one half.
    assert math.exp(-300.0 / guess.mean) == pytest.approx(0.5)
    assert guess.median.high == math.inf


def test_two_kinds_of_repair_in_one_are_told():
    rng = stream(6, "mixture")
    both = np.concatenate([rng.normal(900, 30, 60), rng.normal(172_800, 900, 40)])
    assert best_fit(Lifetimes(both, np.empty(0))).misfit


# --- coverage ------------------------------------------------------------------------------------


def misses_allowed(runs, share=0.05):
    """More than so many of `runs` intervals that each miss with probability `share` is an alarm
    that is false once in 1 / FALSE_ALARM."""
    return int(stats.binom.ppf(1.0 - FALSE_ALARM, runs, share))


@pytest.mark.parametrize("mean", [2.0, 15.0, 120.0])
def test_rates_are_covered(mean):
    """Garwood's interval is exact: it covers at least as often as it says, and not always."""
    counts = stream(7, "rates", int(mean)).poisson(mean, 1000)
    intervals = [poisson_rate(int(count), 1.0) for count in counts]
    missed = sum(not low <= mean <= high for _, low, high in intervals)
    assert 0 < missed <= misses_allowed(1000)


@pytest.mark.slow
@pytest.mark.parametrize("family", list(SPREADS))
def test_medians_of_repairs_are_covered(family):
    """Likelihood ratios are asymptotic: with 30 ends, some of them not seen, 7 % may miss."""
    rng = stream(8, family)
    laws = {"exponential": stats.expon(scale=1.0), "lognormal": stats.lognorm(1.2),
            "weibull": stats.weibull_min(0.7)}  # fmt: skip
    true = laws[family].median()
    missed = 0
    for _ in range(300):
        lasts, until = laws[family].rvs(40, random_state=rng), rng.exponential(4.0, 40)
        seen = Lifetimes(lasts[lasts <= until], until[lasts > until])
        median, spread, _ = most_likely(family, seen)
        _, low, high = median_interval(family, seen, median, spread)
        missed += not low <= true <= high
    assert 0 < missed <= misses_allowed(300, 0.07)


def log_of(rng, components, failures_per_s, repair_s, span_s, shape=1.0):
    """Incidents of components that are up for Weibull times, seen in a window that nobody chose."""
    mean_s = 1.0 / failures_per_s
    scale_s = mean_s / math.gamma(1.0 + 1.0 / shape)
    found = []
    for component in range(components):
        at_s = -20.0 * mean_s
        while (at_s := at_s + scale_s * rng.weibull(shape)) < span_s:
            end_s = at_s + rng.exponential(repair_s)
            if at_s >= 0:
                shown_s = end_s if end_s < span_s else math.nan
                found.append(incident(at_s, shown_s, f"gpu-{component}"))
            at_s = end_s
    return sorted(found, key=lambda each: each.start_s)


@pytest.mark.slow
def test_whole_logs_are_covered(tmp_path):
    """Rate, mean repair and constant hazard of simulated logs, through the whole fit."""
    rng, runs = stream(9, "logs"), 200
    rate, repair_s, span_s = 1.0 / (100 * HOUR_S), 1000.0, 400 * HOUR_S
    missed = dict.fromkeys(("rate", "repair", "shape"), 0)
    for _ in range(runs):
        log = Log(tmp_path / "made", log_of(rng, 8, rate, repair_s, span_s), dates=False)
        fault = fit_incidents(log, Watched({"gpu": 8}, 0.0, span_s), "made").faults[0]
        true = {"rate": HOUR_S * rate, "repair": LN2 * repair_s, "shape": 1.0}
        intervals = {"rate": fault.rate.per_hour, "repair": fault.repair.median,
                     "shape": fault.shape}  # fmt: skip
        for name, (_, low, high) in intervals.items():
            missed[name] += not low <= true[name] <= high
    assert 0 < missed["rate"] <= misses_allowed(runs)
    # The family is chosen as well, by AIC, which costs some of the confidence.
    assert missed["repair"] <= misses_allowed(runs, 0.10)
    assert missed["shape"] <= misses_allowed(runs, 0.07)


def test_failures_that_follow_one_another_are_told(tmp_path):
    rng, span_s = stream(10, "lemons"), 4000 * HOUR_S
    found = log_of(rng, 10, 1.0 / (100 * HOUR_S), 600.0, span_s, shape=0.5)
    log = Log(tmp_path / "made", found, dates=False)
    fitted = fit_incidents(log, Watched({"gpu": 10}, 0.0, span_s), "made")
    shape = fitted.faults[0].shape
    assert shape.low <= 0.5 <= shape.high < 1.0
    assert any("hazard is not constant" in warning for warning in fitted.warnings)


# --- logs ----------------------------------------------------------------------------------------


def test_a_log_by_hand(tmp_path):
    path = write(tmp_path, LOG)
    watched = watched_of({"gpu": 16, "node": 2}, "2026-01-01", "2026-01-11")
    fitted = fit([path], watched)
    gpu, nic = fitted.faults
    assert (gpu.name, gpu.scope, gpu.rate.incidents, gpu.open) == ("gpu_hard", "gpu", 2, 0)
    assert gpu.rate.per_hour.value == pytest.approx(2 / (16 * 240))
    assert gpu.yaml["rate"] == "520.8 per 1e6 GPU-hours"
    assert gpu.repair.mean == pytest.approx((1170.0 + 540.0) / 2)
    assert gpu.detection.mean == pytest.approx(45.0)
    assert nic.open == 1 and nic.repair.family == "unknown" and nic.detection is None
    assert nic.rate.per_hour.value == pytest.approx(1 / (2 * 240))
    assert nic.yaml["rate"] == "18.25 per node-year"
    assert fitted.span == "2026-01-01 00:00 to 2026-01-11 00:00"
    # Open since 04:00 UTC on the 7th: 3 days and 20 hours until the log ends.
    assert nic.repair.mean == pytest.approx(92 * HOUR_S / LN2)
    assert any("none of its incidents has ended" in warning for warning in fitted.warnings)
    assert any("2 incidents: the ends of the rate" in warning for warning in fitted.warnings)


def test_what_is_fitted_is_what_scenarios_take(tmp_path):
    """Planned work whose log tells when it was known; an incident at the last instant of a log."""
    text = (
        "start,end,detected,kind,scope,effect\n0,600,60,upgrade,node,drain\n"
        "1000,2200,1060,upgrade,node,drain\n5000,,,hang,node,hang\n"
    )
    fitted = fit([write(tmp_path, text)], Watched({"node": 3}, 0.0, None))
    upgrade, hang = fitted.faults
    assert "detection" not in upgrade.yaml and upgrade.repair.mean == pytest.approx(900.0)
    for fault in fitted.faults:
        Fault.model_validate(fault.yaml)
    assert hang.repair.mean > 0


def test_csv_json_lines_and_seconds_say_the_same(tmp_path):
    rows = [{"start": 0, "end": 60, "name": "x", "scope": "node"},
            {"start": 7200, "end": None, "name": "x", "scope": "node"}]  # fmt: skip
    as_csv = "start,end,name,scope\n0,60,x,node\n7200,,x,node\n"
    as_lines = "\n".join(map(json.dumps, rows)) + "\n"
    as_dates = (
        "start,end,name,scope\n1970-01-01T00:00:00,1970-01-01T00:01:00,x,node\n"
        "1970-01-01T02:00:00,,x,node\n"
    )
    files = {"a.csv": as_csv, "a.jsonl": as_lines, "a.json": json.dumps(rows), "b.csv": as_dates}
    watched = Watched({"node": 3}, 0.0, 36_000.0)
    found = [fit([write(tmp_path, text, name)], watched).faults[0] for name, text in files.items()]
    assert all(each.rate == found[0].rate and each.repair == found[0].repair for each in found)


def test_a_rate_per_gpu_hour_does_for_nodes_and_scope_may_be_said(tmp_path):
    path = write(tmp_path, "start,end,kind\n0,60,x\n360000,360060,x\n")
    fault = fit([path], Watched({"gpu": 80}, 0.0, 720_000.0), scope="node").faults[0]
    assert fault.scope == "node" and fault.yaml["rate"] == "125 per 1e6 GPU-hours"


def test_kinds_of_one_name_get_names_that_differ(tmp_path):
    text = (
        "start,end,kind,scope,effect\n0,60,x y,node,crash\n100,160,x y,gpu,slow\n200,260,z,gpu,\n"
    )
    fitted = fit([write(tmp_path, text)], Watched({"gpu": 8}, 0.0, 1e6))
    assert sorted(fault.name for fault in fitted.faults) == ["x-y-gpu", "x-y-node", "z"]
    slow = next(fault for fault in fitted.faults if fault.effect == "slow")
    assert slow.yaml["speed"] == [0.5, 0.9]


def test_warnings_of_the_window(tmp_path):
    quiet = [incident(at_s, at_s + 60.0) for at_s in np.linspace(0, 10 * DAY_S, 30)]
    log = Log(tmp_path / "made", [*quiet, incident(90 * DAY_S, 91 * DAY_S)], dates=True)
    fitted = fit_incidents(log, Watched({"gpu": 8}), "made")
    assert any("--from and --to not given" in warning for warning in fitted.warnings)
    assert any("no incident for 80d" in warning for warning in fitted.warnings)
    fitted = fit_incidents(log, Watched({"gpu": 8}, 0.0, 50 * DAY_S), "made")
    assert any("before --from or after --to: 1 incident" in warning for warning in fitted.warnings)
    long = Log(
        tmp_path / "made", [incident(0.0, DAY_S), incident(2 * DAY_S, 4 * DAY_S)], dates=True
    )
    fitted = fit_incidents(long, Watched({"gpu": 8}, 0.0, 5 * DAY_S), "made")
    assert any("times the mean repair" in warning for warning in fitted.warnings)


def test_the_same_incident_twice_is_told(tmp_path):
    twice = [incident(0.0, 600.0, "a"), incident(10.0, 600.0, "a"), incident(20.0, 30.0, "b")]
    fitted = fit_incidents(
        Log(tmp_path / "made", twice, dates=False), Watched({"gpu": 8}, 0.0, 1e5), "made"
    )
    assert any(warning.startswith("1 incident of a component") for warning in fitted.warnings)


@pytest.mark.parametrize(
    "text, told",
    [
        ("begin,end,kind,scope\n0,1,x,gpu\n", ["log.csv:1: start: no such column",
                                               "there are: begin, end, kind, scope"]),
        ("started_at,end,kind,scope\n0,1,x,gpu\n", ["did you mean `start` for `started_at`?"]),
        ("start,end,kind\n0,1,x\n", ["log.csv:1: scope: no such column", "--scope says it"]),
        ("start,end,kind,scope\nnoon,1,x,gpu\n5,2,x,gpu\n5,7,x,gpus\n5,7,,rack\n",
         ["log.csv has 4 faults", "log.csv:2: start: got 'noon'",
          "log.csv:3: end: before its start",
          "log.csv:4: scope: got 'gpus'", "did you mean `gpu`?", "log.csv:5: kind: missing"]),
        ("start,end,kind,scope,detected\n0,9,x,gpu,10\n", ["log.csv:2: detected: after its end"]),
        ("start,end,kind,scope\n0,9,x,gpu\n2026-01-01,,x,gpu\n",
         ["log.csv:3: start: got '2026-01-01'", "dates throughout, or seconds throughout"]),
        ("start,end,kind,scope\n0,9,x,gpu,7\n", ["log.csv:2: more fields than the header"]),
        ("start,end,kind,scope\n1767225600000,,x,gpu\n", ["log.csv:2: start: got '1767225600000'"]),
        ("start,end,kind,scope\n", ["a log without a single incident"]),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_log_is_told_with_its_line(tmp_path, text, told):
    with pytest.raises(TraceError) as error:
        read_log(write(tmp_path, text))
    for part in told:
        assert part in str(error.value)


def test_how_much_was_watched_must_be_known(tmp_path):
    path = write(tmp_path, LOG)
    with pytest.raises(TraceError, match=r"Incidents of scope gpu, node need --gpus N and --nodes"):
        fit([path], Watched())
    with pytest.raises(TraceError, match="2 different components of scope gpu, and --gpus says"):
        fit([path], Watched({"gpu": 1}))
    with pytest.raises(TraceError, match=r"nothing was watched between 2027"):
        fit([path], watched_of({"gpu": 16}, "2027-01-01", "2026-01-01"))
    with pytest.raises(TraceError, match="--from noon: no instant"):
        watched_of({"gpu": 16}, "noon", None)


# --- spot traces ---------------------------------------------------------------------------------


def zone(*up, step_s=300.0):
    return Zone("z", step_s, np.array(up, dtype=float))


def test_a_spot_trace_by_hand():
    """Two bursts, of one and of two; the second one's losses come back after 2 and 3 steps."""
    made = zone(4, 4, 3, 4, 4, 2, 2, 3, 4, 4)
    fault = fit_spot([made], "made").faults[0]
    hours = 34 * 300 / 3600
    assert fault.rate.unit_hours == pytest.approx(hours)
    assert fault.rate.per_hour.value == pytest.approx(3 / hours)
    # Two bursts, one of them double: as sure as 9/5 of one.
    assert fault.rate.per_hour == pytest.approx(poisson_rate(9 / 5, hours * 3 / 5))
    bursts = fault.bursts
    assert (bursts.number, bursts.losses, bursts.within_s) == (2, 3, 300.0)
    assert bursts.together == pytest.approx(2 / 3)
    # Of the three that went: none of three others went along, and twice one of three.
    assert bursts.follow == pytest.approx(2 / 9)
    assert sorted(absences(made).ended) == [300.0, 600.0, 900.0]
    assert fault.yaml["burst"] == {"share": 0.2222, "within": "5min"}


def test_what_was_missing_at_first_and_what_nobody_saw_is_no_absence():
    made = zone(0, 0, 4, 3, np.nan, 2, 3, 4)
    found = absences(made)
    assert found.ended.size == 0 and found.running.size == 0
    assert absences(zone(4, 3, 3, 3)).running.tolist() == [750.0]


def test_losses_within_the_window_are_one_burst():
    made = zone(4, 3, 2, 2, 2, 2, 2, 4, step_s=60.0)
    assert fit_spot([made], "made").faults[0].bursts.number == 1
    assert fit_spot([made], "made", within_s=30.0).faults[0].bursts.number == 2


@pytest.mark.parametrize("rate, follow", [(0.1, 0.6), (0.4, 0.05), (0.05, 0.95)])
def test_rate_and_bursts_are_recovered(rate, follow):
    """Of traces drawn from the simulator's own model, with steps that are short against all."""
    rng, step_s, nodes = stream(11, "spot", str(follow)), 60.0, 5
    steps = 60_000
    begins = rng.random(steps) < rate / follow * step_s / HOUR_S
    up, back, counts = nodes, Counter(), []
    for at in range(steps):
        up += back[at]
        counts.append(up)
        if begins[at]:
            lost = rng.binomial(up, follow)
            up -= lost
            back.update(at + 1 + (rng.exponential(40.0, lost)).astype(int))
    fault = fit_spot([Zone("z", step_s, np.array(counts, dtype=float))], "made", step_s).faults[0]
    # Bursts that fall into each other's window are one: a few percent.
    spread = 4.0 / math.sqrt(fault.bursts.number)
    assert fault.rate.per_hour.value == pytest.approx(rate, rel=0.05 + spread)
    assert fault.bursts.follow == pytest.approx(follow, abs=0.05)
    assert fault.repair.mean == pytest.approx(40 * step_s, rel=0.2)


def test_several_zones_of_one_file_or_many(tmp_path):
    about = {"metadata": {"gap_seconds": 300}}
    one, two = [4, 4, 3, 4], [2, 2, 2, 1]
    forms = {
        "lists.json": about | {"data": [one, two]},
        "names.json": about | {"data": {"a": one, "b": two}},
        "items.json": [about | {"data": one}, about | {"data": two}],
    }
    for name, content in forms.items():
        path = write(tmp_path, json.dumps(content), name)
        assert [each.up.tolist() for each in read_zones([path])] == [one, two], name
        fitted = fit([path], Watched())
        assert len(fitted.zones) == 2 and fitted.faults[0].rate.incidents == 2
    both = [write(tmp_path, json.dumps(about | {"data": counts}), f"{name}.json")
            for name, counts in (("p", one), ("q", two))]  # fmt: skip
    assert [each.name for each in fit(both, Watched()).zones] == ["p", "q"]


@pytest.mark.parametrize(
    "content, told",
    [
        ('{"metadata": {}, "data": [1, 0]}',
         "metadata.gap_seconds, the time between two values, is missing"),
        ('{"metadata": {"gap_seconds": -5}, "data": [1, 0]}', "is -5"),
        ('{"metadata": {"gap_seconds": 5}, "data": [1, 0.5]}', "value 2 is '0.5'"),
        ('{"metadata": {"gap_seconds": 5}, "data": [1]}', "no list of two values"),
        ('{"metadata": {"gap_seconds": 5}, "data": [1, 1]}', "no instance lost in"),
        ('{"metadata": {"gap_seconds": 5}, "data": [0, 0]}', "no instance was ever up"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_spot_trace_is_told(tmp_path, content, told):
    with pytest.raises(TraceError) as error:
        fit([write(tmp_path, content, "spot.json")], Watched())
    assert told in str(error.value) and "spot" in str(error.value)


def test_options_of_the_other_kind_are_refused(tmp_path):
    spot = write(tmp_path, '{"metadata": {"gap_seconds": 5}, "data": [1, 0]}', "spot.json")
    log = write(tmp_path, LOG)
    with pytest.raises(TraceError, match="says itself how much was watched"):
        fit([spot], Watched({"gpu": 8}))
    with pytest.raises(TraceError, match="--within is about bursts of spot traces"):
        fit([log], Watched({"gpu": 8}), within_s=60.0)
    with pytest.raises(TraceError, match="a log of incidents is one file"):
        fit([spot, log], Watched())


@pytest.mark.skipif(not SAMPLE.exists(), reason=f"the spot trace is not at {SAMPLE}")
def test_the_published_trace_is_what_is_written_of_it():
    """design/failures.md: 0.31 to 0.74 lost per instance-hour in a hostile zone, 0.47 pooled; most
    of them in company within minutes."""
    fitted = fit([SAMPLE], Watched())
    (fault,) = fitted.faults
    assert fault.rate.unit_hours == pytest.approx(420.0)
    assert fault.bursts.losses == 195
    assert 0.31 <= fault.rate.per_hour.value <= 0.74
    assert fault.rate.per_hour.low <= 0.47 <= fault.rate.per_hour.high
    wider = fit([SAMPLE], Watched(), within_s=1800.0).faults[0].bursts
    assert wider.together > fault.bursts.together > 0.5
    # Bad hours and good ones.
    assert fault.shape.high < 1.0
    assert any("hazard is not constant" in warning for warning in fitted.warnings)


def test_a_log_that_begins_with_an_incident_says_nothing_of_the_time_before(tmp_path):
    """Without `--from` the log is taken to begin with its first incident: the component's time
    until then is not a time of zero between failures."""
    rng = stream(5, "poisson-log")
    starts = np.sort(rng.uniform(0.0, 1e7, 41))
    lines = [f"{at:.0f},{at + 60:.0f},lost,gpu,gpu-{rng.integers(512)}" for at in starts]
    path = write(tmp_path, "\n".join(["start,end,kind,scope,component", *lines]) + "\n")
    given = fit([path], Watched({"gpu": 512}, 0.0, 1e7)).faults[0].shape
    told = fit([path], Watched({"gpu": 512}, None, 1e7)).faults[0].shape
    assert told.low < 1.0 < told.high
    assert told.value == pytest.approx(given.value, rel=0.1)
