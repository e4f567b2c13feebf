"""KV blocks of one replica: what is free, what is evicted for new ones, and the nodes that hold it.

Free blocks are blank, or hold something that is still of use to the prefix cache: those lie in the
eviction queue, run by run, least recently used first. Without prefix caching only `free` counts.
"""

import numpy as np

from simulator.kernel import kernel


@kernel
def blocks_for(tokens, block_tokens):
    return (tokens + block_tokens - 1) // block_tokens


@kernel
def take_blocks(s, replica_id, count):
    """Take `count` of the free blocks: blank ones first, then from the front of the queue, last
    block of a run first."""
    replica = s.replicas[replica_id]
    replica.free -= count
    blank = min(replica.blank, count)
    replica.blank -= blank
    count -= blank
    while count > 0:
        index = replica.evict_head
        node = s.nodes[index]
        evicted = min(node.resident, count)
        node.resident -= evicted
        node.full = min(node.full, node.resident)
        count -= evicted
        if node.resident == 0:
            unlink(s, replica_id, index)
            forget(s, index)


@kernel
def new_node(s, replica_id, key, resident):
    """A node without users, neither in the queue nor in the table."""
    fleet = s.fleet[0]
    index = fleet.spare_node
    if index >= 0:
        fleet.spare_node = s.nodes[index].next
    else:
        index = fleet.fresh_node
        fleet.fresh_node += 1
    node = s.nodes[index]
    node.key, node.replica, node.resident = key, replica_id, resident
    node.users = node.full = node.begin = 0
    node.owner = node.previous = node.next = -1
    return index


@kernel
def forget(s, index):
    """Nothing of the node is resident any more: nobody can find it, and its record is free."""
    node = s.nodes[index]
    if node.key >= 0:
        remove(s, index)
    if node.owner >= 0:
        s.requests[node.owner].own_node = -1
    fleet = s.fleet[0]
    node.next = fleet.spare_node
    fleet.spare_node = index


# --- the eviction queue ------------------------------------------------------------------------


@kernel
def append(s, replica_id, index):
    """The node's blocks are free, to be evicted after all others."""
    replica, node = s.replicas[replica_id], s.nodes[index]
    replica.free += node.resident
    node.previous, node.next = replica.evict_tail, -1
    if replica.evict_tail >= 0:
        s.nodes[replica.evict_tail].next = index
    else:
        replica.evict_head = index
    replica.evict_tail = index


@kernel
def unlink(s, replica_id, index):
    """Out of the queue; the caller accounts for the blocks."""
    replica, node = s.replicas[replica_id], s.nodes[index]
    if node.previous >= 0:
        s.nodes[node.previous].next = node.next
    else:
        replica.evict_head = node.next
    if node.next >= 0:
        s.nodes[node.next].previous = node.previous
    else:
        replica.evict_tail = node.previous


# --- the table of nodes by (key, replica): open addressing, linear probing -----------------------


@kernel
def slot_of(s, key, replica_id):
    """Where the search begins: Fibonacci hashing (Knuth, TAOCP 6.4)."""
    apart = np.uint64(key) + np.uint64(replica_id) * np.uint64(0xD1B54A32D192ED03)
    mixed = apart * np.uint64(0x9E3779B97F4A7C15)
    return np.int64(mixed >> np.uint64(20)) & (s.table.size - 1)


@kernel
def find(s, key, replica_id):
    """The node of a key on a replica, -1 when nothing of it is resident."""
    slot = slot_of(s, key, replica_id)
    while s.table[slot] >= 0:
        node = s.nodes[s.table[slot]]
        if node.key == key and node.replica == replica_id:
            return np.int64(s.table[slot])
        slot = (slot + 1) & (s.table.size - 1)
    return np.int64(-1)


@kernel
def insert(s, index):
    node = s.nodes[index]
    slot = slot_of(s, node.key, node.replica)
    while s.table[slot] >= 0:
        slot = (slot + 1) & (s.table.size - 1)
    s.table[slot] = index


@kernel
def remove(s, index):
    """Empty the node's slot and move up what would no longer be found (Knuth, algorithm R)."""
    mask = s.table.size - 1
    node = s.nodes[index]
    hole = slot_of(s, node.key, node.replica)
    while s.table[hole] != index:
        hole = (hole + 1) & mask
    slot = hole
    while True:
        slot = (slot + 1) & mask
        if s.table[slot] < 0:
            break
        other = s.nodes[s.table[slot]]
        wanted = slot_of(s, other.key, other.replica)
        # It may fill the hole unless its own search begins after the hole.
        if ((slot - wanted) & mask) >= ((slot - hole) & mask):
            s.table[hole] = s.table[slot]
            hole = slot
    s.table[hole] = -1
