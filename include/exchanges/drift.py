"""Tells once when a venue's answers gain or lose a field, or tell one in another unit."""

from __future__ import annotations

import logging
from typing import Final, Literal, Protocol

from include.market.printable import printable

DriftKind = Literal["added", "removed", "unit"]
_HAPPENED: Final = {"added": "was added", "removed": "was removed", "unit": "changed its unit"}
_LOG: Final = logging.getLogger(__name__)
# A venue that invents a new name in every answer must not fill the memory or the log.
MOST_CHANGES: Final = 1000


class DriftLog(Protocol):
    """Where a source says that a format changed."""

    def note(self, venue: str, endpoint: str, field: str, kind: DriftKind) -> bool:
        """Note that ``field`` came, went or changed its unit; True the first time."""
        ...


class OnceLog:
    """Warns of each change once per process; hands it on to ``beyond``, if there is one."""

    def __init__(self, beyond: DriftLog | None = None) -> None:
        """Remember nothing yet."""
        self._beyond = beyond
        self._noted: set[tuple[str, str, str, str]] = set()

    def note(self, venue: str, endpoint: str, field: str, kind: DriftKind) -> bool:
        """Note a change; True the first time, as far as ``beyond`` agrees."""
        change = (venue, endpoint, printable(field), kind)
        if change in self._noted or len(self._noted) >= MOST_CHANGES:
            return False
        is_new = self._beyond is None or self._beyond.note(*change[:3], kind)
        self._noted.add(change)
        if is_new:
            _LOG.warning("%s %s: field %r %s", *change[:3], _HAPPENED[kind])
        return is_new
