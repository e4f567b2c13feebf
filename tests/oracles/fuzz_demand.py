"""Random workloads for fuzz_cases.py: tokens, arrivals, and chains of shared prompts."""

import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from simulator.traffic import Chains, Workload

CHAINS = ("none", "tree", "sessions", "identical")
"""Which prompts have something in common: a tree of segments, turns of a conversation, or all."""

Segment = tuple[int, int]  # key, end in tokens
Row = tuple[int, int, list[Segment]]  # prompt, output, chain


def random_workload(
    rng: np.random.Generator, rows: int, span_ns: tuple[int, int], grid_ns: int, chains: str,
    block_tokens: int, tokens_max: int,
) -> Workload:  # fmt: skip
    """Rows that arrive in [start, end), on a grid.

    block_tokens: of the pool whose block boundaries are to be met exactly now and then;
    tokens_max: the largest request any pool holds; few are larger.
    """
    start_ns, end_ns = span_ns
    slots = max((end_ns - start_ns) // grid_ns, 1)
    crowd = int(rng.choice([slots, max(slots // 3, 1), max(slots // 20, 1)]))
    arrival_ns = np.sort(rng.integers(0, crowd, rows)) * grid_ns + start_ns
    drawn = random_rows(rng, chains, block_tokens, tokens_max)
    wanted = list(itertools.islice(drawn, rows))
    return Workload(
        arrival_ns=arrival_ns.astype(np.int64),
        input_tokens=np.array([prompt for prompt, _, _ in wanted], dtype=np.int64),
        output_tokens=np.array([output for _, output, _ in wanted], dtype=np.int64),
        group=rng.integers(0, 3, rows),
        chains=None if chains == "none" else columns([chain for _, _, chain in wanted]),
    )


def columns(chains: list[list[Segment]]) -> Chains:
    flat = np.array(list(itertools.chain(*chains)), dtype=np.int64).reshape(-1, 2)
    first: NDArray[np.int64] = np.cumsum([0, *map(len, chains)], dtype=np.int64)
    return Chains(first, flat[:, 0].copy(), flat[:, 1].copy())


def random_rows(
    rng: np.random.Generator, chains: str, block_tokens: int, tokens_max: int
) -> Iterator[Row]:
    """Prompts and outputs for ever."""
    lengths = Lengths(rng, block_tokens, tokens_max)
    match chains:
        case "tree":
            return tree(rng, lengths)
        case "sessions":
            return sessions(rng, lengths)
        case "identical":
            return identical(rng, lengths)
    return ((lengths.prompt(), lengths.output(), []) for _ in itertools.count())


class Lengths:
    """Token counts: many small ones, some on block boundaries, a few too large."""

    def __init__(self, rng: np.random.Generator, block_tokens: int, tokens_max: int) -> None:
        self.rng, self.block, self.tokens_max = rng, block_tokens, tokens_max
        self.output_max = int(rng.choice([3, 20, 60]))
        self.single = float(rng.spawn(1)[0].choice([0.0, 0.0, 0.4]))
        """How many outputs are a single token."""
        self.keys = itertools.count() if rng.random() < 0.5 else self.large_keys()

    def large_keys(self) -> Iterator[int]:
        while True:
            yield int(self.rng.integers(2**62))

    def key(self) -> int:
        return next(self.keys)

    def prompt(self) -> int:
        largest = self.tokens_max * (1.2 if self.rng.random() < 0.05 else 0.5)
        return self.near_a_boundary(int(np.exp(self.rng.uniform(0, np.log(largest)))) + 1)

    def output(self) -> int:
        if self.single and self.rng.random() < self.single:
            return 1
        return int(self.rng.integers(1, self.output_max + 1))

    def piece(self) -> int:
        """Tokens of one segment, at times less than a block."""
        return self.near_a_boundary(int(self.rng.integers(1, 4 * self.block)))

    def near_a_boundary(self, tokens: int) -> int:
        if self.rng.random() < 0.5:
            return tokens
        return max(tokens // self.block, 1) * self.block


def tree(rng: np.random.Generator, lengths: Lengths) -> Iterator[Row]:
    """Paths of a small tree of segments; a prompt may end before, at or after the end of its path,
    in the first case its output goes on as the path does."""
    paths: list[list[Segment]] = [[]]
    for _ in range(int(rng.integers(1, 10))):
        parent = paths[rng.integers(len(paths))]
        end = (parent[-1][1] if parent else 0) + lengths.piece()
        paths.append([*parent, (lengths.key(), end)])
    while True:
        path = paths[rng.integers(len(paths))]
        end = path[-1][1] if path else 0
        output = lengths.output()
        prompt = end + int(rng.choice([-min(output, end - 1), 0, lengths.piece()]))
        yield max(prompt, 1), output, list(path)


def sessions(rng: np.random.Generator, lengths: Lengths) -> Iterator[Row]:
    """Turns of several conversations at once. A prompt repeats all before it, outputs too; whoever
    is to be followed says so by a chain that reaches to the end of its output. In half of the
    cases all turns of a conversation have one key, whose end grows."""
    if rng.spawn(1)[0].random() < 0.5:
        yield from growing_sessions(rng, lengths)
    system = [(lengths.key(), lengths.piece())] if rng.random() < 0.7 else []
    talks: list[list[Segment]] = [list(system) for _ in range(int(rng.integers(1, 6)))]
    while True:
        talk = int(rng.integers(len(talks)))
        chain = talks[talk]
        prompt = (chain[-1][1] if chain else 0) + lengths.piece()
        output = lengths.output()
        chain = list(chain)
        if rng.random() < 0.3:
            chain.append((lengths.key(), prompt))
        if rng.random() < 0.8:
            chain.append((lengths.key(), prompt + output))
        talks[talk] = chain
        yield prompt, output, list(chain)
        if prompt > lengths.tokens_max / 2 or rng.random() < 0.1:
            talks[talk] = list(system)


def growing_sessions(rng: np.random.Generator, lengths: Lengths) -> Iterator[Row]:
    """The same with one segment for each conversation, behind what all have in common. At times
    somebody begins from any point of a conversation and goes on alone."""
    system = [(lengths.key(), lengths.piece())] if rng.random() < 0.7 else []
    begin = system[-1][1] if system else 0
    talks = [(lengths.key(), begin) for _ in range(int(rng.integers(1, 6)))]
    while True:
        talk = int(rng.integers(len(talks)))
        key, end = talks[talk]
        if end > begin and rng.random() < 0.25:
            cut = int(rng.integers(begin + 1, end + 1))
            prompt, output = cut + lengths.piece(), lengths.output()
            aside = [(key, cut), (lengths.key(), prompt + output)]
            yield prompt, output, [*system, *aside[: int(rng.integers(1, 3))]]
            continue
        prompt, output = end + lengths.piece(), lengths.output()
        end = prompt + int(rng.choice([0, output], p=[0.2, 0.8]))
        talks[talk] = (key, end)
        yield prompt, output, [*system, (key, end)]
        if prompt > lengths.tokens_max / 2 or rng.random() < 0.1:
            talks[talk] = (lengths.key(), begin)


def identical(rng: np.random.Generator, lengths: Lengths) -> Iterator[Row]:
    """One prompt over and over, its chain up to its end or to that of the output."""
    prompt, output = lengths.prompt(), lengths.output()
    chain = [(lengths.key(), prompt + int(rng.choice([0, output])))]
    if prompt > 3:
        chain = [(lengths.key(), int(rng.integers(1, prompt))), *chain]
    while True:
        yield prompt, output, list(chain)
