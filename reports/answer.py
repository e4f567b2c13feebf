"""The answer as lines of text, as `plan` and `simulate` print it."""

from typing import Any

from reports.accounts import account_lines
from reports.costs import cost_lines
from reports.explanation import explanation_lines
from reports.lines import line_lines
from reports.tables import (
    accuracy_lines,
    counted,
    estimate_text,
    fleet_text,
    one_fewer_line,
    percent,
    usd,
)

Data = dict[str, Any]


def plan_lines(data: Data) -> list[str]:
    """A plan (planner.plan.as_json) as the lines `fleetcast plan` prints."""
    return [
        answer_line(data),
        *certificate_lines(data),
        *line_lines(data),
        *explanation_lines(data),
        *objective_lines(data),
        *cost_lines(data["cost"]),
        *account_lines(data["accounts"]),
        *accuracy_lines(data["step_time"]),
    ]


def answer_line(data: Data) -> str:
    fleet, cost = data["fleet"], data["cost"]
    if fleet["replicas"] is None:
        if data["certificate"]["status"] == "infeasible":
            return f"{data['name']}: no feasible fleet of up to {data['search']['last']} replicas"
        tried = " and ".join(str(size["replicas"]) for size in data["sizes"])
        return f"{data['name']}: no certified fleet; certification tried {tried} replicas"
    paid = "" if cost["gpus_paid"] == fleet["gpus"] else f", {cost['gpus_paid']:.4g} GPUs paid for"
    return (
        f"{data['name']}: {fleet_text(fleet)}{paid}, "
        f"{usd(cost['usd_per_month'], 0)}/month at {usd(cost['usd_per_gpu_hour'])} per GPU-hour, "
        f"{usd(cost['usd_per_million_tokens'], 3)} per million tokens"
    )


def certificate_lines(data: Data) -> list[str]:
    certificate = data["certificate"]
    evidence = f"{certificate['replications']} fresh periods, {certificate['failed']} failed"
    goal = f"P(SLA) >= {certificate['probability']:g} at {certificate['confidence']:.0%} confidence"
    if certificate["status"] != "certified":
        shown = counted(data["figures_of"], "replica")
        return [f"  {certificate['status']}: {goal} with {shown} ({evidence})"]
    return [f"  certified: {goal} ({evidence})", "  " + one_fewer_line(data)]


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
    periods = counted(data["replications"], "period")
    fleet = counted(data["replicas"], "replica")
    if data["autoscaling"]:
        fleet += " at first, {} to {} by autoscaling".format(*data["autoscaling"])
    lines = [f"{data['name']}: {fleet}, {periods}"]
    if data["kept"] is not None:
        lines.append(f"  SLA kept in {data['kept']} of {periods}")
    for name in ("ttft_s_p50", "ttft_s_p95", "tpot_s_p50", "tpot_s_p95", "e2e_s_p95"):
        metric, label = name.partition("_")[0], name.replace("_s_", " ")
        lines.append(f"  {label:<10} {estimate_text(metric, data['metrics'][name])}")
    rate = data["metrics"]["error_rate"]
    lines.append(f"  error rate {percent(rate['value'])}")
    return [*lines, *account_lines(data["accounts"]), *accuracy_lines(data["step_time"])]


def objective_lines(data: Data) -> list[str]:
    """Each objective's figure in the median period of the fleet, with its interval."""
    width = max((len(o["objective"]) for o in data["objectives"]), default=0)
    return [f"  {o['objective']:<{width}}   {figure(o)}" for o in data["objectives"]]


def figure(objective: Data) -> str:
    metric = objective["objective"].split()[0]
    return estimate_text(metric, objective)
