"""A finished result folder -> report.html, one file that needs nothing else, and its figures."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
from matplotlib.figure import Figure

from planner.statement import duration
from reports import explanation, explanation_figures, figures, image, inputs, tables
from reports.accounts import account_rows, fault_rows
from reports.cautions import cautions, step_time_tables
from reports.costs import cost_rows, draw_text, price_text
from reports.folder import (
    Data,
    Results,
    broken_counts,
    objectives_of,
    period_values,
    read_results,
    shown_rows,
    worst_period,
)
from reports.latencies import latency
from reports.lines import line_rows
from reports.timeline import timeline
from scenarios.objectives import Objective
from scenarios.units import TIME_S, parse_quantity

TEMPLATES = Path(__file__).parent / "templates"

FILES = {
    "plan.json": "the answer as data",
    "manifest.json": "the whole scenario, its hash, the seed and the versions",
    "requests.parquet": "requests of the fleet's certification periods (when many, a sample)",
    "replications.parquet": "every simulated period of every size, with its figures",
    "timeline.parquet": "queue, batch, KV cache and replicas over time",
    "latencies.parquet": "histograms of all latencies, by period and traffic group",
    "incidents.parquet": "every fault in those periods: what, where, when noticed and repaired",
}

COUNTS = {
    "goodput": "Goodput: requests that meet every latency limit",
    "error_rate": "Error rate: requests that did not complete",
    "availability": "Availability: minutes whose error rate is low enough",
    "requests_per_s": "Requests per second, offered",
    "input_tokens_per_s": "Prompt tokens per second, of completed requests",
    "output_tokens_per_s": "Output tokens per second, of completed requests",
    "busy_share": "Busy share: time that a replica spends computing",
    "kv_used_max": "KV cache in use, peak of the period",
    "waiting_max": "Requests waiting, peak of the period",
    "prefix_hit_share": "Prefix cache: share of prompt tokens found there",
    "prefill_tokens_per_s": "Prompt tokens computed per second",
    "preemptions": "Preemptions per period",
    "retries": "Retries per period",
    "gpu_hours_paid": "GPU-hours paid per period",
    "gpu_hours_useful": "GPU-hours useful: an engine step computes",
}
"""Metrics beside the latencies."""


def write_report(folder: Path) -> Path:
    """Draw the report of the finished plan in `folder`: report.html and a PNG per figure.

    The same folder gives the same bytes. Returns the page's path.
    """
    results = read_results(folder)
    values = period_values(results)
    drawings = draw(results, values, folder)
    page = render(results, values, drawings)
    path = folder / "report.html"
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(page, encoding="utf-8")
    os.replace(temporary, path)
    return path


def draw(results: Results, values: pd.DataFrame, folder: Path) -> dict[str, str]:
    """Write NAME.png and return the <svg> of each figure there is evidence for."""
    objectives = objectives_of(results.plan)
    worst = worst_period(values, objectives)
    horizon_text = duration(horizon_s(results.manifest["scenario"]))
    figure_of: dict[str, Callable[[], Figure]] = {"p_sla": lambda: figures.p_sla(results.plan)}
    if len(results.latencies):
        figure_of["latency"] = lambda: latency(results.latencies, objectives)
    if len(results.timeline):
        figure_of["timeline"] = lambda: timeline(
            results.timeline, worst, horizon_text, results.incidents
        )
    if values.size:
        figure_of["periods"] = lambda: figures.periods(values, objectives)
    if results.plan["explanation"]:
        figure_of["tornado"] = lambda: explanation_figures.tornado(results.plan)
        priced = [p["usd_per_month"] for p in results.plan["explanation"]["frontier"]]
        if sum(cost is not None for cost in priced) > 1:
            figure_of["frontier"] = lambda: explanation_figures.frontier(results.plan)
    drawings: dict[str, str] = {}
    for name in ("p_sla", "latency", "timeline", "periods", "tornado", "frontier"):
        # A picture of an earlier plan in this folder must not pass for one of this plan.
        (folder / f"{name}.png").unlink(missing_ok=True)
        if name in figure_of:
            with image.house_style():
                figure = figure_of[name]()
                image.write_png(figure, folder / f"{name}.png")
                # The layout is found by now; finding it again would take as long again.
                figure.set_layout_engine("none")
                drawings[name] = image.inline_svg(figure, name)
    return drawings


def why(plan: Data) -> Data | None:
    """The explanation in words, for the page; None where there is none."""
    found = plan["explanation"]
    if found is None:
        return None
    binding = explanation.binding_text(plan)
    return {
        "binding": binding[:1].upper() + binding[1:],
        "reliefs": explanation.relief_rows(plan),
        "room": explanation.headroom_text(found["headroom"]),
        "levers": explanation.lever_rows(plan),
        "frontier": explanation.frontier_rows(plan),
        "nine": explanation.nine_text(plan),
        "luck": found["luck"] and explanation.luck_text(found),
    }


def horizon_s(scenario: Data) -> float:
    return parse_quantity(scenario["horizon"], TIME_S, "a time")


def render(results: Results, values: pd.DataFrame, drawings: dict[str, str]) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "percent": tables.percent,
        "milliseconds": tables.milliseconds,
        "usd": tables.usd,
        "counted": tables.counted,
        "number": tables.number,
    }
    plan, manifest = results.plan, results.manifest
    scenario: Data = plan["scenario"]
    objectives = objectives_of(plan)
    step_times, accounts = plan["step_time"], plan["accounts"]
    energy = plan["cost"]["energy"]
    return environment.get_template("report.html").render(
        plan=plan,
        manifest=manifest,
        scenario=scenario,
        answer=None if plan["fleet"]["replicas"] is None else tables.fleet_text(plan["fleet"]),
        one_fewer=None if plan["one_fewer"] is None else tables.one_fewer_line(plan),
        period=duration(horizon_s(scenario)),
        objectives=objective_rows(plan, values, objectives),
        hardest=hardest(values, objectives),
        sizes=size_rows(plan),
        lines=line_rows(plan),
        why=why(plan),
        costs=cost_rows(plan["cost"]),
        energy=energy,
        draw=energy and draw_text(energy),
        price_text=price_text(plan["cost"]),
        latencies=latency_rows(plan["metrics"]),
        counts=count_rows(plan["metrics"]),
        accounts=accounts and account_rows(accounts),
        faults=accounts and fault_rows(accounts, results.incidents),
        accuracy=tables.accuracy_texts(step_times),
        cautions=cautions(step_times),
        step_times=step_time_tables(step_times),
        parts=inputs.parts(scenario),
        yaml=inputs.yaml_text(manifest["scenario"]),
        worst=worst_period(values, objectives),
        requests=int(results.latencies["count"][results.latencies["metric"] == "ttft"].sum()),
        request_periods=results.latencies["replication"].nunique(),
        outages=periods_with_outage(results),
        drawings=drawings,
        files=[
            *((name, FILES.get(name, "")) for name in ("plan.json", "manifest.json")),
            *((name, FILES.get(name, "")) for name in manifest["files"]),
            *((f"{name}.png", "a figure of this page") for name in drawings),
        ],
    )


def objective_rows(
    plan: Data, values: pd.DataFrame, objectives: list[Objective]
) -> list[dict[str, Any]]:
    """One row per objective; `kept` is None where no period was run."""
    broken = broken_counts(values, objectives)
    rows = []
    for objective, data in zip(objectives, plan["objectives"], strict=True):
        row: dict[str, Any] = {
            "text": objective.text,
            "figure": objective_figure(objective.metric, data),
            "good": None,
        }
        row |= {"kept": None, "periods": None, "worst": None}
        if objective.text in broken and len(values):
            own = values[objective.text].dropna()
            worst = own.max() if objective.relation == "<=" else own.min()
            kept = len(own) - broken[objective.text]
            good = kept >= plan["certificate"]["probability"] * len(own)
            row |= {"kept": kept, "periods": len(own), "good": good}
            row["worst"] = tables.shown(objective.metric, worst)
        rows.append(row)
    return rows


def objective_figure(metric: str, estimate: Data) -> str:
    if not estimate["replications"]:
        return "not run"
    value, interval = (
        tables.shown(metric, estimate["value"]),
        tables.interval_text(metric, estimate),
    )
    return f"{value} {interval}"


def periods_with_outage(results: Results) -> int:
    """How many certification periods saw a replica of the fleet down."""
    return int((shown_rows(results)["some_down_s"] > 0).sum())


def hardest(values: pd.DataFrame, objectives: list[Objective]) -> str | None:
    """The objective that most periods break; None when none does."""
    broken = broken_counts(values, objectives)
    most = max(broken, key=lambda text: broken[text], default=None)
    return most if most is not None and broken[most] else None


def size_rows(plan: Data) -> list[dict[str, Any]]:
    """Every size that was looked at, smallest first; those only screened have no periods. Where
    what is paid for comes and goes or depends on what it draws, its cost is known of the shown size
    alone."""
    per_replica, cost = plan["fleet"]["gpus_per_replica"], plan["cost"]
    usd_per_replica = cost["usd_per_replica_hour"]
    # What other pools cost is the same for every size.
    others_usd = cost["usd_per_hour"] - plan["figures_of"] * usd_per_replica
    others_gpus = sum(
        pool["replicas"] * pool["gpus_per_replica"] for pool in plan["fleet"]["others"]
    )
    screened = {row["replicas"]: row["passed"] for row in plan["screened"]}
    certified = {row["replicas"]: row for row in plan["sizes"]}
    owned = any(pool["purchase"] == "owned" for pool in cost["pools"])
    rows = []
    for replicas in sorted({*screened, *certified}):
        usd_per_month = (replicas * usd_per_replica + others_usd) * cost["hours_per_month"]
        known = replicas == plan["figures_of"] or not (cost["varies"] or owned)
        rows.append(
            {
                "replicas": replicas,
                "gpus": replicas * per_replica + others_gpus,
                "usd_per_month": usd_per_month if known else None,
                "tally": certified.get(replicas),
                "screened": screened.get(replicas),
                "chosen": replicas == plan["fleet"]["replicas"],
            }
        )
    return rows


def latency_rows(metrics: Data) -> list[tuple[str, list[tuple[str, str]]]]:
    """(metric, [(value, interval) at p50, p95, p99]) per latency."""
    names = {
        "ttft": "TTFT: arrival to first token",
        "tpot": "TPOT: mean time per output token after the first",
        "itl": "ITL: gap between two tokens",
        "e2e": "E2E: arrival to last token",
    }
    rows = []
    for metric, name in names.items():
        keys = [f"{metric}_s_{percentile}" for percentile in ("p50", "p95", "p99")]
        if all(key in metrics for key in keys):
            estimates = [metrics[key] for key in keys]
            cells = [
                (tables.shown(metric, e["value"]), tables.interval_text(metric, e))
                for e in estimates
            ]
            rows.append((name, cells))
    return rows


def count_rows(metrics: Data) -> list[tuple[str, str, str]]:
    """(name, value, interval) per metric that is no latency."""
    return [
        (name, tables.shown(key, metrics[key]["value"]), tables.interval_text(key, metrics[key]))
        for key, name in COUNTS.items()
        if key in metrics
    ]
