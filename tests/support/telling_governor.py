"""A shared budget whose holder remembers when the venue's wishes had been written down for all."""

from __future__ import annotations

import time

from include.warehouse.rate_governor import WarehouseGovernor


class TellingGovernor(WarehouseGovernor):
    """Keeps the epoch seconds by which the others could know; None as long as it met no refusal.

    What arrives at the venue later was granted before: one request of each other process, which
    asks one at a time.
    """

    paused_s: float | None = None
    banned_s: float | None = None

    def note_pause(self, seconds: float) -> None:
        """Let nobody ask this venue for ``seconds``."""
        super().note_pause(seconds)
        self.paused_s = self.paused_s or time.time()

    def note_ban(self, seconds: float, *, reason: str = "") -> bool:
        """Let nobody ask this venue for ``seconds``; tell whether that is news."""
        is_new = super().note_ban(seconds, reason=reason)
        self.banned_s = self.banned_s or time.time()
        return is_new

    def told(self) -> dict[str, float | None]:
        """Return both moments, for whoever started this process."""
        return {"paused_s": self.paused_s, "banned_s": self.banned_s}
