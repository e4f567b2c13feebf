"""The compiled data plane as the rest of the simulator sees it: arrays in, Outcome out."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from simulator.allocation import new_state
from simulator.clock import ServingEnvironment
from simulator.data_plane import Ints, Outcome, Setup
from simulator.kernel import entries
from simulator.kernel.state import CLOSED, NEVER_NS, State
from simulator.rules import AdmissionRule, ReplicaView, RequestView, RoutingRule, RuleError
from simulator.run import LOST, REJECTED, TIMED_OUT, UNFINISHED
from simulator.traffic import NS_PER_S

REQUEST_COLUMNS = (
    "first_token_ns", "finish_ns", "replica", "preemptions", "retries", "outcome", "cached_tokens",
)  # fmt: skip


class Plane:
    """See `DataPlane`."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.state = new_state(setup)
        self.fleet = self.state.fleet[0]
        self.columns = self.state.replicas.view(np.ndarray)
        self.cached_tokens = np.zeros(len(self.columns), dtype=np.int64)
        self.env = ServingEnvironment(self, setup.start_ns)

    # --- what control processes may do -----------------------------------------------------------

    def stop(self, replica: int) -> None:
        self.state.replicas[replica].live = 0
        self.state.boundary_ns[replica] = NEVER_NS

    def start(self, replica: int) -> None:
        left = entries.drain(self.state, replica, np.empty(0, dtype=np.int32))
        assert left == 0, "a replica starts empty"
        self.state.replicas[replica].live = 1

    def close(self, replica: int) -> None:
        if self.state.load[replica] < CLOSED:
            self.state.load[replica] += CLOSED

    def open(self, replica: int) -> None:
        if self.state.load[replica] >= CLOSED:
            self.state.load[replica] -= CLOSED
        for _ in range(self.stranded()):
            self.dispatch(entries.take_stranded(self.state), self.env.now)

    def drain(self, replica: int) -> None:
        rows = np.empty(self.outstanding()[replica], dtype=np.int32)
        entries.drain(self.state, replica, rows)
        for row in rows.tolist():
            if self.starts_over(row, self.env.now):
                self.dispatch(row, self.env.now)

    def outstanding(self) -> Ints:
        held: Ints = self.state.load % CLOSED
        return held

    def stranded(self) -> int:
        return int(self.fleet.stranded)

    # --- between two events ----------------------------------------------------------------------

    def advance(self, until_ns: float) -> bool:
        """Everything before `until_ns`; whether the run is over."""
        until = int(min(until_ns, NEVER_NS))
        while (row := entries.advance(self.state, until)) >= 0:
            self.dispatch(row, int(self.state.arrival_ns[row]))
        return bool(self.fleet.lost or (self.fleet.period_over and self.fleet.left == 0))

    def dispatch(self, row: int, now_ns: int) -> None:
        """Route a request whose arrival is past, or due and left to Python code."""
        if not self.fleet.by_rule:
            entries.dispatch(self.state, row, now_ns)
            return
        deadline_ns = int(self.state.arrival_ns[row]) + self.setup.timeout_ns
        if deadline_ns <= now_ns:
            entries.end(self.state, row, TIMED_OUT, deadline_ns, now_ns)
            return
        request, replicas = self.request_view(row, now_ns), self.replica_views(row)
        admit, route = self.setup.admission_rule, self.setup.routing_rule
        if admit is not None and not admitted(admit, request, replicas):
            entries.end(self.state, row, REJECTED, now_ns, now_ns)
        elif not replicas:
            entries.strand(self.state, row)
        elif route is None:
            entries.dispatch(self.state, row, now_ns)
        elif (chosen := chosen_id(route, request, replicas)) is None:
            entries.end(self.state, row, REJECTED, now_ns, now_ns)
        else:
            entries.send(self.state, chosen, row, now_ns)

    def starts_over(self, row: int, now_ns: int) -> bool:
        """A request whose replica is gone has lost everything; whether its client still asks."""
        entries.lose_progress(self.state, row)
        request = self.state.requests[row]
        deadline_ns = int(self.state.arrival_ns[row]) + self.setup.timeout_ns
        if deadline_ns <= now_ns:
            entries.end(self.state, row, TIMED_OUT, deadline_ns, now_ns)
        elif request.retries >= self.setup.retries:
            entries.end(self.state, row, LOST, now_ns, now_ns)
        else:
            request.retries += 1
            return True
        return False

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
        requests, fleet = self.state.requests, self.fleet
        # Those whose arrival is known and yet to come never arrive.
        self.state.arrival_ns[self.state.heap[: fleet.coming]] = NEVER_NS
        if fleet.sample_ns <= self.env.now and not fleet.lost:
            entries.take_sample(self.state)  # due at the very end
        if not fleet.lost:
            deadline_ns = self.state.arrival_ns + self.setup.timeout_ns
            gone = (requests.outcome == UNFINISHED) & (deadline_ns <= self.env.now)
            requests.outcome[gone] = TIMED_OUT
            requests.finish_ns[gone] = deadline_ns[gone]
        outcome = outcome_of(self.state)
        # A plane serves one run; after a large one the memory is needed.
        del self.state, self.fleet, self.columns
        return outcome

    def end_period(self) -> Iterator[Any]:
        """From the end of the period on, the run ends with the last counted request."""
        yield self.env.timeout(self.setup.horizon_ns - self.env.now)
        self.fleet.period_over = 1


def outcome_of(state: State) -> Outcome:
    """What the state tells after a run; nothing of it keeps the records alive."""
    fleet = state.fleet[0]
    return Outcome(
        arrival_ns=state.arrival_ns,
        **{name: state.requests[name].copy() for name in REQUEST_COLUMNS},
        samples=state.samples[: fleet.sampled],
        itl_histogram=state.histogram,
        steps=int(fleet.steps),
        prefill_tokens=int(fleet.prefill_tokens),
        busy_ns=int(state.replicas.busy_ns.sum()),
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
