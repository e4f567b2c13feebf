"""Recorded traffic, where it is at hand: CI has it beside the checkout, users do not."""

from pathlib import Path

import pytest

SHARED = Path(__file__).parents[2] / "shared" / "data"
SAMPLES, TRACES = SHARED / "trace-samples", SHARED / "traces"
needs_traces = pytest.mark.skipif(
    not TRACES.is_dir(), reason=f"recorded traffic is not in {TRACES}"
)
