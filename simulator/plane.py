"""The compiled data plane as the rest of the simulator sees it: arrays in, Outcome out."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from simulator.allocation import new_state
from simulator.clock import ServingEnvironment
from simulator.data_plane import Ints, Observation, Outcome, Setup
from simulator.journal import in_order
from simulator.kernel import entries
from simulator.kernel.advance import NOBODY, STRANDED
from simulator.kernel.state import CLOSED, NEVER_NS, State
from simulator.rules import AdmissionRule, ReplicaView, RequestView, RoutingRule, RuleError
from simulator.run import TIMED_OUT, UNFINISHED
from simulator.traffic import NS_PER_S

REQUEST_COLUMNS = (
    "first_token_ns", "finish_ns", "replica", "preemptions", "retries", "outcome", "cached_tokens",
)  # fmt: skip


class Plane:
    """See `DataPlane`. Keeps a journal of up to so many entries, if asked for."""

    def __init__(self, setup: Setup, journal: int = 0) -> None:
        self.setup = setup
        self.state = new_state(setup, journal)
        self.journaled = 0
        """Entries that the run has come to; those beyond `journal` are missing."""
        self.fleet = self.state.fleet[0]
        self.columns = self.state.replicas.view(np.ndarray)
        self.cached_tokens = np.zeros(len(self.columns), dtype=np.int64)
        self.env = ServingEnvironment(self, setup.start_ns)

    # --- what control processes may do -----------------------------------------------------------

    def stop(self, replica: int, fault: int = -1) -> None:
        record = self.state.replicas[replica]
        if not record.live:
            return
        record.live, record.fault = 0, fault
        # Who should have hung up during the step that is lost does so now.
        leaving_ns = max(int(record.deadline_ns), self.env.now)
        self.state.boundary_ns[replica] = self.state.end_ns[replica] = leaving_ns

    def start(self, replica: int) -> None:
        left = entries.drain(self.state, replica, np.empty(0, dtype=np.int32), self.env.now)
        assert left == 0, "a replica starts empty"
        self.state.replicas[replica].live, self.state.replicas[replica].fault = 1, -1

    def close(self, replica: int) -> None:
        self.state.load[replica] |= CLOSED

    def open(self, replica: int) -> None:
        self.state.load[replica] &= ~CLOSED
        if self.state.load[replica] < CLOSED:
            self.route_stranded(self.env.now)

    def drain(self, replica: int) -> None:
        rows = np.empty(self.outstanding()[replica], dtype=np.int32)
        entries.drain(self.state, replica, rows, self.env.now)
        for row in rows.tolist():
            if entries.loses_replica(self.state, row, self.env.now):
                self.send_out(row % len(self.setup.workload), self.env.now)

    def slow(self, replica: int, slowness: float) -> None:
        self.state.replicas[replica].slowness = slowness

    def observe(self) -> Observation:
        replicas, fleet = self.columns, self.fleet
        blocks = np.array([pool.limits.blocks for pool in self.setup.pools])[replicas["pool"]]
        return Observation(
            waiting=replicas["waiting"].astype(np.int64) + replicas["inbox"],
            running=replicas["running"].astype(np.int64),
            kv_used=(blocks - replicas["free"]) / blocks,
            stranded=self.stranded(),
            arrivals=int(fleet.arrivals),
            first_tokens=int(fleet.first_tokens),
            ttft_ns=int(fleet.ttft_ns),
        )

    def outstanding(self) -> Ints:
        held: Ints = self.state.load % CLOSED
        return held

    def stranded(self) -> int:
        return int(self.fleet.stranded)

    # --- between two events ----------------------------------------------------------------------

    def advance(self, until_ns: float) -> bool:
        """Everything before `until_ns`; whether the run is over."""
        until = int(min(until_ns, NEVER_NS))
        while (row := entries.advance(self.state, until)) != NOBODY:
            if row == STRANDED:
                self.route_stranded(int(self.fleet.now_ns))
            else:
                self.send_out(row, int(self.fleet.now_ns))
        return bool(self.fleet.lost or (self.fleet.period_over and self.fleet.left == 0))

    def send_out(self, row: int, now_ns: int) -> None:
        """A request is sent, first or again."""
        if not self.fleet.by_rule:
            entries.send_out(self.state, row, now_ns)
        elif not entries.gives_up(self.state, row, now_ns):
            if entries.passes(self.state, row, now_ns):
                self.route_by_rule(row, now_ns)
            else:
                entries.is_rejected(self.state, row, now_ns)

    def route_stranded(self, now_ns: int) -> None:
        """Those who wait for a replica try once more, in order."""
        for _ in range(self.stranded()):
            row = entries.take_stranded(self.state)
            if entries.gives_up(self.state, row, now_ns):
                continue
            if self.fleet.by_rule:
                self.route_by_rule(row, now_ns)
            else:
                entries.route(self.state, row, now_ns)

    def route_by_rule(self, row: int, now_ns: int) -> None:
        """Where the rules of a user have a word."""
        request, replicas = self.request_view(row, now_ns), self.replica_views(row)
        admit, route = self.setup.admission_rule, self.setup.routing_rule
        if admit is not None and not admitted(admit, request, replicas):
            entries.is_rejected(self.state, row, now_ns)
        elif not replicas:
            entries.strand(self.state, row, now_ns)
        elif route is None:
            entries.route(self.state, row, now_ns)
        elif (chosen := chosen_id(route, request, replicas)) is None:
            entries.is_rejected(self.state, row, now_ns)
        else:
            entries.send(self.state, chosen, row, now_ns)

    def request_view(self, row: int, now_ns: int) -> RequestView:
        demand = self.setup.workload
        return RequestView(
            row,
            now_ns / NS_PER_S,
            int(demand.group[row]),
            int(demand.input_tokens[row]),
            int(demand.output_tokens[row]),
            int(self.setup.priority[row]),
            int(self.state.requests[row].retries),
        )

    def replica_views(self, row: int) -> list[ReplicaView]:
        """The replicas that are routable and can hold the request."""
        fits = int(self.state.fits[row])
        entries.resident_tokens(self.state, row, self.cached_tokens)
        columns = [self.columns[name].tolist() for name in ("pool", "waiting", "inbox", "free")]
        rows = zip(self.state.load.tolist(), *columns, self.cached_tokens.tolist(), strict=True)
        views = []
        for index, (load, pool, waiting, inbox, free, cached_tokens) in enumerate(rows):
            if load < CLOSED and fits >> pool & 1:
                blocks = self.setup.pools[pool].limits.blocks
                used = (blocks - free) / blocks
                views.append(ReplicaView(index, pool, load, waiting + inbox, used, cached_tokens))
        return views

    # --- the run ---------------------------------------------------------------------------------

    def run(self, end_ns: int) -> Outcome:
        self.env.process(self.end_period())
        self.env.run(until=self.env.at_last(end_ns))
        fleet, rows = self.fleet, len(self.setup.workload)
        requests, arrival_ns = self.state.requests[:rows], self.state.arrival_ns[:rows]
        # Those whose arrival is known and yet to come never arrive.
        coming = self.state.heap[: fleet.coming]
        coming = coming[coming < rows]
        arrival_ns[coming[requests.retries[coming] == 0]] = NEVER_NS
        if fleet.sample_ns <= self.env.now and not fleet.lost:
            entries.take_sample(self.state)  # due at the very end
        if not fleet.lost:
            gives_up_ns = arrival_ns + self.setup.timeout_ns
            gone = ~has_ended(self.state) & (gives_up_ns <= self.env.now)
            requests.outcome[gone] = TIMED_OUT
            requests.finish_ns[gone] = gives_up_ns[gone]
        outcome = outcome_of(self.state)
        self.journaled = int(fleet.journaled)
        self.journal = in_order(self.state.journal[: self.journaled])
        # A plane serves one run; after a large one the memory is needed.
        del self.state, self.fleet, self.columns
        return outcome

    def end_period(self) -> Iterator[Any]:
        """From the end of the period on, the run ends with the last counted request."""
        yield self.env.timeout(self.setup.horizon_ns - self.env.now)
        self.fleet.period_over = 1


def has_ended(state: State) -> NDArray[np.bool_]:
    """Per request."""
    rows = int(state.fleet[0].rows)
    ended: NDArray[np.bool_] = state.requests.outcome != UNFINISHED
    return ended if ended.size == rows else ended[:rows] | ended[rows:]


def outcome_of(state: State) -> Outcome:
    """What the state tells after a run; nothing of it keeps the records alive."""
    fleet, rows = state.fleet[0], int(state.fleet[0].rows)
    columns = {name: state.requests[name][:rows].copy() for name in REQUEST_COLUMNS}
    fault = state.hit_by[:rows]
    if state.requests.size > rows:  # copies; some have decided what became of their request
        copies = state.requests[rows:]
        deciding = copies.outcome != UNFINISHED
        for name in set(REQUEST_COLUMNS) - {"preemptions", "retries"}:
            columns[name][deciding] = copies[name][deciding]
        columns["preemptions"] += copies.preemptions
        fault[deciding] = state.hit_by[rows:][deciding]
    return Outcome(
        arrival_ns=state.arrival_ns[:rows],
        **columns,
        fault=fault,
        samples=state.samples[: fleet.sampled],
        itl_histogram=state.histogram,
        steps=int(fleet.steps),
        prefill_tokens=int(fleet.prefill_tokens),
        busy_ns=state.replicas.busy_ns.copy(),
        tokens_lost=int(fleet.tokens_lost),
        stopped_early=bool(fleet.lost),
        free_blocks=state.replicas.free.astype(np.int64),
    )


def admitted(rule: AdmissionRule, request: RequestView, replicas: Sequence[ReplicaView]) -> bool:
    """What an admission rule answers. Raises RuleError when that is neither True nor False."""
    answer = rule(request, replicas)
    if isinstance(answer, bool | np.bool_):
        return bool(answer)
    raise RuleError(f"{rule.__name__} answered {answer!r}; allowed: True or False")


def chosen_id(
    rule: RoutingRule, request: RequestView, replicas: Sequence[ReplicaView]
) -> int | None:
    """What a routing rule answers. Raises RuleError for a replica it was not offered."""
    answer = rule(request, replicas)
    if answer is None:
        return None
    whole = isinstance(answer, int | np.integer) and not isinstance(answer, bool)
    if whole and any(view.id == answer for view in replicas):
        return int(answer)
    offered = ", ".join(str(view.id) for view in replicas)
    raise RuleError(f"{rule.__name__} answered {answer!r}; it was offered {offered}, or None")
