"""Tokens of a text that nobody counted."""

import json
import math
from collections.abc import Iterator
from typing import Any

CHARACTERS_PER_TOKEN = 4
"""Of English text: OpenAI, 'What are tokens and how to count them?' (2024)."""
ESTIMATED = f"tokens are estimated, {CHARACTERS_PER_TOKEN} characters each: the file has their text"


def tokens_of(content: Any) -> int:
    """At least 1 for a text; the texts of messages or parts add up.

    >>> tokens_of("What is it?"), tokens_of([{"role": "user", "content": "What is it?"}])
    (3, 3)
    """
    return tokens_of_characters(sum(map(len, texts(content))))


def tokens_of_characters(characters: int) -> int:
    return math.ceil(characters / CHARACTERS_PER_TOKEN)


def texts(content: Any) -> Iterator[str]:
    """The texts in a message, a list of messages or of their parts."""
    match content:
        case str():
            yield content
        case list():
            for part in content:
                yield from texts(part)
        case {"content": inner} | {"text": inner} | {"parts": inner}:
            yield from texts(inner)
        case dict():
            yield json.dumps(content)
