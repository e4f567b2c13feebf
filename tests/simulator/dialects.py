"""Traces in every dialect we read, written from the same rows; made up here, not copied."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

Row = tuple[int, int, int]
"""Tick of the dialect's clock, prompt tokens, output tokens."""


@dataclass(frozen=True)
class Dialect:
    """tick_s: the finest difference of two arrivals that its clock can tell."""

    name: str
    format: str
    tick_s: float
    write: Callable[[Sequence[Row], Path], None]


def csv_text(header: str, rows) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return header + "\n" + text.getvalue()


def json_lines(rows) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def azure(rows, path, zone=""):
    """Tenths of microseconds behind the second."""
    begin = np.datetime64("2024-05-10T23:59:58", "ns")

    def stamp(tick):
        return str(begin + np.timedelta64(tick * 100, "ns"))[:-2].replace("T", " ") + zone

    header = "TIMESTAMP,ContextTokens,GeneratedTokens"
    path.write_text(csv_text(header, [(stamp(tick), a, b) for tick, a, b in rows]))


def azure_2024(rows, path):
    azure(rows, path, "+00:00")


def mooncake(rows, path):
    path.write_text(
        json_lines(
            {"timestamp": tick, "input_length": a, "output_length": b, "hash_ids": [7] * (a > 512)}
            for tick, a, b in rows
        )
    )


def bailian(rows, path):
    path.write_text(
        json_lines(
            {"chat_id": 100 + i, "parent_chat_id": -1, "timestamp": tick / 1000, "turn": 1,
             "type": "text", "input_length": a, "output_length": b, "hash_ids": []}
            for i, (tick, a, b) in enumerate(rows)
        )
    )  # fmt: skip


def burstgpt(rows, path):
    header = "Timestamp,Model,Request tokens,Response tokens,Total tokens,Log Type"
    lines = [(tick, "ChatGPT", a, b, a + b, "API log") for tick, a, b in rows]
    path.write_text(csv_text(header, lines))


def burstgpt_3(rows, path):
    header = (
        "Timestamp,Session ID,Elapsed time,Model,Request tokens,Response tokens,Total tokens,"
        "Log Type"
    )
    lines = [
        (float(tick), "" if i % 3 else "s", 2, "GPT-4", a, b, a + b, "Conversation log")
        for i, (tick, a, b) in enumerate(rows)
    ]
    path.write_text(csv_text(header, lines))


def vidur(rows, path):
    header = "arrived_at,num_prefill_tokens,num_decode_tokens"
    path.write_text(csv_text(header, [(tick / 1e6, a, b) for tick, a, b in rows]))


def splitwise(rows, path):
    header = (
        "request_id,request_type,application_id,arrival_timestamp,batch_size,prompt_size,token_size"
    )
    lines = [(i, 2, 0, tick / 1000, 1, a, b) for i, (tick, a, b) in enumerate(rows)]
    path.write_text(csv_text(header, lines))


def own_csv(rows, path):
    header = "arrival_s,input_tokens,output_tokens"
    path.write_text(csv_text(header, [(tick / 1000, a, b) for tick, a, b in rows]))


def own_parquet(rows, path):
    ticks, inputs, outputs = zip(*rows, strict=True)
    columns = {"arrival_s": np.array(ticks) / 1000, "input_tokens": inputs}
    pd.DataFrame(columns | {"output_tokens": outputs, "model": "m"}).to_parquet(path)


def llmservingsim(rows, path):
    path.write_text(
        json_lines(
            {"input_toks": a, "output_toks": b, "arrival_time_ns": tick * 1000}
            for tick, a, b in rows
        )
    )


def blis(rows, path):
    """Only some of its columns, one with a comma in quotes."""
    header = (
        "request_id,client_id,session_id,round_index,prefix_group,prefix_length,input_tokens,"
        "output_tokens,server_input_tokens,arrival_time_us,last_chunk_time_us,error_message"
    )
    lines = [
        (i, "c", "", 0, "", 0, a, b, 0, tick, tick + 5, "so, so" if i % 2 else "")
        for i, (tick, a, b) in enumerate(rows)
    ]
    path.write_text(csv_text(header, lines))


DIALECTS = (
    Dialect("azure", "Azure LLM CSV", 1e-7, azure),
    Dialect("azure-2024", "Azure LLM CSV", 1e-7, azure_2024),
    Dialect("mooncake", "Mooncake JSONL", 1e-3, mooncake),
    Dialect("bailian", "Qwen-Bailian JSONL", 1e-3, bailian),
    Dialect("burstgpt", "BurstGPT CSV", 1.0, burstgpt),
    Dialect("burstgpt-3", "BurstGPT CSV", 1.0, burstgpt_3),
    Dialect("vidur", "Vidur CSV", 1e-6, vidur),
    Dialect("splitwise", "Splitwise CSV", 1e-3, splitwise),
    Dialect("own-csv", "fleetcast CSV", 1e-3, own_csv),
    Dialect("own-parquet", "fleetcast Parquet", 1e-3, own_parquet),
    Dialect("llmservingsim", "LLMServingSim JSONL", 1e-6, llmservingsim),
    Dialect("blis", "BLIS TraceV2", 1e-6, blis),
)


def weka_session(requests, **about):
    """A session of kv-cache-tester; requests as its file has them."""
    return {"id": "made", "block_size": 64, "hash_id_scope": "local", "requests": requests} | about


def weka_request(t, tokens, out, ids, **more):
    return {"t": t, "type": "n", "in": tokens, "out": out, "hash_ids": ids} | more


def otel_span(number, begin_s, end_s, messages, answer, **attributes):
    """A span of a chain of calls, without counted tokens."""

    def stamp(second):
        return f"2026-02-25T10:00:{second:09.6f}"

    return {
        "trace_id": "made", "span_id": str(number), "name": "chat m",
        "start_time": stamp(begin_s), "end_time": stamp(end_s),
        "attributes": {
            "gen_ai.input.messages": json.dumps(messages), "gen_ai.output.text": answer,
        } | attributes,
    }  # fmt: skip


def same(one, other) -> bool:
    """Whether two values, dataclasses and arrays inside them included, are equal in every bit."""
    if hasattr(one, "__dataclass_fields__"):
        return type(one) is type(other) and all(
            same(getattr(one, name), getattr(other, name)) for name in one.__dataclass_fields__
        )
    if isinstance(one, np.ndarray):
        floats = one.dtype.kind == "f"
        return one.dtype == other.dtype and np.array_equal(one, other, equal_nan=floats)
    return bool(one == other)
