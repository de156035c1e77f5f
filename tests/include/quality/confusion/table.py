"""What was planted against what was found, counted and shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

CLEAN = "clean"


@dataclass(frozen=True, slots=True)
class Observation:
    """One row, minute or batch: what was planted there, what should be and what was found."""

    kind: str
    expected: str
    found: str


@dataclass(slots=True)
class ConfusionTable:
    """Planted kinds by what was found; ``CLEAN`` on either side means nothing."""

    counts: Counter[Observation] = field(default_factory=Counter)

    def add(self, observations: Iterable[Observation]) -> None:
        self.counts.update(observations)

    @property
    def kinds(self) -> set[str]:
        return {one.kind for one in self.counts if one.kind != CLEAN}

    def recall(self, kind: str | None = None) -> float:
        """Return the share of what was planted that was found under the right name."""
        planted = right = 0
        for one, count in self.counts.items():
            if one.expected != CLEAN and kind in (None, one.kind):
                planted += count
                right += count if one.found == one.expected else 0
        return right / planted if planted else 1.0

    def precision(self) -> float:
        """Return the share of what was found that is there, under the name it was found by."""
        found = right = 0
        for one, count in self.counts.items():
            if one.found != CLEAN:
                found += count
                right += count if one.found == one.expected else 0
        return right / found if found else 1.0

    def false_alarms(self) -> int:
        """Return how much was found where nothing was planted."""
        return sum(
            count
            for one, count in self.counts.items()
            if one.expected == CLEAN and one.found != CLEAN
        )

    def render(self) -> str:
        """Return the table as text: a line per planted kind, what it was found as, how often."""
        lines = [f"{'planted':<26}{'number':>7}  found as"]
        for kind in sorted(self.kinds | ({CLEAN} if self._has_clean() else set())):
            found: Counter[str] = Counter()
            for one, count in self.counts.items():
                if one.kind == kind:
                    found[one.found if one.found != CLEAN else "nothing"] += count
            said = ", ".join(f"{name} {count}" for name, count in found.most_common())
            lines.append(f"{kind:<26}{sum(found.values()):>7}  {said}")
        lines.append(f"precision {self.precision():.4f}, recall {self.recall():.4f}")
        return "\n".join(lines)

    def _has_clean(self) -> bool:
        return any(one.kind == CLEAN for one in self.counts)
