"""docs/accuracy.md, from what was measured. It shows errors, never the measured values: several of
the data sets carry no licence."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.accuracy.promises import Promise
from benchmarks.table import markdown
from calibration.fit_data import FitResult
from reports.fit_tables import COLUMNS, medians

Data = Mapping[str, Any]

HEAD = """# Accuracy

How far the simulator is from measured engines. `make accuracy` wrote this page: it reads the
measured data, simulates every case, and fits again without what it is then asked about. All errors
are absolute percent, medians unless said otherwise; "signed" ones keep their sign. In-sample errors
are of rows the fit knew; what to expect of your own deployment are the left-out ones.
"""
SOURCES = (
    ("vllm_s2r", "vLLM 0.15.1, open loops of 20 minutes on H100, A100, L40S",
     "inference-sim: sim-to-real-accuracy-validation, training, inference-sim"),
    ("llmservingsim_bench", "vLLM 0.19 in process, a replayed trace",
     "casys-kaist/LLMServingSim (MIT)"),
    ("silicon_closed_loop", "vLLM, SGLang, TensorRT-LLM at fixed concurrency",
     "SemiAnalysis InferenceX and NVIDIA sweeps, in ai-dynamo/aiconfigurator (Apache-2.0)"),
    ("nim_closed_loop", "NVIDIA NIM at fixed concurrency",
     "data of an NVIDIA course, in wbing520/ai-performance-engineering"),
    ("trtllm_static_batch", "TensorRT-LLM 0.9, static batches", "the same"),
    ("splitwise_static_batch", "the engine of the Splitwise paper",
     "Mutinifni/splitwise-sim (MIT)"),
    ("trtllm_perf_overview", "TensorRT-LLM 1.x, offline throughput; not in the fit",
     "NVIDIA/TensorRT-LLM documentation"),
)  # fmt: skip
"""Of the data: what was measured, and who published it."""


def page(figures: Data) -> str:
    """The whole page as Markdown."""
    validated, fitted = figures["validated"], figures["fit"]
    parts = [
        HEAD,
        "## What is promised, and kept\n\n" + promises_markdown(figures["promises"]),
        "## Beside the peers\n\n" + peers(validated),
        "## Left out\n\n" + left_out(fitted),
        "## What to expect\n\n" + bands(fitted),
        "## What each effect is worth\n\n" + effects(figures["ablations"]),
        "## A user calibrates\n\n" + users(figures["users"]),
        "## By group\n\n" + by_group(validated),
        "## Coefficients\n\n" + coefficients(fitted),
        "## The data\n\n" + sources(),
        "## Covered\n\n" + covered(validated),
    ]
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def promise_table(promises: Sequence[Promise]) -> str:
    """For a terminal."""
    width = max(len(promise.what) for promise in promises)
    return "\n".join(
        f"{'ok ' if p.kept else 'NOT'} {p.what:{width}} {p.value:10.4g}{p.unit} ({p.limit_text})"
        for p in promises
    )


def promises_markdown(promises: Iterable[Promise]) -> str:
    rows = [
        (p.what, f"{p.value:.3g}{p.unit}", p.limit_text, "yes" if p.kept else "**no**")
        for p in promises
    ]
    return markdown(("what", "measured", "promised", "kept"), rows)


def peers(validated: Data) -> str:
    """Every peer on the runs it predicted, and ours on the same."""
    wanted = ("e2e_mean", "e2e_p90", "ttft_mean", "ttft_p90", "tpot_mean")
    rows = [
        (name, metric, errors["cases"], f"{errors['median_abs_error_pct']:.1f}",
         f"**{errors['ours_median_abs_error_pct']:.1f}**",
         f"{errors['mean_abs_error_pct']:,.1f}", f"{errors['ours_mean_abs_error_pct']:.1f}")
        for name, metrics in validated["peers"].items()
        for metric, errors in metrics.items()
        if metric in wanted
    ]  # fmt: skip
    note = "Their published predictions; overloaded runs apart. Ours are in sample here: see below."
    head = ("peer", "metric", "runs", "its median", "ours", "its mean", "ours")
    return f"{note}\n\n{markdown(head, rows)}"


def left_out(fitted: FitResult) -> str:
    note = (
        "The fit repeated without all rows of a family of models, a chip, an engine or a data set,"
        " and asked about them."
    )
    rows = [
        (name, kind, metric, f"{count:,}", *cells)
        for name, metric, kind, count, cells in medians(fitted.rows)
    ]
    head = ("data set", "model", "metric", "rows", *COLUMNS)
    return f"{note}\n\n{markdown(head, rows)}"


def bands(fitted: FitResult) -> str:
    note = (
        "Errors of fits that knew all but what is new about the replica: median; 90th percentile."
        " Every result of `fleetcast` names the band of its class."
    )
    rows = [
        (name.replace("_", " "), *(pair(errors, latency) for latency in ("tpot", "ttft", "e2e")))
        for name, errors in fitted.bands.items()
    ]
    return f"{note}\n\n{markdown(('new model, and ...', 'TPOT', 'TTFT', 'E2E'), rows)}"


def pair(errors: Mapping[str, float], latency: str) -> str:
    median, most = errors.get(f"{latency}_median"), errors.get(f"{latency}_p90")
    return "-" if median is None or most is None else f"{median:.1f}; {most:.1f}"


def effects(rows: Sequence[Data]) -> str:
    note = "Open loops of vllm_s2r, overloads apart, one effect left out, nothing fitted again."
    cells = [
        (row["without"], f"{row['e2e_mean']:.1f}", f"{row['ttft_mean']:.1f}",
         f"{row['ttft_mean_signed']:+.1f}", f"{row['ttft_mean_mean']:,.1f}",
         f"{row['tpot_mean']:.1f}")
        for row in rows
    ]  # fmt: skip
    head = ("", "E2E", "TTFT", "TTFT signed", "TTFT, mean of the errors", "TPOT")
    return f"{note}\n\n{markdown(head, cells)}"


def users(rows: Sequence[Data]) -> str:
    note = (
        "All rows of a model on a GPU leave the fit; `fleetcast calibrate` sees three points of one"
        " deployment (one client, and most before requests queue, with the shortest prompts; some"
        " with the longest); the error is the median of its other points."
    )
    cells = [
        (row["deployment"], row["others"], f"{row['before_pct']:.1f}", f"{row['after_pct']:.1f}")
        for row in sorted(rows, key=lambda row: -row["before_pct"])
    ]
    head = ("deployment", "points", "TPOT error before", "after")
    return f"{note}\n\n{markdown(head, cells)}"


def by_group(validated: Data) -> str:
    rows = [
        (dataset, value, metric, errors["cases"], f"{errors['median_abs_error_pct']:.1f}",
         f"{errors['mean_abs_error_pct']:.1f}", f"{errors['median_signed_pct']:+.1f}")
        for dataset, facets in validated["groups"].items()
        for facet in ("model family", "GPU", "engine")
        for value, metrics in facets.get(facet, {}).items()
        for metric, errors in metrics.items()
        if metric in ("tpot_mean", "ttft_mean", "e2e_mean", "prefill", "decode", "throughput")
    ]  # fmt: skip
    head = ("data set", "group", "metric", "cases", "median", "mean", "median signed")
    return f"In sample.\n\n{markdown(head, rows)}"


def coefficients(fitted: FitResult) -> str:
    sure = fitted.fitted.standard_errors.tolist()
    rows = [
        (f"`{'.'.join(key)}`", f"{value:.4g}", f"{100 * error:.0f} %")
        for (key, value), error in zip(fitted.fitted.values.items(), sure, strict=True)
    ]
    note = (
        "Times in seconds, shares of the datasheet without unit; what each multiplies:"
        " [step time](background/step-time.md)."
    )
    return f"{note}\n\n{markdown(('coefficient', 'value', 'standard error'), rows)}"


def sources() -> str:
    note = "Measured and published by others; only errors are shown here, never their values."
    return f"{note}\n\n{markdown(('data set', 'what', 'source'), SOURCES)}"


def covered(validated: Data) -> str:
    coverage = validated["coverage"]
    rows = [(row["dataset"], row["reason"], row["cases"]) for row in coverage["refused_by_reason"]]
    simulated = coverage["simulated"]
    note = f"{simulated:,} cases were simulated. Not simulated:"
    return f"{note}\n\n{markdown(('data set', 'why', 'rows'), rows)}"
