"""The prefix cache: which leading blocks of a prompt are resident, who uses them, who may next.

A segment of a chain is a node; its blocks are those that end inside it. Nodes in use are pinned as
a whole. docs/background/serving-engine.md has the rules in the words of this file.
"""

from simulator.kernel import kernel
from simulator.kernel.blocks import append, find, forget, insert, new_node, unlink


@kernel
def segment_end(s, segment, block_tokens):
    """Blocks of the chain up to the end of a segment."""
    return s.chain_ends[segment] // block_tokens


@kernel
def shareable_blocks(s, row, tokens, block_tokens):
    """Blocks of a request of `tokens` tokens so far that may be shared; the last token is never."""
    last = s.chain_first[row + 1] - 1
    if last < s.chain_first[row]:
        return 0
    return min(segment_end(s, last, block_tokens), (tokens - 1) // block_tokens)


@kernel
def look_up(s, replica_id, row, tokens):
    """How many leading blocks are resident, and how many of those nobody uses.

    Notes the node of each segment on the way in `chain_nodes`; changes nothing else.
    Returns (blocks, unused blocks, segments walked); blocks do not include the request's own.
    """
    block_tokens = s.pools[s.replicas[replica_id].pool].block_tokens
    limit = shareable_blocks(s, row, tokens, block_tokens)
    first, last = s.chain_first[row], s.chain_first[row + 1]
    blocks = unused = segments = 0
    for segment in range(first, last):
        stop = min(segment_end(s, segment, block_tokens), limit)
        if blocks >= limit:
            break
        if stop == blocks:
            s.chain_nodes[segment] = -1
            continue
        index = find(s, s.chain_keys[segment], replica_id)
        if index < 0:
            break
        node = s.nodes[index]
        hit = min(node.resident, stop - blocks)
        s.chain_nodes[segment] = index
        segments = segment - first + 1
        blocks += hit
        if node.users == 0:
            unused += hit
        if blocks < stop:
            break
    return blocks, unused, segments


@kernel
def own_blocks(s, row, blocks, tokens, block_tokens):
    """Full blocks of the request's own that are still resident after a preemption and go on where
    the `blocks` found in the cache end; all shareable ones must be found."""
    index = s.requests[row].own_node
    if index < 0 or blocks < shareable_blocks(s, row, tokens, block_tokens):
        return 0
    return max(s.nodes[index].begin + s.nodes[index].full - blocks, 0)


@kernel
def adopt(s, replica_id, row, blocks, segments, own):
    """Take into use what `look_up` found, and `own` blocks of the request's own."""
    replica, request = s.replicas[replica_id], s.requests[row]
    block_tokens = s.pools[replica.pool].block_tokens
    first = s.chain_first[row]
    begin = 0
    for segment in range(first, first + segments):
        index = s.chain_nodes[segment]
        if index < 0:
            continue
        stop = min(segment_end(s, segment, block_tokens), blocks)
        node = s.nodes[index]
        if node.users == 0:
            unlink(s, replica_id, index)
            replica.free -= stop - begin
            replica.blank += node.resident - (stop - begin)
            node.resident = stop - begin
        node.users += 1
        begin = stop
    request.shared, request.segments = blocks, segments
    if request.own_node >= 0:
        index = request.own_node
        node = s.nodes[index]
        node.resident -= own
        replica.free -= own
        disown(s, row)
        if node.resident == 0:
            unlink(s, replica_id, index)
            forget(s, index)


@kernel
def disown(s, row):
    """The request will not come back for its own run: dead, it waits to be evicted."""
    index = s.requests[row].own_node
    if index >= 0:
        s.requests[row].own_node = -1
        s.nodes[index].owner = -1
        s.nodes[index].full = 0


@kernel
def register(s, replica_id, row, limit):
    """Let the request's blocks before `limit` enter their nodes, each as its next resident one.

    Stops where somebody else's blocks are already there.
    """
    request = s.requests[row]
    if request.shared >= limit:
        return
    block_tokens = s.pools[s.replicas[replica_id].pool].block_tokens
    first = s.chain_first[row]
    segment = first + request.segments - 1
    begin = stop = 0
    if segment >= first:
        stop = segment_end(s, segment, block_tokens)
        begin = segment_end(s, segment - 1, block_tokens) if segment > first else 0
    while request.shared < limit:
        if request.shared == stop:
            segment += 1
            begin, stop = stop, segment_end(s, segment, block_tokens)
            if begin == stop:
                s.chain_nodes[segment] = -1
                continue
            if find(s, s.chain_keys[segment], replica_id) >= 0:
                return
            index = new_node(s, replica_id, s.chain_keys[segment], 0)
            s.nodes[index].users = 1
            insert(s, index)
            s.chain_nodes[segment] = index
            request.segments = segment - first + 1
        node = s.nodes[s.chain_nodes[segment]]
        if node.resident != request.shared - begin:
            return
        entering = min(limit, stop) - request.shared
        node.resident += entering
        request.shared += entering


@kernel
def release(s, replica_id, row, blocks, computed, comes_back):
    """The request leaves its `blocks`, of which those of `computed` tokens are full.

    What it used stays in the cache until evicted; its own blocks are found again only by itself,
    and only if it comes back.
    """
    replica, request = s.replicas[replica_id], s.requests[row]
    pool = s.pools[replica.pool]
    if not pool.prefix_caching:
        replica.free += blocks
        replica.blank += blocks
        return
    full = computed // pool.block_tokens
    first, last = s.chain_first[row], s.chain_first[row + 1]
    if last > first:
        register(s, replica_id, row, min(segment_end(s, last - 1, pool.block_tokens), full))
    own = blocks - request.shared
    if own > 0:
        index = new_node(s, replica_id, -1, own)
        if comes_back and full > request.shared:
            node = s.nodes[index]
            node.owner, node.full, node.begin = row, full - request.shared, request.shared
            request.own_node = index
        append(s, replica_id, index)
    for segment in range(first + request.segments - 1, first - 1, -1):
        index = s.chain_nodes[segment]
        if index >= 0:
            s.nodes[index].users -= 1
            if s.nodes[index].users == 0:
                append(s, replica_id, index)
    request.shared = request.segments = 0
