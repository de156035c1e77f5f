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


@lru_cache(maxsize=16_384)
def keyed_uniform(*key: int | str) -> float:
    """Return a number of the open interval (0, 1) fixed by ``key``."""
    return _to_uniform(keyed_number(*key))


@lru_cache(maxsize=16_384)
def keyed_normal(*key: int | str) -> float:
    """Return a standard normal number fixed by ``key``."""
    return _NORMAL.inv_cdf(_to_uniform(keyed_number(*key)))


def _to_uniform(number: int) -> float:
    return ((number >> 75) + 0.5) / 2.0**53


def keyed_generator(*key: int | str) -> np.random.Generator:
    """Return a numpy generator (Philox) whose whole stream is fixed by ``key``."""
    return np.random.Generator(np.random.Philox(key=keyed_number(*key)))


class BlockCache(Generic[K, V]):
    """The most recently used blocks; two threads may build the same block twice."""

    def __init__(self, size: int, *, weigh: Callable[[V], int] = lambda _: 1) -> None:
        """Hold blocks that together weigh at most ``size``, by default that many blocks."""
        self._size = size
        self._weigh = weigh
        self._held = 0
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
            if key not in self._blocks:
                self._blocks[key] = block
                self._held += self._weigh(block)
            while self._held > self._size:
                _, dropped = self._blocks.popitem(last=False)
                self._held -= self._weigh(dropped)
        return block
