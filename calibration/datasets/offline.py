"""Everything asked at once: TensorRT-LLM's published throughput (trtllm_perf_overview)."""

import re

from calibration.cases import Case, ClosedLoop
from calibration.datasets.dataset import CaseOf, Dataset, split_of
from calibration.datasets.replicas import check_fits, engine_of, longer_context, replica_of
from calibration.datasets.tables import Row, Unusable

SEATS = 2048
BUDGET_TOKENS = 8192
"""TensorRT-LLM's default max_batch_size and max_num_tokens."""
MEMORY_SHARE = 0.95
"""kv_free_mem_fraction is documented as 0.90 to 0.95."""
REQUESTS_UNSTATED = 1000


def perf_overview(dataset: Dataset) -> CaseOf:
    """One row: as many clients as requests, each sending its one at the start."""

    def case_of(row: Row) -> Case:
        model = dataset.known.model(row.text("model"))
        requests = row.count("n_requests", default=REQUESTS_UNSTATED)
        inputs, outputs = row.count("isl_tokens"), row.count("osl_tokens")
        tensor, pipeline, data = layout_of(row)
        budget = max(BUDGET_TOKENS, inputs)
        replica = replica_of(
            dataset.known.gpu(row.text("gpu")),
            engine_of(row),
            row.text("precision"),
            tensor,
            pipeline,
            data,
            sampling="greedy",
            max_num_seqs=SEATS,
            max_num_batched_tokens=budget,
            gpu_memory_utilization=MEMORY_SHARE,
            **longer_context(model, inputs + outputs),
        )
        gpus = row.count("n_gpus", default=replica.gpus)
        if gpus != replica.gpus:
            raise Unusable(f"{gpus} GPUs stated, {replica.gpus} by {row.text('parallelism')}")
        check_fits(model, replica, inputs + outputs)
        throughput = row.value("total_output_tok_per_s")
        if throughput is None:
            throughput = gpus * row.positive("output_tok_per_s_per_gpu")
        if throughput <= 0:
            raise Unusable(f"total_output_tok_per_s {throughput:g} is not positive")
        return Case(
            dataset=dataset.name,
            case_id=row.case_id,
            split=split_of(row),
            model=model,
            replica=replica,
            load=ClosedLoop(requests, (inputs, inputs), (outputs, outputs), requests, 0),
            measured={"throughput": throughput},
            assumed=(
                f"max_num_seqs {SEATS}, max_num_batched_tokens {budget} (not stated)",
                f"{MEMORY_SHARE:.0%} of memory (stated 0.90 to 0.95 of what weights leave)",
            ),
        )

    return case_of


def layout_of(row: Row) -> tuple[int, int, int]:
    """Tensor, pipeline and data parallel of 'TP8', 'TP4PP2', 'DEP8' (attention on every GPU for
    itself, experts spread) or 'TEP8' (attention split, experts spread). Raises Unusable."""
    text = row.text("parallelism").upper()
    degrees = dict(re.findall(r"(TEP|DEP|TP|PP|DP|EP)[ =_-]*(\d+)", text))
    if not degrees or "0" in degrees.values():
        raise Unusable(f"parallelism {text!r} is not known")
    tensor = int(degrees.get("TP") or degrees.get("TEP") or 1)
    data = int(degrees.get("DP") or degrees.get("DEP") or 1)
    return tensor, int(degrees.get("PP", 1)), data
