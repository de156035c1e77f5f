"""A scenario: the faults and amendments that a file or a request puts in force together.

The document is a mapping, in YAML or JSON::

    about: A bad hour
    faults:
      - {fault: rate_limited, route: /api/v3/klines, times: 3, retry_after_s: 1}
      - {fault: cut_valid_json, probability: 0.1, seed: 7}
    amendments:
      - {kind: missing, symbol: BTCUSDT, start: "2025-07-01T10:00Z", end: "2025-07-01T10:05Z"}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import yaml

from include.market.errors import InvalidInputError
from include.simulator.amendments import Amendments
from include.simulator.clock import Clock
from include.simulator.faults.book import RuleBook
from include.simulator.faults.rules import Rule, parse_rules

_KEYS = ("about", "faults", "amendments")


class Stage(Protocol):
    """What a scenario's amendments change: the simulated exchange."""

    @property
    def clock(self) -> Clock:
        """Tell the exchange's time, from which ``now-90m`` counts."""

    @property
    def amendments(self) -> Amendments:
        """Hold the amendments in force."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """Checked faults, and amendments as they were written: those need the exchange's clock."""

    faults: tuple[Rule, ...] = ()
    amendments: tuple[Mapping[str, object], ...] = ()

    def put_in_force(self, book: RuleBook, stage: Stage) -> list[int]:
        """Put everything in force, or nothing where an amendment is wrong; return rule ids.

        Raises:
            InvalidInputError: an amendment that cannot be right, or too many rules.
        """
        amendments = Amendments.from_rules(self.amendments, now_ms=stage.clock.now_ms())
        ids = book.switch_on(self.faults)
        if self.amendments:
            stage.amendments.add(amendments)
        return ids


def parse_scenario(document: object) -> Scenario:
    """Return the scenario that a document describes.

    Raises:
        InvalidInputError: an unknown key, no list, or a rule that cannot be right.
    """
    if not isinstance(document, dict):
        raise InvalidInputError(f"a scenario is a mapping of {', '.join(_KEYS)}: was {document!r}")
    unknown = [key for key in document if key not in _KEYS]
    if unknown:
        raise InvalidInputError(
            f"scenario key {unknown[0]!r} is unknown: write of {', '.join(_KEYS)}"
        )
    faults, amendments = (_read_list(document, key) for key in ("faults", "amendments"))
    return Scenario(tuple(parse_rules(faults)), tuple(amendments))


def read_scenario(path: str) -> Scenario:
    """Return the scenario of a YAML file.

    Raises:
        InvalidInputError: no such file, no YAML, or a scenario that cannot be right.
    """
    try:
        document = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidInputError(f"scenario {path} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise InvalidInputError(f"scenario {path} is not YAML: {reason}") from None
    try:
        return parse_scenario(document)
    except InvalidInputError as error:
        raise InvalidInputError(f"scenario {path}: {error}") from None


def _read_list(document: dict[str, Any], key: str) -> list[Any]:
    entries = document.get(key)
    if entries is None:
        return []
    if not isinstance(entries, list):
        raise InvalidInputError(f"scenario key {key!r} must be a list, was {entries!r}")
    return entries
