"""How prompts grow: each repeats the one before it and its answer, until it is compacted."""

from dataclasses import dataclass

import numpy as np

from simulator.kernel import door
from simulator.traffic.follow_ups import Ints
from simulator.traffic.prefixes import Chains

PROMPT_MAX = 1 << 29
"""Prompts grow no further: no model holds as much, so that such a request is rejected anyhow, and
prompt and answer together stay within 32 bits."""
NEVER = 1 << 62


@dataclass(frozen=True)
class Contexts:
    """prompt int64[rows]: whole prompts;  shared: what they share, counted from behind the
    prefixes: one segment each, whose key all requests of a context have while its end grows."""

    prompt: Ints
    shared: Chains


def prompts_of(
    before: Ints,
    fresh: Ints,
    answer: Ints,
    repeats_answer: bool,
    prefix_tokens: int,
    compaction: tuple[int, int] | None,
) -> Contexts:
    """Prompts of rows that repeat others.

    before int64[rows]: an earlier row whose prompt and answer this one repeats, or -1
    fresh, answer int64[rows]: new tokens of each prompt; tokens of its answer, reasoning left out
    repeats_answer: whether the KV of an answer is of use to the next prompt. Behind reasoning it is
        not: the same tokens at another place, behind other tokens, have another KV.
    compaction: a prompt above the first number begins anew with the second one and its new tokens
    """
    rows = before.size
    prompt, context = np.empty(rows, dtype=np.int64), np.empty(rows, dtype=np.int64)
    above, to = compaction or (NEVER, 0)
    grow(before, fresh, answer, prefix_tokens, above, to, prompt, context)
    ends = prompt - prefix_tokens + answer * repeats_answer
    return Contexts(prompt, Chains(np.arange(rows + 1), context, ends))


@door  # type: ignore[untyped-decorator]
def grow(
    before: Ints,
    fresh: Ints,
    answer: Ints,
    prefix_tokens: int,
    above: int,
    to: int,
    prompt: Ints,
    context: Ints,
) -> None:
    """Prompts and contexts of all rows, in one pass.

    before, fresh, answer int64[rows], prefix_tokens, above, to: as in `prompts_of`
    prompt  int64[rows] written: whole prompts, at most PROMPT_MAX
    context int64[rows] written: the number of the context, 0, 1, 2, ...
    """
    contexts = 0
    for row in range(before.size):
        last = before[row]
        tokens = prefix_tokens + fresh[row]
        if last >= 0:
            tokens = prompt[last] + answer[last] + fresh[row]
        if last >= 0 and tokens <= above:
            context[row] = context[last]
        else:
            if last >= 0:
                tokens = prefix_tokens + to + fresh[row]
            context[row] = contexts
            contexts += 1
        prompt[row] = min(tokens, PROMPT_MAX)
