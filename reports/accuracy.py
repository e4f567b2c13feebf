"""The accuracy of a validation -> one HTML page that needs nothing else, light or dark.

Its figures are plain SVG from templates/accuracy_figures.html: their colours follow the page.
"""

from collections.abc import Sequence

from reports.accuracy_lines import metric_name, percents
from reports.accuracy_scales import Data, histograms, parity
from reports.rendering import templates

LATENCIES = ("e2e", "ttft", "tpot")
STATISTICS = ("mean", "p50")
FURTHER = ("e2e_p90", "ttft_p90", "prefill", "decode", "throughput")
"""Headlines after the mean of each latency."""
COLOURS = 8
"""Of data sets, in templates/accuracy.css; then they repeat."""
BAD_PCT = 20.0


def page(data: Data) -> str:
    """The page of calibration.accuracy.as_json with `asked` and `versions`."""
    environment = templates()
    environment.filters |= {
        "metric": metric_name,
        "percents": percents,
        "figure": figure,
    }
    shown = data["summary"] or data["overloads"]
    headlines = headline_metrics(shown)
    return environment.get_template("accuracy.html").render(
        data=data,
        asked=data["asked"],
        coverage=data["coverage"],
        shown=shown,
        headlines=headlines,
        peer_headlines=[m for m in headlines if any(m in each for each in data["peers"].values())],
        overloads_only=not data["summary"],
        colours=colours(data),
        panels=panels(data, headlines),
        tables=tables(data),
        case_tables=case_tables(data["cases"]),
        bad=BAD_PCT,
    )


def headline_metrics(summary: Data) -> list[str]:
    """
    >>> headline_metrics({"tpot_mean": {}, "ttft_p50": {}, "ttft_p99": {}, "decode": {}})
    ['ttft_p50', 'tpot_mean', 'decode']
    """
    firsts = (
        next((m for m in (f"{latency}_{s}" for s in STATISTICS) if m in summary), None)
        for latency in LATENCIES
    )
    return [m for m in (*firsts, *FURTHER) if m is not None and m in summary]


def colours(data: Data) -> dict[str, int]:
    """data set -> the number of its colour."""
    names = dict.fromkeys(row["dataset"] for row in data["cases"])
    return {name: index % COLOURS for index, name in enumerate(names)}


def panels(data: Data, metrics: Sequence[str]) -> list[Data]:
    """What the figures of each headline metric are drawn from; suspect cases are left out."""
    found = []
    for metric in metrics:
        rows = [r for r in data["cases"] if r["metric"] == metric and r["suspect"] is None]
        regular = [row for row in rows if not row["overloaded"]]
        found.append(
            {
                "metric": metric,
                "unit": rows[0]["unit"],
                "parity": parity(rows),
                "histograms": histograms(regular or rows),
            }
        )
    return found


def tables(data: Data) -> list[Data]:
    """Per data set: its metrics, and its facets with the headline metrics as columns."""
    found = []
    for name, metrics in data["datasets"].items():
        columns = headline_metrics(metrics)
        found.append(
            {
                "name": name,
                "metrics": metrics,
                "columns": columns,
                "facets": data["groups"][name],
                "counts": data["coverage"]["datasets"][name],
            }
        )
    return found


def case_tables(rows: Sequence[Data]) -> list[Data]:
    """Per data set: its metrics as columns, and one line per case."""
    found: dict[str, Data] = {}
    for row in rows:
        table = found.setdefault(
            row["dataset"], {"name": row["dataset"], "metrics": {}, "lines": {}}
        )
        table["metrics"][row["metric"]] = row["unit"]
        line = table["lines"].setdefault(row["case_id"], {"about": row, "cells": {}})
        line["cells"][row["metric"]] = row
    return list(found.values())


def figure(value: float) -> str:
    """
    >>> figure(3610.36), figure(12.345), figure(0.0512)
    ('3,610', '12.3', '0.0512')
    """
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
