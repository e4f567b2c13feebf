"""Families of models: those that share their shapes, and so their errors."""

import re

FAMILIES = (
    ("CodeLlama", r"codellama"),
    ("Llama 2", r"llama-?2|llama v2"),
    ("Llama 3", r"llama-?3"),
    ("Llama 4", r"llama-?4"),
    ("Mixtral", r"mixtral"),
    ("Mistral", r"mistral"),
    ("Qwen 2.5", r"qwen2"),
    ("Qwen 3 MoE", r"qwen3.*a\d+b"),
    ("Qwen 3", r"qwen3"),
    ("DeepSeek", r"deepseek"),
    ("GPT-J", r"gpt-?j"),
    ("gpt-oss", r"gpt-oss"),
    ("Yi", r"\byi-"),
)


def family(model_name: str) -> str:
    """The family of a model by its name; the name itself where none is known.

    >>> family("meta-llama/Llama-3.1-8B-Instruct"), family("Qwen/Qwen3-30B-A3B")
    ('Llama 3', 'Qwen 3 MoE')
    """
    lower = model_name.lower()
    return next((name for name, pattern in FAMILIES if re.search(pattern, lower)), model_name)
