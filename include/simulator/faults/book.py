"""The rules that are switched on, and which of them fire at a request."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from include.market.errors import InvalidInputError
from include.simulator.faults.asked import Asked
from include.simulator.faults.rules import Rule
from include.simulator.faults.table import Kind
from include.simulator.keyed import keyed_generator, keyed_uniform

MAX_RULES = 1_000
_MAX_MEMORIES = 256


@dataclass(slots=True)
class Entry:
    """A rule that is on: how many requests met it and at how many it fired."""

    id: int
    rule: Rule
    since_s: float
    seen: int = 0
    fired: int = 0
    memory: dict[str, Any] = field(default_factory=dict)

    def remember(self, name: str, value: object) -> None:
        """Keep something from one answer for a later one; the oldest goes beyond a bound."""
        self.memory.pop(name, None)
        self.memory[name] = value
        if len(self.memory) > _MAX_MEMORIES:
            self.memory.pop(next(iter(self.memory)))


@dataclass(slots=True)
class Firing:
    """One rule at one request; ``number`` counts the requests that met the rule, from 1."""

    entry: Entry
    number: int

    @property
    def name(self) -> str:
        """Name of the fault."""
        return self.entry.rule.fault.name

    @property
    def kind(self) -> Kind:
        """How the fault acts."""
        return self.entry.rule.fault.kind

    def __getitem__(self, name: str) -> Any:
        """Return a parameter of the fault."""
        return self.entry.rule.params[name]

    def generator(self) -> np.random.Generator:
        """Return the chance of this firing, fixed by seed, rule and request number."""
        rule = self.entry.rule
        return keyed_generator(rule.seed, "firing", rule.key(), self.number)

    def release(self) -> None:
        """Take the firing back: the answer held nothing that the fault could change."""
        self.entry.fired -= 1


class RuleBook:
    """All rules that are on. Not for threads: only the event loop claims and releases."""

    def __init__(self, *, now_s: Callable[[], float] = time.monotonic) -> None:
        """Begin without rules."""
        self._now_s = now_s
        self._entries: dict[int, Entry] = {}
        self._next_id = 1

    def switch_on(self, rules: Sequence[Rule]) -> list[int]:
        """Switch rules on and return their ids.

        Raises:
            InvalidInputError: more rules than the simulator holds.
        """
        if len(self._entries) + len(rules) > MAX_RULES:
            raise InvalidInputError(
                f"{len(rules)} rules beside {len(self._entries)} are more than {MAX_RULES}: "
                "switch some off with DELETE /sim/faults/{id}"
            )
        ids = []
        for rule in rules:
            self._entries[self._next_id] = Entry(self._next_id, rule, self._now_s())
            ids.append(self._next_id)
            self._next_id += 1
        return ids

    def switch_off(self, rule_id: int | None = None) -> int:
        """Switch one rule off, or all; return how many were on."""
        if rule_id is None:
            count = len(self._entries)
            self._entries.clear()
            return count
        return int(self._entries.pop(rule_id, None) is not None)

    def describe(self) -> list[dict[str, object]]:
        """Return every rule with its counts and whether its time is still running."""
        return [
            {
                "id": entry.id,
                **entry.rule.document(),
                "seen": entry.seen,
                "fired": entry.fired,
                "active": self._is_active(entry),
            }
            for entry in self._entries.values()
        ]

    def claim(self, asked: Asked) -> list[Firing]:
        """Return what fires at a request, in the order of switching on.

        At most one answer instead and one damage of transport are among them; where there is an
        answer instead, no change of rows or bytes is.
        """
        won = [
            firing for entry in list(self._entries.values()) if (firing := self._draw(entry, asked))
        ]
        instead = [firing for firing in won if firing.kind == "instead"][:1]
        content = [firing for firing in won if firing.kind in ("rows", "bytes")]
        transport = [firing for firing in won if firing.kind == "transport"][:1]
        claimed = [*(instead or content), *transport]
        for firing in claimed:
            firing.entry.fired += 1
        return claimed

    def _draw(self, entry: Entry, asked: Asked) -> Firing | None:
        rule = entry.rule
        if not self._is_active(entry) or not asked.meets(rule):
            return None
        entry.seen += 1
        is_used_up = rule.times is not None and entry.fired >= rule.times
        if entry.seen <= rule.after or is_used_up:
            return None
        if keyed_uniform(rule.seed, "draw", rule.key(), entry.seen) >= rule.probability:
            return None
        return Firing(entry, entry.seen)

    def _is_active(self, entry: Entry) -> bool:
        active_s = entry.rule.active_s
        return active_s is None or self._now_s() < entry.since_s + active_s
