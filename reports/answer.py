"""The answer in words: as the lines of text that `plan` and `simulate` print, and in the parts that
a terminal shows as a table (fleetcast/screen.py)."""

from typing import Any

from reports.accounts import account_facts
from reports.costs import cost_facts
from reports.explanation import explanation_facts
from reports.facts import Fact, fact_lines
from reports.lines import line_facts
from reports.tables import (
    accuracy_facts,
    counted,
    estimate_text,
    fleet_text,
    one_fewer_line,
    percent,
    usd,
)

Data = dict[str, Any]


def plan_lines(data: Data) -> list[str]:
    """A plan (planner.plan_data.as_json) as the lines `fleetcast plan` prints."""
    fewer = [] if data["one_fewer"] is None else ["  " + one_fewer_line(data)]
    return [
        answer_line(data),
        "  " + certificate_text(data),
        *fewer,
        *fact_lines([*line_facts(data), *explanation_facts(data)]),
        *objective_lines(data),
        *fact_lines(ground_facts(data)),
    ]


def answer_line(data: Data) -> str:
    cost = cost_text(data)
    return f"{data['name']}: {fleet_found_text(data)}" + (f", {cost}" if cost else "")


def fleet_found_text(data: Data) -> str:
    """The fleet that is the answer, or that there is none."""
    fleet, gpus_paid = data["fleet"], data["cost"]["gpus_paid"]
    if fleet["replicas"] is None:
        if data["certificate"]["status"] == "infeasible":
            return f"no feasible fleet of up to {data['search']['last']} replicas"
        tried = " and ".join(str(size["replicas"]) for size in data["sizes"])
        return f"no certified fleet; certification tried {tried} replicas"
    paid = "" if gpus_paid == fleet["gpus"] else f", {gpus_paid:.4g} GPUs paid for"
    return f"{fleet_text(fleet)}{paid}"


def cost_text(data: Data) -> str | None:
    """What the fleet that was found costs."""
    cost = data["cost"]
    if data["fleet"]["replicas"] is None:
        return None
    return (
        f"{usd(cost['usd_per_month'], 0)}/month at {usd(cost['usd_per_gpu_hour'])} per GPU-hour, "
        f"{usd(cost['usd_per_million_tokens'], 3)} per million tokens"
    )


def ground_facts(data: Data) -> list[Fact]:
    """What the figures of a plan rest on: prices, failures, step time."""
    return [
        *cost_facts(data["cost"]),
        *account_facts(data["accounts"]),
        *accuracy_facts(data["step_time"]),
    ]


def certificate_text(data: Data) -> str:
    certificate = data["certificate"]
    evidence = f"{certificate['replications']} fresh periods, {certificate['failed']} failed"
    goal = f"P(SLA) >= {certificate['probability']:g} at {certificate['confidence']:.0%} confidence"
    if certificate["status"] != "certified":
        shown = counted(data["figures_of"], "replica")
        return f"{certificate['status']}: {goal} with {shown} ({evidence})"
    return f"certified: {goal} ({evidence})"


def check_line(data: Data) -> str:
    """What `fleetcast plan --check` found (planner.holding.as_data)."""
    fleet, periods = fleet_text(data["fleet"]), f"{data['replications']} fresh periods"
    low, high = data["interval"]
    goal = f"P(SLA) >= {data['probability']:g}"
    seen = f"{data['failed']} of {periods} failed; P(SLA) in [{low:.2f}, {high:.2f}]"
    match data["verdict"]:
        case "holds":
            sure = f"{goal} at {data['confidence']:.0%} confidence"
            return f"{data['name']}: holds: {fleet}, {sure} ({periods}, {data['failed']} failed)"
        case "no longer holds":
            return f"{data['name']}: no longer holds: {fleet}, {goal} is rejected ({seen})"
    return f"{data['name']}: undecided within the budget: {fleet}, {goal} ({seen})"


def simulation_lines(data: Data) -> list[str]:
    """A summary of `fleetcast simulate`: kept periods, then the figures with their intervals."""
    kept = kept_text(data)
    return [
        f"{data['name']}: {simulated_text(data)}",
        *([f"  {kept}"] if kept else []),
        *fact_lines(simulation_facts(data)),
    ]


def simulated_text(data: Data) -> str:
    """'5 replicas, 20 periods'."""
    fleet = counted(data["replicas"], "replica")
    if data["autoscaling"]:
        fleet += " at first, {} to {} by autoscaling".format(*data["autoscaling"])
    return f"{fleet}, {counted(data['replications'], 'period')}"


def kept_text(data: Data) -> str | None:
    """'SLA kept in 19 of 20 periods', where there is one."""
    if data["kept"] is None:
        return None
    return f"SLA kept in {data['kept']} of {counted(data['replications'], 'period')}"


def simulation_facts(data: Data) -> list[Fact]:
    """The figures with their intervals, what failures did, what it rests on."""
    latencies = [
        Fact(f"{name.replace('_s_', ' '):<10}", estimate_text(metric, data["metrics"][name]))
        for name in ("ttft_s_p50", "ttft_s_p95", "tpot_s_p50", "tpot_s_p95", "e2e_s_p95")
        for metric in [name.partition("_")[0]]
    ]
    return [
        *latencies,
        Fact("error rate", percent(data["metrics"]["error_rate"]["value"])),
        *account_facts(data["accounts"]),
        *accuracy_facts(data["step_time"]),
    ]


def objective_lines(data: Data) -> list[str]:
    """Each objective's figure in the median period of the fleet, with its interval."""
    width = max((len(o["objective"]) for o in data["objectives"]), default=0)
    return [f"  {o['objective']:<{width}}   {figure(o)}" for o in data["objectives"]]


def figure(objective: Data) -> str:
    metric = objective["objective"].split()[0]
    return estimate_text(metric, objective)
