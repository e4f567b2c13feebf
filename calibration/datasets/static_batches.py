"""Static batches: TensorRT-LLM 0.9 (trtllm_static_batch) and Splitwise (splitwise_static_batch)."""

from calibration.cases import Case, StaticBatch
from calibration.datasets.dataset import CaseOf, Dataset, need_some, split_of
from calibration.datasets.replicas import replica_of
from calibration.datasets.tables import Row, Unusable
from scenarios.memory import weight_bytes_per_gpu


def trtllm(dataset: Dataset) -> CaseOf:
    """One row: the prefill of a whole batch, and its mean decode step."""

    def case_of(row: Row) -> Case:
        measured = {
            "prefill": row.value("first_token_latency_ms"),
            "decode": row.value("token_to_token_latency_ms"),
            "throughput": row.value("output_tok_per_s"),
        }
        return static_case(
            dataset,
            row,
            gpu=row.text("gpu"),
            engine="trtllm-0.9",
            precision=row.text("precision"),
            layout=(row.count("tp"), row.count("pp", default=1)),
            load=StaticBatch(
                row.count("batch_size"), row.count("isl_tokens"), row.count("osl_tokens")
            ),
            measured=measured,
            assumed=("fp8 KV cache (not stated)",) if "unstated" in row.text("precision") else (),
        )

    return case_of


def splitwise(dataset: Dataset) -> CaseOf:
    """One row: medians over repeats. End-to-end times are cut off in some rows, so not used."""

    def case_of(row: Row) -> Case:
        return static_case(
            dataset,
            row,
            gpu=row.text("hardware", "gpu"),
            engine="splitwise",
            precision=row.cells.get("precision", "fp16"),
            layout=(row.count("tensor_parallel"), 1),
            load=StaticBatch(
                row.count("batch_size"), row.count("prompt_size"), row.count("token_size")
            ),
            measured={
                "prefill": row.value("prompt_time_ms"),
                "decode": row.value("token_time_ms"),
            },
            assumed=("fp16 (the paper's)",),
        )

    return case_of


def static_case(
    dataset: Dataset,
    row: Row,
    gpu: str,
    engine: str,
    precision: str,
    layout: tuple[int, int],
    load: StaticBatch,
    measured: dict[str, float | None],
    assumed: tuple[str, ...],
) -> Case:
    """A case of either. Raises Unusable for weights that no such GPU holds."""
    model = dataset.known.model(row.text("model"))
    replica = replica_of(dataset.known.gpu(gpu), engine, precision, *layout, sampling="greedy")
    gpus = row.count("n_gpus", default=replica.gpus)
    if gpus != replica.gpus:
        raise Unusable(f"{gpus} GPUs stated, {replica.gpus} by tensor and pipeline parallel")
    if weight_bytes_per_gpu(model, replica) > replica.gpu.memory_bytes:
        raise Unusable(f"{replica.precision} weights do not fit into {gpus} {replica.gpu.name}")
    return Case(
        dataset=dataset.name,
        case_id=row.case_id,
        split=split_of(row),
        model=model,
        replica=replica,
        load=load,
        measured=need_some({k: v for k, v in measured.items() if v is not None and v > 0}),
        assumed=assumed,
        suspect="a power-capped card: clocks below the datasheet's" if "pcap" in gpu else None,
    )
