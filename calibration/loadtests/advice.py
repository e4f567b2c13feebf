"""What a calibration makes one doubt, and what to measure next, in plain words."""

from collections.abc import Iterator

import numpy as np

from calibration.cases import Case, ClosedLoop
from calibration.names import family
from calibration.profile import Calibration
from calibration.profile_figures import shape

DOUBTFUL = 0.15
"""A figure this far from what the profile itself predicts does not belong to the others."""
LEVELS = 3
FEW_AT_ONCE, MANY_AT_ONCE = 2, 16
FIRST_TOKEN_RATIO = 3.0
"""A first token this many times later than measured waits for something that was not there."""


def doubts(calibration: Calibration) -> Iterator[str]:
    """Figures that do not belong to the others."""
    for point in calibration.points:
        first = point.metric.startswith("ttft")
        if not first and abs(point.error_after) > DOUBTFUL:
            yield (
                f"{point.case_id}: {in_words(point.metric)} {point.measured:.4g} ms, where the "
                f"profile predicts {point.after:.4g} ms from the other figures: warm-up, timeouts, "
                "speculative decoding or other settings than the scenario's?"
            )
        if first and min(point.before, point.after) > FIRST_TOKEN_RATIO * point.measured:
            yield (
                f"{point.case_id}: requests wait {point.after:.4g} ms for their first token in the "
                f"simulation and {point.measured:.4g} ms in the test: is the KV pool larger than "
                "computed (--num-gpu-blocks, from the engine's log), or max_num_seqs?"
            )


def wishes(calibration: Calibration) -> Iterator[str]:
    """What to measure next: where the tests leave the profile undecided."""
    cases = calibration.cases
    levels = [load_level(case) for case in cases if isinstance(case.load, ClosedLoop)]
    decided = {part.name: part.decided for part in calibration.parts}
    if not decided["overhead"] and min(levels, default=np.inf) > FEW_AT_ONCE:
        yield "one request at a time (concurrency 1): it shows the engine's overheads alone"
    if not decided["request"] and max(levels, default=0) < MANY_AT_ONCE:
        yield "as many requests at once as you would serve: it shows what each one costs"
    if len({shape(case) for case in cases}) == 1:
        yield "a second kind of request, longer prompts for example: all of these are alike"
    if not decided["context"]:
        yield "long prompts with long answers, many at once: they show what reading context costs"
    if not decided["prompt"]:
        yield "long prompts with short answers, several at once: they show what a prompt costs"
    if 0 < len(set(levels)) < LEVELS:
        yield f"{LEVELS} levels of concurrency or more, such as 1, 8 and the most you would run at"
    if all(case.replica.engine.num_gpu_blocks is None for case in cases):
        yield "num_gpu_blocks, from the engine's log (--num-gpu-blocks): the pool is only computed"


def load_level(case: Case) -> int:
    assert isinstance(case.load, ClosedLoop)
    return case.load.concurrency


def in_words(metric: str) -> str:
    """
    >>> in_words("tpot_mean")
    'TPOT mean'
    """
    latency, _, statistic = metric.partition("_")
    return f"{latency.upper()} {statistic}"


def other_model(named: str, model: str) -> bool:
    """Whether a tool's name of the model is plainly that of another one.

    >>> other_model("/models/Llama-3.1-8B-Instruct", "meta-llama/Llama-3.1-8B-Instruct")
    False
    >>> other_model("Qwen/Qwen3-32B", "meta-llama/Llama-3.1-8B-Instruct")
    True
    """
    ours, theirs = (plain(name) for name in (model, named))
    return not (ours in theirs or theirs in ours) and family(named) != family(model)


def plain(name: str) -> str:
    last = name.rstrip("/").rpartition("/")[2].lower()
    return "".join(letter for letter in last if letter.isalnum())
