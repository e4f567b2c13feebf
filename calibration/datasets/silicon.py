"""InferenceX and NVIDIA sweeps at fixed concurrency (silicon_closed_loop)."""

import re
from typing import NamedTuple

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
from calibration.datasets.tables import Row, Unusable
from scenarios.catalogue.facts import Model


class Layout(NamedTuple):
    """GPUs per attention rank, ranks, pipeline stages; and what was read into the data."""

    tensor_parallel: int
    data_parallel: int
    pipeline_parallel: int
    assumed: tuple[str, ...] = ()


def silicon(dataset: Dataset) -> CaseOf:
    """One row: TTFT and TPOT of one engine; whether means or medians is not stated."""

    def case_of(row: Row) -> Case:
        if row.cells.get("mode", "agg").lower() != "agg":
            raise Unusable("separate prefill and decode workers are not simulated")
        concurrency, engine = row.count("concurrency"), engine_of(row)
        model = dataset.known.model(row.text("model"))
        inputs, outputs = lengths(row, "isl_tokens"), lengths(row, "osl_tokens")
        layout = layout_of(row, model)
        limits, words = unstated_limits(concurrency)
        precision = row.cells.get("weight_precision")
        replica = replica_of(
            dataset.known.gpu(row.text("gpu")),
            engine,
            precision or "bf16",
            layout.tensor_parallel,
            layout.pipeline_parallel,
            layout.data_parallel,
            sampling="greedy",
            async_scheduling=composes_ahead(engine, row),
            **limits,
            **longer_context(model, inputs[1] + outputs[1]),
        )
        check_fits(model, replica, inputs[1] + outputs[1])
        measured = {"ttft_mean": row.value("ttft_ms"), "tpot_mean": row.value("tpot_ms")}
        return Case(
            dataset=dataset.name,
            case_id=row.case_id,
            split=split_of(row),
            model=model,
            replica=replica,
            load=ClosedLoop(
                concurrency,
                inputs,
                outputs,
                requests=row.count("n_requests", default=10 * concurrency),
                # InferenceX warms up in a run of its own: what it counts begins with a burst.
                warm_up=0 if inputs[0] < inputs[1] else 2 * concurrency,
            ),
            measured=need_some({k: v for k, v in measured.items() if v is not None and v > 0}),
            assumed=(
                words,
                "TTFT and TPOT are means (mean or median is not stated)",
                *layout.assumed,
                *(("4-bit weights computed in bf16",) if replica.precision == "int4" else ()),
                *(() if precision else ("bf16 weights (not stated)",)),
            ),
            suspect=drafted(row, engine),
        )

    return case_of


def lengths(row: Row, column: str) -> tuple[int, int]:
    """Shortest and longest. InferenceX draws from [0.8 L, L], others take L."""
    longest = row.count(column)
    share = re.search(r"uniform.*?\[\s*(0?\.\d+)\s*\*?\s*L", row.cells.get("length_rule", ""))
    return (max(1, int(float(share[1]) * longest)) if share else longest), longest


def drafted(row: Row, engine: str) -> str | None:
    """Why speculative decoding may be in the figures: one configuration of DeepSeek on
    TensorRT-LLM has two TPOTs, nearly a factor of two apart."""
    if engine == "trtllm" and "deepseek" in row.text("model").lower():
        return "DeepSeek on TensorRT-LLM: speculative decoding possible, not flagged in the source"
    return None


def layout_of(row: Row, model: Model) -> Layout:
    """Where every GPU belongs. Raises Unusable for layouts that contradict themselves."""
    tensor, pipeline = row.count("agg_tp_size"), row.count("agg_pp_size", default=1)
    # An internal sweep writes 0 for what a dense model does not have.
    moe_tensor, moe_expert = (
        max(1, round(row.value(column) or 1)) for column in ("agg_moe_tp_size", "agg_moe_ep_size")
    )
    experts_over = moe_tensor * moe_expert
    if row.value("agg_attention_dp_size") is None:
        if model.experts is None:
            layout = Layout(tensor, 1, pipeline)
        elif experts_over % tensor:
            raise Unusable(f"experts over {experts_over} GPUs, attention over {tensor} each")
        else:
            layout = unstated_ranks(tensor, experts_over // tensor, pipeline)
    else:
        layout = stated_ranks(
            tensor, row.count("agg_attention_dp_size"), pipeline, (moe_tensor, moe_expert)
        )
    tensor, data, pipeline, _ = layout
    stated = row.count("agg_n_gpus", default=tensor * data * pipeline)
    if not layout.assumed and stated != tensor * data * pipeline:
        raise Unusable(f"{stated} GPUs stated, {tensor * data * pipeline} by the layout")
    return layout


def unstated_ranks(tensor: int, data: int, pipeline: int) -> Layout:
    words = (f"{data} attention ranks (not stated; from the experts' layout)",) if data > 1 else ()
    return Layout(tensor, data, pipeline, words)


def stated_ranks(tensor: int, data: int, pipeline: int, moe: tuple[int, int]) -> Layout:
    """As stated, but for k GPUs with k-fold tensor and k-fold expert parallel, which the source
    also lists as k x k GPUs: the same figures stand under both."""
    side = moe[0]
    if side == moe[1] >= 4 and tensor * data == side * side and side * side in (tensor, data):
        words = f"{side} GPUs, not the {side * side} stated (tensor x expert parallel of the same)"
        return Layout(side if tensor > 1 else 1, side if data > 1 else 1, pipeline, (words,))
    return Layout(tensor, data, pipeline)
