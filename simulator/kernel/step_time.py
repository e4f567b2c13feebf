"""The time of one engine step: one compiled function of what the step computes.

    step = fixed + mixed [any prefill] + experts (1 - miss^tokens) + a prefill tokens
           + b decode tokens + c sequences + d KV tokens read + e attention pairs

`simulator/latency.py` turns model, GPU and engine, or a scenario's `latency:`, into coefficients.
"""

from typing import NamedTuple

import numpy as np

from simulator.kernel import door, kernel


class StepTime(NamedTuple):
    """Coefficients of one engine step, seconds each."""

    fixed_s: float
    prefill_token_s: float
    decode_token_s: float
    sequence_s: float
    kv_token_s: float
    """Per token of context read."""
    attention_pair_s: float
    """Per (token computed, token attended to) pair."""
    mixed_s: float = 0.0
    """On top, when the step computes any prefill token."""
    experts_s: float = 0.0
    """Reading every expert of every MoE layer once."""
    expert_miss: float = 0.0
    """Chance that one token passes an expert by."""


STEP_TIME = np.dtype([(name, np.float64) for name in StepTime._fields])
"""The same as a record of an array: `np.array([step_time], STEP_TIME)`."""


@kernel
def power(base, exponent):
    """base ** exponent for a whole exponent >= 0, by squaring: the same bits on every platform."""
    result = 1.0
    while exponent > 0:
        if exponent & 1:
            result *= base
        base *= base
        exponent >>= 1
    return result


@door
def step_s(time, prefill_tokens, decode_tokens, sequences, kv_tokens, attention_pairs):
    """Seconds of a step.

    time: a StepTime or a record of STEP_TIME;  prefill_tokens, decode_tokens: tokens computed;
    sequences: requests in the step;  kv_tokens: tokens of context read;  attention_pairs: sum over
    computed tokens of the tokens they attend to. The order of additions is fixed: two programs
    must agree to the last bit.
    """
    seconds = linear_s(time, decode_tokens, sequences, kv_tokens, attention_pairs)
    if prefill_tokens > 0:
        seconds += time.mixed_s + time.prefill_token_s * prefill_tokens
    return seconds + experts_s(time, prefill_tokens + decode_tokens)


@kernel
def linear_s(time, decode_tokens, sequences, kv_tokens, attention_pairs):
    """What grows with the decodes of a step and the context it reads."""
    return (
        time.fixed_s
        + time.decode_token_s * decode_tokens
        + time.sequence_s * sequences
        + time.kv_token_s * kv_tokens
        + time.attention_pair_s * attention_pairs
    )


@kernel
def experts_s(time, tokens):
    """Reading the experts that `tokens` tokens are expected to meet; 0 for a dense model."""
    if time.experts_s == 0.0:
        return 0.0
    return time.experts_s * (1.0 - power(time.expert_miss, tokens))


def in_python(time: StepTime, *load: int) -> float:
    """`step_s` without compiling it, for a single value."""
    seconds: float = getattr(step_s, "py_func", step_s)(time, *load)
    return seconds


@kernel
def whole_ns(seconds, per_s):
    """Whole nanoseconds, at least one; `per_s` is a billion, or more on a slow replica."""
    return max(np.int64(np.rint(seconds * per_s)), np.int64(1))


@door
def many_s(times, loads, seconds):
    """`step_s` of many steps: times, records of STEP_TIME[n];  loads int64[n, 5]: prefill tokens,
    decode tokens, sequences, KV tokens, attention pairs;  seconds float64[n] written."""
    for i in range(seconds.size):
        seconds[i] = step_s(
            times[i], loads[i, 0], loads[i, 1], loads[i, 2], loads[i, 3], loads[i, 4]
        )
