"""Exit codes, and the error that carries one."""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_INFEASIBLE = 3
EXIT_UNDECIDED = 4
EXIT_DIFFERENT = 5
"""Plans or results differ (`--exit-code` of diff and report). Not 1 as of git, nor 2 as of
Terraform: those are errors in every command here, and a job must be able to tell them apart."""
EXIT_NO_LONGER = 99
"""A plan does not hold any more (`plan --check`), or a cell does not (`sweep --check`)."""
EXIT_INTERRUPTED = 130

MEANINGS = {
    EXIT_DONE: "done",
    EXIT_FAILED: "internal or I/O error",
    EXIT_USAGE: "usage, or a scenario with faults",
    EXIT_INFEASIBLE: "no feasible fleet within the bounds",
    EXIT_UNDECIDED: "undecided within the budget of runs",
    EXIT_DIFFERENT: "plans or results differ (`--exit-code` of `diff` and `report`)",
    EXIT_NO_LONGER: "a plan (`plan --check`) or a cell (`sweep --check`) does not hold",
    EXIT_INTERRUPTED: "interrupted; the same command goes on from there",
}
"""In the words of help and documentation."""


class Stop(Exception):
    """End the command with a message for its user."""

    def __init__(self, message: str, code: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.code = code
