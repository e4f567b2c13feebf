"""NVIDIA NIM at fixed concurrency (nim_closed_loop)."""

from calibration.cases import Case, ClosedLoop
from calibration.datasets.dataset import CaseOf, Dataset, need_some, split_of
from calibration.datasets.replicas import (
    check_fits,
    composes_ahead,
    engine_of,
    longer_context,
    replica_of,
    unstated_limits,
)
from calibration.datasets.tables import Row

LITTLE_MIN = 0.95
"""throughput x E2E / concurrency: 1 in a steady state."""
SEATS_IN_DOUBT = 64
"""NIM's own largest batch is not stated; up to here it is no limit."""
METRICS = {
    "ttft_mean": "ttft_mean_ms", "ttft_p95": "ttft_p95_ms", "tpot_mean": "itl_mean_ms",
    "e2e_mean": "e2e_mean_ms", "e2e_p95": "e2e_p95_ms", "throughput": "output_tok_per_s",
}  # fmt: skip


def nim(dataset: Dataset) -> CaseOf:
    """One row: synthetic prompts of one length, outputs of one length."""

    def case_of(row: Row) -> Case:
        model = dataset.known.model(row.text("model"))
        concurrency = row.count("concurrency")
        inputs = max(1, round(row.positive("isl_measured_mean", "isl_tokens")))
        outputs = max(1, round(row.positive("osl_measured_mean", "osl_tokens")))
        limits, words = unstated_limits(concurrency)
        engine = engine_of(row)
        replica = replica_of(
            dataset.known.gpu(row.text("gpu")),
            engine,
            row.text("precision"),
            row.count("n_gpus", "tp"),
            sampling="greedy",
            async_scheduling=composes_ahead(engine, row),
            **limits,
            **longer_context(model, inputs + outputs),
        )
        check_fits(model, replica, inputs + outputs)
        measured = {name: row.value(column) for name, column in METRICS.items()}
        little = row.value("littles_law_ratio")
        steady = little is None or little >= LITTLE_MIN
        return Case(
            dataset=dataset.name,
            case_id=row.case_id,
            split=split_of(row),
            model=model,
            replica=replica,
            load=ClosedLoop(
                concurrency,
                (inputs, inputs),
                (outputs, outputs),
                requests=10 * concurrency,
                warm_up=2 * concurrency,
            ),
            measured=need_some({k: v for k, v in measured.items() if v is not None and v > 0}),
            assumed=(words, "10 x concurrency requests after 2 x concurrency (not stated)"),
            suspect=None if steady else f"not a steady state: Little's law gives {little:.2f}",
            group=f"concurrency above {SEATS_IN_DOUBT}" if concurrency > SEATS_IN_DOUBT else "",
        )

    return case_of
