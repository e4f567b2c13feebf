"""Requests per CPU second of the simulator on this machine: `make bench`.

The example's chat traffic at 6 requests/s per replica, least-outstanding, medians of several runs.
"""

import statistics
import time
from pathlib import Path

from scenarios.loading import load
from simulator.simulate import simulate

EXAMPLE = Path(__file__).parent.parent / "scenarios" / "examples" / "chat.yaml"
RATE_PER_REPLICA_PER_S = 6
REPEATS = 5


def measure(replicas: int) -> tuple[float, float]:
    """Median requests and engine steps per CPU second over `REPEATS` replications."""
    rate = f"traffic.0.arrivals.rate={RATE_PER_REPLICA_PER_S * replicas}/s"
    scenario = load(EXAMPLE, (rate, "horizon=60s", "preroll=10s"))
    fleet = scenario.fleet.model_copy(update={"replicas": replicas})
    requests, steps = [], []
    for replication in range(REPEATS):
        begin_s = time.process_time()
        run = simulate(scenario, fleet, 1, replication)
        took_s = time.process_time() - begin_s
        requests.append(len(run) / took_s)
        steps.append(run.steps / took_s)
    return statistics.median(requests), statistics.median(steps)


def main() -> None:
    print(f"{'replicas':>8} {'requests/s':>11} {'steps/s':>9}   (CPU, median of {REPEATS})")
    for replicas in (1, 4, 16):
        requests, steps = measure(replicas)
        print(f"{replicas:>8} {requests:>11,.0f} {steps:>9,.0f}")


if __name__ == "__main__":
    main()
