"""What was asked of the simulated exchange, request by request."""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass, field, fields
from fnmatch import fnmatchcase

RING_SIZE = 100_000


@dataclass(slots=True)
class Hit:
    """One request; ``status`` is None until a status line was sent, and stays so if none was.

    ``time_ms`` is wall time, ``monotonic_ms`` counts from an arbitrary instant. ``pause_age_ms``
    tells how old the pause was that the request broke, None where it broke none.
    """

    serial: int
    time_ms: int
    monotonic_ms: int
    address: str
    method: str
    path: str
    query: str
    pause_age_ms: int | None = None
    during_ban: bool = False
    status: int | None = None
    bytes: int = 0
    faults: list[str] = field(default_factory=list)
    done_ms: int | None = None

    def finish(self, status: int | None, sent: int) -> None:
        """Note what was sent; ``done_ms`` is monotonic."""
        self.status, self.bytes = status, sent
        self.done_ms = int(time.monotonic() * 1000)

    def document(self) -> dict[str, object]:
        """Return the hit as JSON tells it."""
        told = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {**told, "during_pause": self.pause_age_ms is not None}


class HitLog:
    """The last requests, oldest first; serial numbers grow for ever."""

    def __init__(self, size: int = RING_SIZE) -> None:
        """Keep ``size`` hits."""
        self._hits: deque[Hit] = deque(maxlen=size)
        self._next = 1

    def open(self, address: str, method: str, path: str, query: str) -> Hit:
        """Log a request as it arrives and return its entry."""
        hit = Hit(
            serial=self._next,
            time_ms=int(time.time() * 1000),
            monotonic_ms=int(time.monotonic() * 1000),
            address=address,
            method=method,
            path=path,
            query=query,
        )
        self._next += 1
        self._hits.append(hit)
        return hit

    def clear(self) -> int:
        """Forget all hits and return how many there were."""
        count = len(self._hits)
        self._hits.clear()
        return count

    def select(self, since: int, path: str, limit: int) -> dict[str, object]:
        """Return hits with a serial above ``since``, at most ``limit``; ask on from ``next``.

        ``first`` is the oldest serial still kept: one above ``since + 1`` means hits were lost.
        """
        chosen: list[dict[str, object]] = []
        last = since
        for hit in self._hits:
            if hit.serial > since and fnmatchcase(hit.path, path):
                if len(chosen) == limit:
                    return {"hits": chosen, "next": last, "first": self._hits[0].serial}
                chosen.append(hit.document())
                last = hit.serial
        first = self._hits[0].serial if self._hits else self._next
        return {"hits": chosen, "next": max(since, self._next - 1), "first": first}

    def summarise(self) -> dict[str, object]:
        """Return counts by path and status, by fault, and of pauses and bans broken."""
        hits = list(self._hits)
        by_path: dict[str, Counter[str]] = {}
        for hit in hits:
            by_path.setdefault(hit.path, Counter())[_status(hit)] += 1
        return {
            "requests": len(hits),
            "by_path": {path: dict(counts) for path, counts in sorted(by_path.items())},
            "by_status": dict(Counter(map(_status, hits))),
            "by_fault": dict(Counter(name for hit in hits for name in hit.faults)),
            "during_pause": sum(hit.pause_age_ms is not None for hit in hits),
            "during_ban": sum(hit.during_ban for hit in hits),
        }


def _status(hit: Hit) -> str:
    return "none" if hit.status is None else str(hit.status)
