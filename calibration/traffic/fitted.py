"""What a fit ends with: traffic as a scenario says it, why it is so, and how well it matches."""

from dataclasses import dataclass
from typing import Any

from calibration.traffic.match import Figure

Yaml = dict[str, Any]

RATE_OPEN = "1/min"
"""In place of a rate that the file does not tell."""


@dataclass(frozen=True)
class Fitted:
    """kind: what the file holds. about: the file in a few words. traffic: groups of a scenario;
    empty for demand, which says how the rate changes and nothing else: then `arrivals` has that.
    notes: why this and not something else, and what the user must still say. replications: drawn
    for the synthetic figures."""

    kind: str
    about: str
    traffic: list[Yaml]
    notes: list[str]
    figures: list[Figure]
    replications: int
    arrivals: Yaml | None = None
