"""Randomness that depends on its key alone, and a small cache for what it builds.

Every draw of the synthetic market is named by a key such as (seed, symbol, purpose, day), so any
part of it can be made first, last or alone and comes out the same.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from functools import lru_cache
from hashlib import blake2b
from statistics import NormalDist
from typing import Generic, TypeVar

import numpy as np

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

_NORMAL = NormalDist()


def keyed_number(*key: int | str) -> int:
    """Return a 128-bit integer that looks random and is fixed by ``key``."""
    text = "|".join(map(str, key))
    return int.from_bytes(blake2b(text.encode(), digest_size=16).digest(), "big")


@lru_cache(maxsize=131_072)
def keyed_uniform(*key: int | str) -> float:
    """Return a number of the open interval (0, 1) fixed by ``key``."""
    return ((keyed_number(*key) >> 75) + 0.5) / 2.0**53


@lru_cache(maxsize=131_072)
def keyed_normal(*key: int | str) -> float:
    """Return a standard normal number fixed by ``key``."""
    return _NORMAL.inv_cdf(keyed_uniform(*key))


def keyed_generator(*key: int | str) -> np.random.Generator:
    """Return a numpy generator (Philox) whose whole stream is fixed by ``key``."""
    return np.random.Generator(np.random.Philox(key=keyed_number(*key)))


class BlockCache(Generic[K, V]):
    """The ``size`` most recently used blocks; two threads may build the same block twice."""

    def __init__(self, size: int) -> None:
        """Hold at most ``size`` blocks."""
        self._size = size
        self._blocks: OrderedDict[K, V] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K, build: Callable[[], V]) -> V:
        """Return the block called ``key``, building it where it is not held."""
        with self._lock:
            if key in self._blocks:
                self._blocks.move_to_end(key)
                return self._blocks[key]
        block = build()
        with self._lock:
            self._blocks[key] = block
            self._blocks.move_to_end(key)
            while len(self._blocks) > self._size:
                self._blocks.popitem(last=False)
        return block
