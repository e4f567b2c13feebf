"""What makes the figures of a run doubtful, in plain words. A doubt is no proof: the reader of the
report decides, and a fit may leave the run out."""

import numpy as np
from numpy.typing import NDArray

from calibration.loadtests.runs import Run

FAILED_SHARE_MAX = 0.01
FAILED_SHARE_GRAVE = 0.05
REQUESTS_MIN = 50
REQUESTS_PER_CLIENT_MIN = 3.0
"""Below, the burst at the start and the emptying at the end weigh as much as what is between."""
WARM_UP_RATIO = 2.0
IN_FLIGHT_TOLERANCE = 0.10
CHUNK_RATIO = 1.3
RATE_SHARE_MIN = 0.95
LENGTH_SHARE_MIN = 0.98
"""Mean output over the longest: below, and yet close to it, lengths were meant to be equal."""


def suspicions(run: Run) -> list[str]:
    """One sentence with its numbers per doubt; none is the normal answer."""
    doubts = (
        failures(run),
        few_requests(run),
        uneven_outputs(run),
        slow_start(run),
        not_in_flight(run),
        many_tokens_per_chunk(run),
        fell_behind(run),
    )
    return [doubt for doubt in doubts if doubt]


def grave(run: Run) -> list[str]:
    """Those of the suspicions after which a run says little of the engine's steps."""
    failed = run.failed or 0
    doubts = (
        failures(run) if failed > FAILED_SHARE_GRAVE * (failed + (run.requests or 0)) else "",
        many_tokens_per_chunk(run),
        fell_behind(run),
        run.caveat and f"The file says: {run.caveat}.",
    )
    return [doubt for doubt in doubts if doubt]


def failures(run: Run) -> str:
    """Failed requests are in no latency, and they are rarely the quick ones."""
    if run.requests is None or not run.failed:
        return ""
    sent = run.requests + run.failed
    if run.failed / sent <= FAILED_SHARE_MAX:
        return ""
    return (
        f"{run.failed} of {sent} requests failed or timed out ({run.failed / sent:.1%}), "
        "and the latencies are those of the others."
    )


def few_requests(run: Run) -> str:
    if run.requests is None:
        return ""
    if run.concurrency and run.requests < REQUESTS_PER_CLIENT_MIN * run.concurrency:
        return (
            f"Only {run.requests} requests at {run.concurrency:g} at once: each client sent fewer "
            f"than {REQUESTS_PER_CLIENT_MIN:g}, so the start and the end of the test weigh."
        )
    if run.requests < REQUESTS_MIN:
        return (
            f"Only {run.requests} requests (fewer than {REQUESTS_MIN}): the start weighs, "
            "and high percentiles are single requests."
        )
    return ""


def uneven_outputs(run: Run) -> str:
    """Outputs that stay just below one length were meant to have it.

    'Just below': nine in ten reach 90 % of the longest; or 50 % when a fifth end at the longest
    exactly, as with a limit. Lengths drawn from a wide distribution do neither.
    """
    lengths = known(None if run.per_request is None else run.per_request.output_tokens)
    if lengths.size < 2 or lengths.mean() >= LENGTH_SHARE_MIN * lengths.max():
        return ""
    longest = float(lengths.max())
    at_longest = float(np.mean(lengths == longest))
    if np.percentile(lengths, 10) < (0.5 if at_longest >= 0.2 else 0.9) * longest:
        return ""
    return (
        f"Answers have {lengths.mean():.4g} tokens on average where {longest:g} is the most "
        f"({at_longest:.0%} have it): either they ended early, or their tokens were counted anew "
        "from the text, and figures per token are off by as much."
    )


def slow_start(run: Run) -> str:
    """First tokens of the first requests (one per client, at least 5 and 5 %) and of the rest."""
    if run.per_request is None:
        return ""
    order = np.argsort(run.per_request.arrival_s, kind="stable")
    ttft_ms = known(run.per_request.ttft_ms[order])
    first = round(max(run.concurrency or 0, 5, 0.05 * ttft_ms.size))
    if ttft_ms.size < 2 * first:
        return ""
    early, rest = float(np.median(ttft_ms[:first])), float(np.median(ttft_ms[first:]))
    if early <= WARM_UP_RATIO * rest:
        return ""
    return (
        f"The first {first} requests waited {early:.4g} ms for their first token (median), the "
        f"others {rest:.4g} ms: the engine was warming up, or all clients started at once."
    )


def not_in_flight(run: Run) -> str:
    """Little's law: requests/s x mean latency is the mean number in flight. Closed loops only."""
    e2e_ms = run.measured.get("e2e_mean")
    if not (run.concurrency and run.requests and run.duration_s and e2e_ms) or run.rate_per_s:
        return ""
    in_flight = run.requests / run.duration_s * e2e_ms / 1000.0
    if abs(in_flight / run.concurrency - 1.0) <= IN_FLIGHT_TOLERANCE:
        return ""
    return (
        f"{run.requests / run.duration_s:.3g} requests/s x {e2e_ms / 1000.0:.3g} s make "
        f"{in_flight:.3g} in flight on average, not the {run.concurrency:g} that were asked for: "
        "the client was slow, the test short, or duration and latency measure different things."
    )


def many_tokens_per_chunk(run: Run) -> str:
    itl_ms, tpot_ms = run.measured.get("itl_mean"), run.measured.get("tpot_mean")
    if not itl_ms or not tpot_ms or itl_ms <= CHUNK_RATIO * tpot_ms:
        return ""
    return (
        f"Gaps between chunks are {itl_ms:.3g} ms but a token takes {tpot_ms:.3g} ms: chunks hold "
        f"about {itl_ms / tpot_ms:.2g} tokens, by speculative decoding or by streaming in pieces."
    )


def fell_behind(run: Run) -> str:
    """Requests that ended (well or not) per second against those offered.

    The last answers come one latency after the last request, so that much is taken off the
    duration; and n random arrivals miss their rate by 1 / sqrt(n), twice which is allowed.
    """
    if not (run.rate_per_s and run.requests and run.duration_s):
        return ""
    tail_s = run.measured.get("e2e_mean", 0.0) / 1000.0
    sent = run.requests + (run.failed or 0)
    achieved = sent / max(run.duration_s - tail_s, 0.5 * run.duration_s)
    least = min(RATE_SHARE_MIN, 1.0 - 2.0 / sent**0.5)
    if achieved >= least * run.rate_per_s:
        return ""
    return (
        f"{achieved:.3g} requests/s came to an end of {run.rate_per_s:.3g} offered: the engine or "
        "the client was overloaded, and latencies grow with the length of the test."
    )


def known(values: NDArray[np.float64] | None) -> NDArray[np.float64]:
    return np.array([]) if values is None else values[np.isfinite(values)]
