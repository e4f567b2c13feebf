"""LLMServingSim's own measurements: vLLM in process, a trace replayed (llmservingsim_bench)."""

import numpy as np

from calibration.cases import Case, OpenLoop, Stage
from calibration.datasets.dataset import (
    WHOLE_RUN,
    CaseOf,
    Dataset,
    figures_of,
    in_our_metrics,
    measured_figures,
    need_some,
    peer_figures,
    split_of,
)
from calibration.datasets.prompts import likely_parents, turns
from calibration.datasets.recordings import Floats, check_demand
from calibration.datasets.tables import Row, Unusable, numbers, read_frame
from calibration.datasets.vllm_flags import replica_in
from simulator.traffic import NS_PER_S, Workload


def llmservingsim(dataset: Dataset) -> CaseOf:
    """One row of cases.csv: a run whose every request is recorded. All of them are overloads, but
    exact ones, with arrivals and lengths known and no client that gives up."""
    measured_of, peers_of = measured_figures(dataset), peer_figures(dataset)

    def case_of(row: Row) -> Case:
        workload, requests, assumed = recording(dataset, row)
        inputs, outputs = workload.input_tokens, workload.output_tokens
        model = dataset.known.model(row.text("model"))
        longest = int((inputs + outputs).max())
        replica, more = replica_in(dataset, row, model, longest, http=False, sampling="greedy")
        measured = in_our_metrics(measured_of.get(row.case_id, {}).get(WHOLE_RUN, {}))
        if len(requests) == 2:
            recorded = figures_of(requests["ttft"], requests["e2e"], outputs.astype(np.int64))
            measured = recorded | measured
        return Case(
            dataset=dataset.name,
            case_id=row.case_id,
            split=split_of(row),
            model=model,
            replica=replica,
            load=OpenLoop(
                workload,
                (Stage(0.0, float(workload.arrival_ns[-1]) / NS_PER_S, len(workload)),),
                round(float(inputs.mean())),
                round(float(outputs.mean())),
                prompts=0,
                timeout_s=float("inf"),
            ),
            measured=need_some(measured),
            measured_requests=requests,
            peers=peers_of.get(row.case_id, {}),
            assumed=(*assumed, *more),
            group="recorded overload",
        )

    return case_of


def recording(dataset: Dataset, row: Row) -> tuple[Workload, dict[str, Floats], tuple[str, ...]]:
    """Every request, its latencies (ttft, e2e), and what was assumed. Raises Unusable."""
    path = dataset.find(f"requests_{row.case_id}.csv", f"requests/{row.case_id}.csv")
    if path is None:
        raise Unusable(f"no requests_{row.case_id}.csv with its arrivals")
    frame = read_frame(path)
    arrival_s, inputs, outputs = (
        numbers(frame, name) for name in ("arrival_s", "input_tokens", "output_tokens")
    )
    if not arrival_s.size:
        raise Unusable(f"{path.name} is empty")
    arrival_s = arrival_s - np.fmin.reduce(arrival_s)
    check_demand(path.name, arrival_s, inputs, outputs)
    order = np.argsort(arrival_s, kind="stable")
    tokens = inputs[order].astype(np.int64)
    hits = np.nan_to_num(numbers(frame, "max_prefix_hit_tokens")[order]).astype(np.int64)
    parents = likely_parents(tokens, hits)
    placed, wanted = sum(parent is not None for parent in parents), int((hits > 0).sum())
    workload = Workload(
        np.rint(arrival_s[order] * NS_PER_S).astype(np.int64),
        tokens.astype(np.int32),
        outputs[order].astype(np.int32),
        np.zeros(order.size, np.int16),
        turns(parents, hits) if placed else None,
    )
    latencies = {name: numbers(frame, f"{name}_ms")[order] for name in ("ttft", "e2e")}
    words = (f"{placed} of {wanted} prefix hits given to the likeliest earlier request",)
    return (
        workload,
        {name: each for name, each in latencies.items() if np.isfinite(each).any()},
        words if wanted else (),
    )
