"""What is wrong with a scenario, said so that its author can mend it in one go."""

from dataclasses import dataclass
from typing import Any

from pydantic_core import PydanticCustomError


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong, where, and what would be right."""

    place: str
    key: str
    got: str
    allowed: str = ""
    suggestion: str = ""

    def __str__(self) -> str:
        lines = [
            f"{self.place}: {self.key}: {self.got}" if self.key else f"{self.place}: {self.got}"
        ]
        if self.allowed:
            lines.append(f"    allowed: {self.allowed}")
        if self.suggestion:
            lines.append(f"    did you mean `{self.suggestion}`?")
        return "\n".join(lines)

    @property
    def in_a_line(self) -> str:
        """Without its place, as a reason why something cannot be."""
        allowed = f" (allowed: {self.allowed})" if self.allowed else ""
        return f"{self.key}: {self.got}{allowed}"


class ScenarioError(ValueError):
    """A scenario with faults; `str()` lists every one."""

    def __init__(self, source: str, faults: list[Fault]) -> None:
        self.source, self.faults = source, faults
        count = f"{len(faults)} fault{'s' if len(faults) > 1 else ''}"
        super().__init__("\n".join([f"{source} has {count}", *map(str, faults)]))


def refuse(what: str, allowed: str, *at: str | int, suggestion: str = "") -> PydanticCustomError:
    """To be raised within a part: what is wrong with it as a whole or, given `at`, with a key."""
    context: dict[str, Any] = {"message": what, "allowed": allowed, "suggestion": suggestion}
    where = {"at": list(at)} if at else {}
    return PydanticCustomError("quantity", "{message}", context | where)
