"""Compiles numeric loops; the machine code is kept beside the source for the next process."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Sums may be reassociated, which lets them run four wide; NaN and infinities keep their meaning.
_FAST: Final = {"reassoc", "nsz", "contract"}


def compiled(function: Kernel) -> Kernel:
    """Return ``function`` as machine code that holds no interpreter lock.

    A division by zero gives infinity or NaN, as in numpy. The same machine gives the same bits,
    whatever the number of threads.
    """
    former = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = cache_folder(former)
    try:
        compile_it = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)
        return cast(Kernel, compile_it(function))
    finally:
        numba.config.CACHE_DIR = former


def cache_folder(parent: str = "") -> str:
    """Return a folder in ``parent`` named after the sources of this room.

    numba believes its machine code as long as the function's own file is unchanged, although
    kernels of other files are compiled into it.
    """
    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    digest = hashlib.sha256(sources).hexdigest()[:16]
    return str(Path(parent or here / "__pycache__") / f"kernels-{digest}")
