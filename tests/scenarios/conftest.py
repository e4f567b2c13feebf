"""What several tests of scenario files share."""

import pytest

from scenarios.faults import ScenarioError

HEAD = """\
version: 1
name: headed
horizon: 1h
model: meta-llama/Llama-3.1-8B-Instruct
replica: {gpu: h100-sxm-80gb, engine: {name: vllm}}
traffic:
  - name: chat
    arrivals: {kind: poisson, rate: 20/s}
    input_tokens: {kind: constant, tokens: 500}
    output_tokens: {kind: constant, tokens: 90}
"""
"""The first ten lines of a scenario; `fleet` is missing."""


@pytest.fixture
def faults(loaded):
    """What is told of a scenario that `loaded`, a fixture of the test's own file, cannot load."""

    def told(*text, **others):
        with pytest.raises(ScenarioError) as caught:
            loaded(*text, **others)
        return [str(fault) for fault in caught.value.faults]

    return told
