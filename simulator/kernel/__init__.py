"""The data plane, compiled: state (arrays), blocks and prefix (KV cache), queues, batching
(the scheduler), routing, advance. docs/background/serving-engine.md has its rules.

Everything also runs as plain Python with NUMBA_DISABLE_JIT=1. Never fastmath: the plane must agree
with its twin to the last bit.
"""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numba


def source_digest() -> str:
    """Of all that is compiled: Numba itself looks at one file when it asks whether code is stale,
    while functions are inlined across files. And of its place: Numba knows compiled code by that,
    so another checkout's is no use."""
    here = Path(__file__).parent
    digest = hashlib.sha256(f"{numba.__version__} {here}".encode())
    for path in [*sorted(here.glob("*.py")), here.parent / "run.py"]:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def cache_folder() -> Path:
    """Where compiled code of this very version is kept between runs. Numba runs what it finds
    there: it must be our own."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    name = f"kernel-{source_digest()}"
    for place in (
        Path(base).expanduser() / "fleetcast",
        Path(tempfile.gettempdir()) / f"fleetcast-{os.getuid()}",
    ):
        try:
            (place / name).mkdir(mode=0o700, parents=True, exist_ok=True)
            if os.access(place / name, os.W_OK) and place.stat().st_uid == os.getuid():
                return place / name
        except OSError:
            pass
    return Path(tempfile.mkdtemp(prefix="fleetcast-"))


CACHE_FOLDER = cache_folder()


@contextmanager
def own_cache() -> Iterator[None]:
    """Functions decorated inside keep their compiled code in our folder, others where they did."""
    before, numba.config.CACHE_DIR = numba.config.CACHE_DIR, str(CACHE_FOLDER)
    try:
        yield
    finally:
        numba.config.CACHE_DIR = before


SAFE = {"error_model": "numpy", "_nrt": False}
OPTIONS = SAFE | {"forceinline": True}
"""Each call would pass some hundred words of array descriptions, which takes longer than the work:
`forceinline` makes one function of each door. Without `_nrt`, Numba would count references to every
array at every call; the kernel allocates nothing, so nothing needs it."""


def kernel(function):
    """Compile a function into the doors that lead to it."""
    return numba.njit(no_cfunc_wrapper=True, **OPTIONS)(function)


def cold(function):
    """Compile a function that is rarely called to be called: inside the doors it would only be in
    the way of what is called often."""
    return numba.njit(no_cfunc_wrapper=True, **SAFE)(function)


def door(function):
    """Compile a function that Python code calls, and keep the code on disk."""
    with own_cache():
        return numba.njit(cache=True, **OPTIONS)(function)
