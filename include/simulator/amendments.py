"""Changes of the truth: what the simulated exchange lost, revised, listed, renamed or ended."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence

from include.market.errors import InvalidInputError
from include.simulator.amendment_rules import Amendment, read_rule


class Amendments:
    """The rules in force; they may be changed while the exchange answers, from any thread."""

    def __init__(self, rules: Iterable[Amendment] = ()) -> None:
        """Begin with ``rules``."""
        self._lock = threading.Lock()
        self._state: tuple[int, tuple[Amendment, ...]] = (0, tuple(rules))

    @classmethod
    def from_rules(
        cls, rules: Sequence[Mapping[str, object]], *, now_ms: int | None = None
    ) -> Amendments:
        """Read rules; ``now_ms`` is what ``now-90m`` counts from.

        Raises:
            InvalidInputError: a rule that cannot be right, named by its number and field.
        """
        read: list[Amendment] = []
        for number, rule in enumerate(rules, start=1):
            try:
                read += read_rule(rule, now_ms=now_ms)
            except InvalidInputError as error:
                raise InvalidInputError(f"amendment {number}: {error}") from None
        return cls(read)

    @property
    def state(self) -> tuple[int, tuple[Amendment, ...]]:
        """The rules with a number that grows at every change, both read at once."""
        return self._state

    @property
    def rules(self) -> tuple[Amendment, ...]:
        """The rules in force."""
        return self._state[1]

    def add(self, more: Amendments) -> None:
        """Put more rules in force."""
        with self._lock:
            version, rules = self._state
            self._state = (version + 1, rules + more.rules)

    def clear(self) -> None:
        """Take all rules back."""
        with self._lock:
            self._state = (self._state[0] + 1, ())
