"""What fits into a GPU: weights, KV cache per token, and the blocks of the KV pool.

Everything is counted from the model's shape. Norms and biases are left out: below 0.1 % of any
model here. Source of the formulas: vLLM's memory profiling, checked against four measured pools.
"""

from math import ceil, floor

from scenarios.catalogue.facts import Model, Precision
from scenarios.fleet import Replica

# NVFP4 is 4 bits and one 8-bit scale per 16 weights; int4 has 16-bit scale and zero per 128.
BYTES_PER_WEIGHT: dict[Precision, float] = {
    "bf16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.53125, "nvfp4": 0.5625,
}  # fmt: skip
BYTES_PER_KV_VALUE = {"bf16": 2.0, "fp8": 1.0}
# Published fp8 and nvfp4 checkpoints leave embeddings and LM head as they were trained.
BYTES_PER_EMBEDDING_WEIGHT = 2.0
TENSOR_PARALLEL_TRIED = (1, 2, 4, 8, 16)


def attention_parameters_per_layer(model: Model) -> int:
    """Weights of one attention block: query, key, value and output projections.

    GQA: h d (2a + 2g).  MLA: the projections down to the cached latent and up from it
    (DeepSeek-V2, arXiv:2405.04434).

    >>> from scenarios.catalogue import load_catalogue
    >>> attention_parameters_per_layer(load_catalogue().models["meta-llama/Llama-3.1-8B-Instruct"])
    41943040
    """
    latent = model.latent_attention
    if latent is None:
        return model.hidden * model.head_dim * 2 * (model.heads + model.kv_heads)
    query_dim = model.heads * (latent.nope_dim + latent.rope_dim)
    if latent.query_rank is None:
        query = model.hidden * query_dim
    else:
        query = latent.query_rank * (model.hidden + query_dim)
    down = model.hidden * (latent.kv_rank + latent.rope_dim)
    up = latent.kv_rank * model.heads * (latent.nope_dim + latent.value_dim)
    output = model.heads * latent.value_dim * model.hidden
    return query + down + up + output


def dense_mlp_parameters(model: Model) -> int:
    """Weights of the MLP in one dense layer."""
    return model.mlp_matrices * model.hidden * model.intermediate


def expert_parameters(model: Model) -> int:
    """Weights of one routed expert in one MoE layer; 0 for a dense model."""
    return model.mlp_matrices * model.hidden * model.experts.intermediate if model.experts else 0


def shared_parameters(model: Model) -> int:
    """Weights of the always-active shared experts in one MoE layer; 0 where there are none."""
    if model.experts is None:
        return 0
    return model.mlp_matrices * model.hidden * model.experts.shared_intermediate


def head_parameters(model: Model) -> int:
    """Weights of the LM head, V h; the input embedding has as many."""
    return model.vocabulary * model.hidden


def layer_parameters(model: Model, experts_counted: int) -> int:
    """Weights of all layers together, counting `experts_counted` routed experts per MoE layer."""
    total = model.layers * attention_parameters_per_layer(model)
    if model.experts is None:
        return total + model.layers * dense_mlp_parameters(model)
    router = model.hidden * model.experts.experts
    moe_layer = experts_counted * expert_parameters(model) + shared_parameters(model) + router
    dense_layers = model.layers - model.experts.layers
    return total + dense_layers * dense_mlp_parameters(model) + model.experts.layers * moe_layer


def embedding_parameters(model: Model) -> int:
    """Weights of input embedding and LM head together: one matrix if tied, else two."""
    return head_parameters(model) * (1 if model.tied_embeddings else 2)


def parameters(model: Model) -> int:
    """All weights of the model.

    >>> from scenarios.catalogue import load_catalogue
    >>> round(parameters(load_catalogue().models["deepseek-ai/DeepSeek-V3"]) / 1e9)
    671
    """
    experts = model.experts.experts if model.experts else 0
    return layer_parameters(model, experts) + embedding_parameters(model)


def active_parameters(model: Model) -> int:
    """Weights one token is multiplied with: LM head included, input embedding (a lookup) not.

    Half of the forward FLOPs per token, attention scores aside. Makers differ here: OpenAI
    leaves the input embedding out as we do, Qwen and Meta count it.

    >>> from scenarios.catalogue import load_catalogue
    >>> round(active_parameters(load_catalogue().models["openai/gpt-oss-120b"]) / 1e9, 1)
    5.1
    """
    experts = model.experts.per_token if model.experts else 0
    return layer_parameters(model, experts) + head_parameters(model)


def weight_bytes(model: Model, precision: Precision) -> float:
    """Bytes of all weights, over all GPUs of a replica.

    >>> from scenarios.catalogue import load_catalogue
    >>> llama = load_catalogue().models["meta-llama/Llama-3.1-8B-Instruct"]
    >>> [round(weight_bytes(llama, precision) / 1e9, 1) for precision in ("bf16", "fp8", "nvfp4")]
    [16.1, 9.1, 6.0]
    """
    embeddings = embedding_parameters(model)
    attention = model.layers * attention_parameters_per_layer(model)
    others = parameters(model) - embeddings - attention
    return (
        others * BYTES_PER_WEIGHT[precision]
        + attention * bytes_per_attention_weight(model, precision)
        + embeddings * BYTES_PER_EMBEDDING_WEIGHT
    )


def bytes_per_attention_weight(model: Model, precision: Precision) -> float:
    """NVFP4 checkpoints leave latent attention (MLA) in bf16."""
    if precision == "nvfp4" and model.latent_attention is not None:
        return BYTES_PER_WEIGHT["bf16"]
    return BYTES_PER_WEIGHT[precision]


