"""Compiles numeric loops; the machine code is kept beside the source for the next process."""

from __future__ import annotations

import fcntl
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
    whatever the number of threads. Several processes may compile and keep it at the same time.
    """
    former = numba.config.CACHE_DIR
    numba.config.CACHE_DIR = cache_folder(former)
    try:
        compile_it = numba.njit(nogil=True, cache=True, error_model="numpy", fastmath=_FAST)
        kernel = compile_it(function)
    finally:
        numba.config.CACHE_DIR = former
    # Without machine code (NUMBA_DISABLE_JIT, to debug) there is nothing to keep.
    if not numba.config.DISABLE_JIT:
        _keep_one_at_a_time(kernel._cache)
    return cast(Kernel, kernel)


def cache_folder(parent: str = "") -> str:
    """Return a folder in ``parent`` named after the sources of this room.

    numba believes its machine code as long as the function's own file is unchanged, although
    kernels of other files are compiled into it.
    """
    here = Path(__file__).parent
    sources = b"".join(path.read_bytes() for path in sorted(here.glob("*.py")))
    digest = hashlib.sha256(sources).hexdigest()[:16]
    return str(Path(parent or here / "__pycache__") / f"kernels-{digest}")


def _keep_one_at_a_time(cache: Any) -> None:
    """Let no other process keep machine code in the folder of ``cache`` while this one does.

    numba looks up a free number in an index, then writes index and numbered file. Two processes
    that compile one kernel for different types at the same time take the same number, and from then
    on one of them is loaded as the other's code.
    """
    keep = cache.save_overload

    def keep_alone(signature: Any, compiled_code: Any) -> None:
        folder = Path(cache.cache_path)
        folder.mkdir(parents=True, exist_ok=True)
        # The lock ends with the file: by leaving here, or with the process.
        with (folder / "lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            keep(signature, compiled_code)

    cache.save_overload = keep_alone
