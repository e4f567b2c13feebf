"""How cost and memory grow with the number of requests; the largest run has a process of its own.

`python -m benchmarks.size REQUESTS TURNS` is that process: one JSON object on stdout.
"""

import json
import resource
import subprocess
import sys
from functools import partial

from benchmarks.engine import Entry, play
from benchmarks.loads import chat, set_up_for
from benchmarks.stopwatch import Effort, take_turns
from simulator.plane import Plane, new_state

REPLICAS = 4
KIB = 1024


def scaling(effort: Effort) -> list[Entry]:
    """The headline load on four replicas, ever longer."""
    entries = []
    requests = 10_000
    while requests < effort.most_requests:
        scenario = chat(REPLICAS, requests)
        setup = set_up_for(scenario)
        work = {"plane": partial(play, Plane, scenario, setup)}
        timed = take_turns(effort.repeats, work)["plane"]
        entries.append(entry_of(len(setup.workload), timed.cpu_s))
        requests *= 10
    return [*entries, largest(effort.most_requests, effort.repeats)]


def entry_of(requests: int, seconds: float) -> Entry:
    return {
        "requests": requests,
        "requests_per_s": requests / seconds,
        "us_per_request": seconds / requests * 1e6,
    }


def largest(requests: int, turns: int) -> Entry:
    """In a fresh process, whose memory is its own."""
    command = [sys.executable, "-m", "benchmarks.size", str(requests), str(turns)]
    told = subprocess.run(command, check=True, capture_output=True, text=True)
    entry: Entry = json.loads(told.stdout)
    return entry


def measure_largest(requests: int, turns: int) -> Entry:
    """Speed, and bytes: of the plane's state per request, and of the process at its peak."""
    tiny = chat(REPLICAS, 100)
    play(Plane, tiny, set_up_for(tiny))  # loads the compiled code
    scenario = chat(REPLICAS, requests)
    setup = set_up_for(scenario)
    drawn_bytes = peak_bytes()
    # One state at a time: nothing is kept of a turn.
    work = {"plane": lambda: bool(play(Plane, scenario, setup))}
    seconds = take_turns(turns, work)["plane"].cpu_s
    rows = len(setup.workload)
    state_bytes = sum(array.nbytes for array in new_state(setup))
    return entry_of(rows, seconds) | {
        "state_bytes_per_request": state_bytes / rows,
        "drawing_peak_mib": drawn_bytes / KIB**2,
        "peak_mib": peak_bytes() / KIB**2,
    }


def peak_bytes() -> int:
    """The most memory this process ever held; Linux tells it in KiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB


if __name__ == "__main__":
    print(json.dumps(measure_largest(int(sys.argv[1]), int(sys.argv[2]))))
