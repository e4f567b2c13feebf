"""Routers: each reads the fleet at the arrival and names a replica; ties go to the lowest id."""

import numpy as np

from simulator.kernel import kernel
from simulator.kernel.blocks import find
from simulator.kernel.prefix import segment_end, shareable_blocks
from simulator.kernel.state import CLOSED

ROUTERS = (
    "round-robin", "random", "power-of-two", "least-outstanding", "least-kv", "prefix-aware",
)  # fmt: skip
EVERYONE = -2
NEAR_FACTOR, NEAR_REQUESTS = 2, 8
"""Up to how many outstanding requests a replica counts as near the emptiest: without a bound one
popular prefix would draw everything to one replica."""
ROUND_ROBIN, RANDOM, POWER_OF_TWO, LEAST_OUTSTANDING, LEAST_KV, PREFIX_AWARE = range(len(ROUTERS))


@kernel
def may_take(s, replica_id, row):
    """Whether a replica is routable and could ever hold the request."""
    return s.load[replica_id] < CLOSED and (s.fits[row] >> s.replicas[replica_id].pool) & 1 == 1


@kernel
def candidates(s, row):
    """The replicas a router looks at: two ids (equal: one; -1: none), or (0, EVERYONE).

    The caller brings those up to date before `choose`."""
    router = s.fleet[0].router
    if router >= LEAST_OUTSTANDING:
        return 0, EVERYONE
    replicas = s.replicas.size
    if router == ROUND_ROBIN:
        for turn in range(1, replicas + 1):
            candidate = (s.fleet[0].last_chosen + turn) % replicas
            if may_take(s, candidate, row):
                return candidate, candidate
        return -1, -1
    routable = 0
    for replica_id in range(replicas):
        routable += may_take(s, replica_id, row)
    if routable == 0:
        return -1, -1
    first = nth_candidate(s, row, luck(s, row, 0, routable))
    if router == RANDOM:
        return first, first
    return first, nth_candidate(s, row, luck(s, row, 1, routable))


@kernel
def nth_candidate(s, row, count):
    replica_id = 0
    while True:
        if may_take(s, replica_id, row):
            if count == 0:
                return replica_id
            count -= 1
        replica_id += 1


@kernel
def luck(s, row, draw, sides):
    """A number below `sides` that depends on seed, request, retry and draw, and on nothing else.

    SplitMix64 (Steele, Lea and Flood 2014, 'Fast splittable pseudorandom number generators').
    """
    at = np.uint64(4 * row + draw + 1) * np.uint64(0x9E3779B97F4A7C15)
    again = np.uint64(s.requests[row].retries) * np.uint64(0xD1B54A32D192ED03)
    bits = s.fleet[0].salt + at + again
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    bits ^= bits >> np.uint64(31)
    return np.int64(bits % np.uint64(sides))


@kernel
def choose(s, row, first, second):
    """The chosen one of the candidates, -1 when there is none."""
    if second == EVERYONE:
        router = s.fleet[0].router
        if router == LEAST_OUTSTANDING:
            return least_outstanding(s, row)
        if router == LEAST_KV:
            return least_kv(s, row)
        return prefix_aware(s, row)
    if first != second:
        lower, higher = min(first, second), max(first, second)
        return higher if s.load[higher] < s.load[lower] else lower
    if s.fleet[0].router == ROUND_ROBIN and first >= 0:
        s.fleet[0].last_chosen = first
    return first


@kernel
def least_outstanding(s, row):
    best, least = -1, CLOSED
    for replica_id in range(s.load.size):
        if s.load[replica_id] < least and may_take(s, replica_id, row):
            best, least = replica_id, s.load[replica_id]
    return best


@kernel
def least_kv(s, row):
    """The smallest share of blocks in use; shares are compared crosswise, exactly."""
    best, best_used, best_blocks = -1, np.int64(0), np.int64(1)
    for replica_id in range(s.load.size):
        if not may_take(s, replica_id, row):
            continue
        replica = s.replicas[replica_id]
        blocks = np.int64(s.pools[replica.pool].blocks)
        used = blocks - replica.free
        if best < 0 or used * best_blocks < best_used * blocks:
            best, best_used, best_blocks = replica_id, used, blocks
    return best


@kernel
def prefix_aware(s, row):
    """The longest resident prefix among the replicas that are not much busier than others, if it
    is half of the prompt at least; else the idlest."""
    least = CLOSED
    for replica_id in range(s.load.size):
        if may_take(s, replica_id, row):
            least = min(least, s.load[replica_id])
    best, most, fewest = -1, np.int64(-1), CLOSED
    for replica_id in range(s.load.size):
        load = s.load[replica_id]
        if load > NEAR_FACTOR * least + NEAR_REQUESTS or not may_take(s, replica_id, row):
            continue
        blocks = resident_blocks(s, replica_id, row)
        if blocks > most or (blocks == most and load < fewest):
            best, most, fewest = replica_id, blocks, load
    if best < 0:
        return best
    request, pool = s.requests[row], s.pools[s.replicas[best].pool]
    if 2 * most * pool.block_tokens < request.prompt + request.generated:
        return one_of_the_idlest(s, row, least)
    return best


@kernel
def one_of_the_idlest(s, row, least):
    """One of those with `least` outstanding, by luck: the lowest id would get every new context
    while the fleet is idle, and its cache would overflow."""
    idlest = 0
    for replica_id in range(s.load.size):
        idlest += s.load[replica_id] == least and may_take(s, replica_id, row)
    count = luck(s, row, 0, idlest)
    for replica_id in range(s.load.size):
        if s.load[replica_id] == least and may_take(s, replica_id, row):
            if count == 0:
                return replica_id
            count -= 1
    return -1


@kernel
def resident_blocks(s, replica_id, row):
    """Leading blocks of the request's prompt that the replica's cache holds."""
    pool = s.pools[s.replicas[replica_id].pool]
    if not pool.prefix_caching:
        return np.int64(0)
    request = s.requests[row]
    tokens = request.prompt + request.generated
    limit = np.int64(shareable_blocks(s, row, tokens, pool.block_tokens))
    blocks = np.int64(0)
    for segment in range(s.chain_first[row], s.chain_first[row + 1]):
        stop = min(segment_end(s, segment, pool.block_tokens), limit)
        if stop == blocks:
            continue
        index = find(s, s.chain_keys[segment], replica_id)
        if index < 0:
            break
        blocks += min(s.nodes[index].resident, stop - blocks)
        if blocks < stop:
            break
    return blocks


@kernel
def resident_tokens(s, row, tokens):
    """Write to tokens int64[replicas] what each replica's cache holds of the request's prompt."""
    for replica_id in range(s.load.size):
        block_tokens = s.pools[s.replicas[replica_id].pool].block_tokens
        tokens[replica_id] = resident_blocks(s, replica_id, row) * block_tokens
