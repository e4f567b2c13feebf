"""What a file may say about where replicas stand: GPUs in nodes, nodes in racks, racks in zones."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.faults import refuse
from scenarios.part import Part
from scenarios.units import Count

ZONES_MAX = 26
"""They are named by letters: zone-a, zone-b ..."""


class Topology(Part):
    """The hardware that fails together: a fault takes every replica with a GPU in its scope."""

    gpus_per_node: Count = 8
    nodes_per_rack: Count | None = None
    """No racks when not given."""
    racks_per_zone: Count | None = None
    """As many racks as it takes when not given."""
    zones: Annotated[Count, Field(le=ZONES_MAX)] = 1
    placement: Literal["spread", "pack"] = "spread"
    """Replicas take turns between zones (and racks, where a zone has so many), or fill one zone
    after the other. Within, nodes are filled one by one."""

    @model_validator(mode="after")
    def racks_of_nodes(self) -> Self:
        if self.racks_per_zone is not None and self.nodes_per_rack is None:
            raise refuse("racks of no nodes", "`nodes_per_rack: 4` beside it", "racks_per_zone")
        return self

    @property
    def gpus_per_rack(self) -> int | None:
        """None without racks."""
        return self.nodes_per_rack and self.nodes_per_rack * self.gpus_per_node

    @property
    def gpus_per_zone(self) -> int | None:
        """None without a limit."""
        if self.racks_per_zone is None or self.gpus_per_rack is None:
            return None
        return self.racks_per_zone * self.gpus_per_rack
