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


class Stop(Exception):
    """End the command with a message for its user."""

    def __init__(self, message: str, code: int = EXIT_USAGE) -> None:
        super().__init__(message)
        self.code = code
