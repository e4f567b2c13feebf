"""A data plane without requests, that checks what control does to it: for fast tests of control.

Each replica can be told to hold some requests from instant 0 on: they stay until it is drained.
"""

import numpy as np
import simpy

from simulator.control.begin import start_control
from simulator.control.books import CLOSING, SERVING
from simulator.control.history import history_s
from simulator.control.lives import nanoseconds
from simulator.control.stocks import stocks
from simulator.data_plane import Observation
from simulator.traffic import NS_PER_S


class IdlePlane:
    """See `DataPlane`."""

    def __init__(self, replicas, start_ns):
        self.env = simpy.Environment(start_ns)
        self.held = np.zeros(replicas, dtype=np.int64)
        self.live = [True] * replicas
        self.routable = [True] * replicas
        self.slowness = [1.0] * replicas
        self.log = []
        """(instant in seconds, what, replica) of everything control did."""

    def hold(self, held):
        self.held[:] = np.where(np.array(self.live) & self.routable, held, 0)

    def note(self, what, replica):
        self.log.append((self.env.now / NS_PER_S, what, replica))

    def stop(self, replica, fault=-1):
        self.live[replica] = False
        self.note("stop", replica)

    def start(self, replica):
        assert not self.held[replica], "a replica starts empty"
        assert not self.live[replica]
        self.live[replica] = True
        self.note("start", replica)

    def close(self, replica):
        self.routable[replica] = False
        self.note("close", replica)

    def open(self, replica):
        assert self.live[replica], "routed to what is not there"
        self.routable[replica] = True
        self.note("open", replica)

    def drain(self, replica):
        assert not self.live[replica] and not self.routable[replica]
        self.held[replica] = 0
        self.note("drain", replica)

    def slow(self, replica, slowness):
        self.slowness[replica] = slowness
        self.note(f"slow {slowness:g}", replica)

    def outstanding(self):
        return self.held

    def stranded(self):
        return 0

    def observe(self):
        none = np.zeros_like(self.held)
        return Observation(none, self.held, none * 0.0, 0, 0, 0, 0)

    def told(self, *names):
        """(second, what, replica), of these."""
        return [(round(at, 6), what, id) for at, what, id in self.log if what.split()[0] in names]


def control(scenario, fleet=None, seed=0, replication=0, drill=(), held=0, meanwhile=()):
    """Control alone, over the whole run: (plane, books). `meanwhile`: (second, function of the
    plane), called then."""
    fleet = scenario.fleet if fleet is None else fleet
    replicas = sum(stock.replicas for stock in stocks(scenario, fleet))
    begin_s = -(scenario.preroll_s + history_s(scenario.failures))
    plane = IdlePlane(replicas, nanoseconds(begin_s))
    books = start_control(plane, scenario, fleet, seed, replication, drill)
    for at_s, what in [(1e-9, lambda plane: plane.hold(held)), *meanwhile]:
        plane.env.process(later(plane, at_s, what))
    plane.env.run(until=nanoseconds(scenario.horizon_s + scenario.drain_s))
    return plane, books


def later(plane, at_s, what):
    yield plane.env.timeout(nanoseconds(at_s) - plane.env.now)
    what(plane)


def histories(books, replicas):
    """Of each replica [(second, state)]."""
    told = [[] for _ in range(replicas)]
    for change in books.changes:
        told[change.replica].append((change.at_ns / NS_PER_S, change.state))
    return told


def changes_of(books, replica, since_s=-1e18):
    """[(second, state)] of one replica."""
    return [
        (change.at_ns / NS_PER_S, change.state)
        for change in books.changes
        if change.replica == replica and change.at_ns >= since_s * NS_PER_S
    ]


def up_at(books, replicas, instants_s):
    """bool[instant, replica]: who serves."""
    up = np.zeros((len(instants_s), replicas), dtype=bool)
    for replica, history in enumerate(histories(books, replicas)):
        times_s, states = zip(*history, strict=True)
        which = np.searchsorted(times_s, instants_s, side="right") - 1
        up[:, replica] = np.isin(np.array(states)[which], (SERVING, CLOSING))
    return up


def time_with(books, replicas, begin_s, end_s):
    """float[n + 1]: share of time with 0, 1 ... n replicas up."""
    turns = []
    for history in histories(books, replicas):
        times_s, states = zip(*history, strict=True)
        up = np.isin(states, (SERVING, CLOSING)).astype(int)
        turns += list(zip(times_s, np.diff(up, prepend=0).tolist(), strict=True))
    turns.sort(key=lambda turn: turn[0])
    times_s = np.clip([at for at, _ in turns] + [end_s], begin_s, end_s)
    counts = np.cumsum([turn for _, turn in turns])
    return np.bincount(counts, np.diff(times_s), replicas + 1) / (end_s - begin_s)
