"""What data call a model, a GPU, an engine -> facts: of the catalogue, else of models.json and
gpus.json beside the data."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from calibration.datasets.cards import GpuName, most_usual
from calibration.datasets.shapes import gpu_from_entry, model_from_entry
from calibration.datasets.tables import Unusable
from scenarios.catalogue import load_catalogue
from scenarios.catalogue.facts import Gpu, Model

SAME_SHAPE = {
    "bloom-176b": "bloom",
    "deepseek-r1-0528": "deepseek-r1",
    "deepseek-v3-0324": "deepseek-v3",
    "deepseek-v3.1": "deepseek-v3",
    "gptj-6b": "gpt-j-6b",
    "llama-3-8b": "llama-3.1-8b",
    "llama-3-70b": "llama-3.1-70b",
    "mistral-7b": "mistral-7b-v0.3",
    "mixtral-8x22b": "mixtral-8x22b-v0.1",
    "mixtral-8x7b": "mixtral-8x7b-v0.1",
    "qwen3-235b-a22b-2507": "qwen3-235b-a22b",
}
"""Names (as `plain_name` leaves them) of models whose weights have the shape of another's."""

NOT_OF_THE_SHAPE = {
    *("fp8", "nvfp4", "fp4", "fp16", "bf16", "int8", "int4", "w8a8", "w4a16", "awq", "gptq"),
    *("dynamic", "static", "pertensor", "quantized", "hf", "meta"),
    *("base", "instruct", "chat", "thinking"),
}
"""Words of a model's name that leave its shape as it is."""


def plain_name(name: str) -> str:
    """A model's name without maker, quantisation and tuning.

    >>> plain_name("RedHatAI/Llama-4-Scout-17B-16E-Instruct-FP8-dynamic")
    'llama-4-scout-17b-16e'
    >>> plain_name("LLaMA v2 7B"), plain_name("meta-llama3-8b-instruct")
    ('llama-2-7b', 'llama-3-8b')
    """
    low = name.rsplit("/", 1)[-1].lower()
    low = re.sub(r"llama[ _-]?v?(?=\d)", "llama-", low)
    words = [word for word in re.split(r"[^a-z0-9.]+", low) if word]
    return "-".join(word for word in words if word not in NOT_OF_THE_SHAPE)


@dataclass(frozen=True)
class Known:
    """All models and GPUs that names can be looked up in."""

    models: Mapping[str, Model]
    model_entries: Mapping[str, Mapping[str, Any]]
    """Of models.json, by name."""
    gpus: Mapping[str, Gpu]
    gpu_entries: Mapping[str, Mapping[str, Any]]

    @cached_property
    def by_plain_name(self) -> dict[str, Model]:
        # Of names that differ in tuning only, the catalogue's first.
        return {plain_name(name): model for name, model in reversed(list(self.models.items()))}

    @cached_property
    def entry_by_plain_name(self) -> dict[str, Mapping[str, Any]]:
        return {plain_name(name): entry for name, entry in self.model_entries.items()}

    def model(self, name: str) -> Model:
        """The shape of the model that data call `name`. Raises Unusable."""
        if name in self.models:
            return self.models[name]
        plain = plain_name(name)
        for tried in (plain, SAME_SHAPE.get(plain, plain)):
            if tried in self.by_plain_name:
                return self.by_plain_name[tried]
        entry = self.model_entries.get(name) or self.entry_by_plain_name.get(plain)
        if entry is None:
            raise Unusable(f"model {name!r} is neither in the catalogue nor in models.json")
        return model_from_entry(entry)

    def gpu(self, name: str) -> Gpu:
        """The card that data call `name`. Raises Unusable."""
        wanted = GpuName.of(name)
        found = most_usual(known for known in self.gpus if wanted.means(GpuName.of(known)))
        if found is not None:
            return self.gpus[found]
        found = most_usual(known for known in self.gpu_entries if wanted.means(GpuName.of(known)))
        if found is None:
            raise Unusable(f"GPU {name!r} is neither in the catalogue nor in gpus.json")
        return gpu_from_entry(self.gpu_entries[found])


def known_beside(folder: Path) -> Known:
    """The catalogue, and what models.json and gpus.json in `folder` or up to two above it add."""
    catalogue = load_catalogue()
    return Known(
        models=catalogue.models,
        model_entries=entries_of("models.json", "model", folder),
        gpus=catalogue.gpus,
        gpu_entries=entries_of("gpus.json", "id", folder),
    )


def entries_of(file: str, key: str, folder: Path) -> dict[str, Mapping[str, Any]]:
    """The list in the nearest file of that name, by each entry's `key`; none without a file."""
    for place in (folder, *folder.resolve().parents[:2]):
        try:
            entries = json.loads((place / file).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(entries, list):
            return {str(e[key]): e for e in entries if isinstance(e, dict) and e.get(key)}
    return {}


def engine_named(text: str) -> str:
    """The catalogue's name of a serving engine. Raises Unusable.

    >>> engine_named("trtllm(pytorch backend)"), engine_named("NIM_TRT-LLM")
    ('trtllm', 'nim')
    """
    low = text.lower()
    for sign, name in ENGINES.items():
        if sign in low:
            return name
    raise Unusable(f"engine {text!r} is not known")


ENGINES = {
    "nim": "nim",
    "vllm": "vllm",
    "sglang": "sglang",
    "trtllm-0.9": "trtllm-0.9",
    "trtllm": "trtllm",
    "trt-llm": "trtllm",
    "tensorrt": "trtllm",
    "splitwise": "splitwise",
}
"""What an engine's text holds -> its name; the first that fits."""