def kv_bytes_per_token(model: Model, kv_bytes_per_value: float = 2.0) -> float:
    """Bytes of KV cache per token of context, counted once: GQA 2 L g d b, MLA L (r_kv + d_rope) b.

    Sliding-window layers count as full ones: the pool deals in blocks that span all layers. vLLM's
    hybrid allocator frees what slid out, so this is an upper bound for contexts beyond the window.

    >>> from scenarios.catalogue import load_catalogue
    >>> kv_bytes_per_token(load_catalogue().models["meta-llama/Llama-3.1-8B-Instruct"])
    131072.0
    """
    latent = model.latent_attention
    if latent is None:
        values_per_layer = 2 * model.kv_heads * model.head_dim
    else:
        values_per_layer = latent.kv_rank + latent.rope_dim
    return model.layers * values_per_layer * kv_bytes_per_value


def kv_bytes_per_token_per_gpu(
    model: Model, tensor_parallel: int, kv_bytes_per_value: float = 2.0
) -> float:
    """Bytes of KV cache per token that each of `tensor_parallel` GPUs holds.

    KV heads are split until each GPU has one, then repeated; MLA's latent is on every GPU.

    >>> from scenarios.catalogue import load_catalogue
    >>> llama = load_catalogue().models["meta-llama/Llama-3.1-8B-Instruct"]
    >>> kv_bytes_per_token_per_gpu(llama, 8), kv_bytes_per_token_per_gpu(llama, 16)
    (16384.0, 16384.0)
    """
    split = 1 if model.latent_attention else min(tensor_parallel, model.kv_heads)
    return kv_bytes_per_token(model, kv_bytes_per_value) / split


def weight_bytes_per_gpu(model: Model, replica: Replica) -> float:
    """Bytes of weights on each GPU: all split over tensor and pipeline ranks, experts over the data
    ranks too."""
    split = replica.tensor_parallel * replica.pipeline_parallel
    layers = model.experts.layers if model.experts else 0
    count = model.experts.experts if model.experts else 0
    experts = layers * count * expert_parameters(model) * BYTES_PER_WEIGHT[replica.precision]
    shared = weight_bytes(model, replica.precision) - experts
    return (shared + experts / replica.data_parallel) / split


def kv_pool_bytes(model: Model, replica: Replica) -> float:
    """Bytes per GPU left for the KV cache; negative when the weights do not fit."""
    engine = replica.engine
    granted: float = engine.gpu_memory_utilization * replica.gpu.memory_bytes
    return granted - engine.facts.kept_memory_bytes - weight_bytes_per_gpu(model, replica)


def kv_bytes_per_token_on(model: Model, replica: Replica) -> float:
    """Bytes of KV cache per token that each GPU of a (data parallel) rank holds."""
    value_bytes = BYTES_PER_KV_VALUE[replica.kv_precision]
    whole = kv_bytes_per_token_per_gpu(model, replica.tensor_parallel, value_bytes)
    return whole / replica.pipeline_parallel


def kv_blocks(model: Model, replica: Replica) -> int:
    """Blocks of `block_tokens` tokens in a replica's KV pool, its data parallel ranks together;
    below 1 it does not fit.

    vLLM logs the true number (of one rank) as `num_gpu_blocks`; where it is known, use that.

    >>> from scenarios.catalogue import load_catalogue
    >>> known = load_catalogue()
    >>> replica = Replica(gpu="h100-sxm-80gb", tensor_parallel=4, engine={"name": "vllm"})
    >>> kv_blocks(known.models["meta-llama/Llama-2-70b-hf"], replica)  # measured: 31,356
    31297
    """
    block = replica.engine.facts.block_tokens * kv_bytes_per_token_on(model, replica)
    return floor(kv_pool_bytes(model, replica) / block) * replica.data_parallel


def missing_bytes(model: Model, replica: Replica, context_tokens: int = 1) -> float:
    """Bytes per GPU lacking until one request of `context_tokens` fits, in whole blocks; else 0.0.

    >>> from scenarios.catalogue import load_catalogue
    >>> known = load_catalogue()
    >>> replica = Replica(gpu="l4-24gb", engine={"name": "vllm"})
    >>> round(missing_bytes(known.models["meta-llama/Llama-2-13b-hf"], replica) / 1e9, 1)
    6.2
    """
    block_tokens = replica.engine.facts.block_tokens
    tokens = block_tokens * ceil(context_tokens / block_tokens)
    needed = tokens * kv_bytes_per_token_on(model, replica)
    return max(0.0, needed - kv_pool_bytes(model, replica))


def fitting_tensor_parallel(model: Model, replica: Replica, context_tokens: int = 1) -> int | None:
    """The fewest GPUs (a power of two within one node that divides the heads) that hold the model,
    all else as in `replica`.

    >>> from scenarios.catalogue import load_catalogue
    >>> llama = load_catalogue().models["meta-llama/Llama-3.1-70B-Instruct"]
    >>> replica = Replica(gpu="h100-sxm-80gb", engine={"name": "vllm"})
    >>> fitting_tensor_parallel(llama, replica), fitting_tensor_parallel(llama, replica, 131_072)
    (2, 4)
    """
    for tensor_parallel in TENSOR_PARALLEL_TRIED:
        if model.heads % tensor_parallel or tensor_parallel > replica.gpu.gpus_per_node:
            continue
        tried = replica.model_copy(update={"tensor_parallel": tensor_parallel})
        if missing_bytes(model, tried, context_tokens) == 0.0:
            return tensor_parallel
    return None
