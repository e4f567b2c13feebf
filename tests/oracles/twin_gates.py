"""The twin's gates: docs/background/serving-engine.md, "Routing and admission"."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from simulator.data_plane import Gate
from tests.oracles.twin_attempts import MILLION


class GateKeeper:
    """One gate, and the state of its bucket."""

    def __init__(self, gate: Gate, happened: Counter[str]) -> None:
        self.gate, self.happened = gate, happened
        self.tat_ns: float = float("-inf")
        """The theoretical arrival time of the next request."""

    def lets_in(self, now_ns: int, replicas: Sequence[Any], stranded: int) -> bool:
        if self.sheds(replicas, stranded):
            self.happened["shed"] += 1
            return False
        if self.gate.interval_ns is None:
            return True
        if self.tat_ns - (self.gate.burst - 1) * self.gate.interval_ns > now_ns:
            self.happened["bucket refusals"] += 1
            return False
        self.tat_ns = max(self.tat_ns, now_ns) + self.gate.interval_ns
        return True

    def sheds(self, replicas: Sequence[Any], stranded: int) -> bool:
        """Too many are around for the replicas that are routable."""
        if self.gate.shed_ppm is None:
            return False
        routable = [replica for replica in replicas if replica.routable]
        held = sum(replica.outstanding for replica in routable)
        return MILLION * (held + stranded) >= self.gate.shed_ppm * max(len(routable), 1)
