"""The twin's routers, and what rules written by users see.

docs/background/serving-engine.md, "Routing and admission".
"""

from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any

from simulator.rules import ReplicaView, RequestView
from simulator.traffic import NS_PER_S
from tests.oracles.twin_engine import Request

Choose = Callable[[Request, Sequence[Any]], Any]
"""The request and the replicas that may take it, at least one, by id -> the chosen one."""


def router(name: str, replicas: int, salt: int) -> Choose:
    """The router of that name, over so many replicas."""
    match name:
        case "round-robin":
            return round_robin(replicas)
        case "random":
            return lambda request, able: able[dice(salt, request, 0) % len(able)]
        case "power-of-two":
            return lambda request, able: min(
                (able[dice(salt, request, k) % len(able)] for k in (0, 1)),
                key=lambda replica: (replica.outstanding, replica.id),
            )
        case "least-outstanding":
            return lambda request, able: min(able, key=lambda replica: replica.outstanding)
        case "least-kv":
            return lambda request, able: min(able, key=lambda replica: Fraction(*kv_used(replica)))
        case "prefix-aware":
            return lambda request, able: prefix_aware(salt, request, able)
    raise ValueError(f"no such router: {name}")


def round_robin(replicas: int) -> Choose:
    last = -1

    def choose(request: Request, able: Sequence[Any]) -> Any:
        nonlocal last
        chosen = min(able, key=lambda replica: (replica.id - last - 1) % replicas)
        last = chosen.id
        return chosen

    return choose


def prefix_aware(salt: int, request: Request, able: Sequence[Any]) -> Any:
    fewest = min(replica.outstanding for replica in able)
    best = min(
        (replica for replica in able if replica.outstanding <= 2 * fewest + 8),
        key=lambda replica: (-resident_blocks(replica, request), replica.outstanding, replica.id),
    )
    tokens = resident_blocks(best, request) * best.scheduler.limits.block_tokens
    if tokens >= (request.prompt + request.generated) / 2:
        return best
    idlest = [replica for replica in able if replica.outstanding == fewest]
    return idlest[dice(salt, request, 0) % len(idlest)]


def dice(salt: int, request: Request, k: int) -> int:
    """u(k) before the modulo."""
    seed = salt + 0x9E3779B97F4A7C15 * (4 * request.lot + k + 1)
    return mix((seed + 0xD1B54A32D192ED03 * request.retries) % 2**64)


def mix(z: int) -> int:
    """The finaliser of SplitMix64 (Steele, Lea and Flood 2014, doi:10.1145/2660193.2660195)."""
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB % 2**64
    return z ^ (z >> 31)


def kv_used(replica: Any) -> tuple[int, int]:
    """Blocks in use, and all blocks."""
    blocks = replica.scheduler.limits.blocks
    return blocks - replica.scheduler.memory.free, blocks


def resident_blocks(replica: Any, request: Request) -> int:
    """Of a request that is on no replica: the blocks it would find there."""
    return replica.scheduler.memory.find(request).shared


def view_of_request(request: Request, now_ns: int) -> RequestView:
    return RequestView(
        request.row,
        now_ns / NS_PER_S,
        request.group,
        request.prompt,
        request.output,
        request.priority,
        request.retries,
    )


def view_of_replica(replica: Any, request: Request) -> ReplicaView:
    used, blocks = kv_used(replica)
    return ReplicaView(
        replica.id,
        replica.pool,
        replica.outstanding,
        replica.queued,
        used / blocks,
        resident_blocks(replica, request) * replica.scheduler.limits.block_tokens,
    )
