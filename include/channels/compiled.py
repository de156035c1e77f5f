"""Compiles numeric loops; the machine code is kept beside the source for the next process."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

Kernel = TypeVar("Kernel", bound=Callable[..., Any])

# Sums may be reassociated, which lets them run four wide; NaN and infinities keep their meaning.
_FAST = {"reassoc", "nsz", "contract"}


def compiled(function: Kernel) -> Kernel:
    """Return ``function`` as machine code that holds no interpreter lock.

    A division by zero gives infinity or NaN, as in numpy. The same machine gives the same bits,
    whatever the number of threads.
    """
    compile_it = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)
    return cast(Kernel, compile_it(function))
