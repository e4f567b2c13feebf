"""How many request rows are handed on. A module that loads nothing: every command line names it."""

from typing import Literal, get_args

Keep = Literal["all", "sample", "none"]
KEEPS: tuple[Keep, ...] = get_args(Keep)
SAMPLE_ROWS = 5_000
"""As many requests as a sample has, of periods that have more."""
