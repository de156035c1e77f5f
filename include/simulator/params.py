"""Reading query parameters the way Binance refuses them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from include.simulator.catalogue import Listing
from include.simulator.engine import Window
from include.simulator.interval import INTERVALS, Interval
from include.simulator.protocol import VenueError

_SYMBOL_RANGE = "^[A-Z0-9-_.]{1,20}$"
_NUMBER_RANGE = "^[0-9]{1,20}$"
_SYMBOLS_RANGE = '^\\["[A-Z0-9-_.]{1,20}"(,"[A-Z0-9-_.]{1,20}")*\\]$'
MICROSECOND_UNITS = ("MICROSECOND", "microsecond")
_MICROSECONDS_FROM = 100_000_000_000_000
_ZONE = re.compile(r"([+-]?)(\d{1,2})(?::([0-5]\d))?")


@dataclass(frozen=True, slots=True)
class Limits:
    """How many rows a page has; where not strict, more than ``most`` means ``most``."""

    default: int
    most: int
    is_strict: bool = False


SPOT_LIMITS = Limits(500, 1_000)


class Params:
    """One request's parameters; every ``read_`` method raises VenueError with Binance's code."""

    def __init__(
        self, pairs: Sequence[tuple[str, str]], known: Sequence[str], *, time_unit: str = ""
    ) -> None:
        """Take the query's pairs and the header ``X-MBX-TIME-UNIT``.

        Raises:
            VenueError: -1101 for a repeated parameter, -1104 for one outside ``known``.
        """
        self._values = dict(pairs)
        self.in_microseconds = time_unit in MICROSECOND_UNITS
        if len(self._values) != len(pairs):
            raise VenueError(-1101, "Duplicate values for a parameter detected.")
        read = sum(name in known for name in self._values)
        if read != len(pairs):
            raise VenueError(
                -1104,
                "Not all sent parameters were read; read "
                f"'{read}' parameter(s) but was sent '{len(pairs)}'.",
            )

    def __contains__(self, name: str) -> bool:
        """Tell whether the parameter was sent."""
        return name in self._values

    def read_symbol(self, listings: Mapping[str, Listing]) -> str:
        """Return the mandatory, listed ``symbol`` (else -1102, -1100, -1121)."""
        symbol = self._mandatory("symbol")
        _check_text("symbol", symbol, _SYMBOL_RANGE)
        if symbol not in listings:
            raise VenueError(-1121, "Invalid symbol.")
        return symbol

    def read_symbols(self, listings: Mapping[str, Listing]) -> list[str] | None:
        """Return what ``symbol`` or ``symbols`` names, None where neither was sent.

        Raises:
            VenueError: -1128 for both, -1100 for a malformed list, -1121 for one not listed.
        """
        if "symbol" in self and "symbols" in self:
            raise VenueError(-1128, "Combination of optional parameters invalid.")
        if "symbol" in self:
            return [self.read_symbol(listings)]
        if "symbols" not in self:
            return None
        text = self._values["symbols"].replace(" ", "")
        _check_text("symbols", text, _SYMBOLS_RANGE)
        symbols: list[str] = json.loads(text)
        if not set(symbols) <= set(listings):
            raise VenueError(-1121, "Invalid symbol.")
        return symbols

    def read_interval(self, known: Mapping[str, Interval] = INTERVALS) -> Interval:
        """Return the mandatory ``interval`` (else -1102, -1120)."""
        label = self._mandatory("interval")
        if label not in known:
            raise VenueError(-1120, "Invalid interval.")
        return known[label]

    def read_choice(self, name: str, choices: Sequence[str], *, code: int) -> str | None:
        """Return an optional word of ``choices`` (else ``code``)."""
        word = self._values.get(name)
        if word is not None and word not in choices:
            raise VenueError(code, f"Invalid {name}.")
        return word

    def read_number(self, name: str) -> int | None:
        """Return an optional whole number (else -1105, -1100)."""
        if name not in self:
            return None
        if not self._values[name]:
            raise VenueError(-1105, f"Parameter '{name}' was empty.")
        _check_text(name, self._values[name], _NUMBER_RANGE)
        return int(self._values[name])

    def read_time_ms(self, name: str) -> int | None:
        """Return an optional time in ms; microseconds are known by their size."""
        instant = self.read_number(name)
        if instant is not None and instant >= _MICROSECONDS_FROM:
            return instant // 1000
        return instant

    def read_limit(self, limits: Limits = SPOT_LIMITS) -> int:
        """Return ``limit`` or its default; 0 is refused (-1130), too much cut or refused."""
        limit = self.read_number("limit")
        if limit == 0 or (limit is not None and limit > limits.most and limits.is_strict):
            raise VenueError(-1130, "Data sent for parameter 'limit' is not valid.")
        return min(limits.default if limit is None else limit, limits.most)

    def read_window(self, limits: Limits = SPOT_LIMITS) -> Window:
        """Return ``startTime``, ``endTime`` and ``limit``."""
        start_ms, end_ms = self.read_time_ms("startTime"), self.read_time_ms("endTime")
        return Window(self.read_limit(limits), start_ms, end_ms)

    def read_zone_ms(self) -> int:
        """Return by how much ``timeZone`` is ahead of UTC, -12:00 to +14:00 (else -1130)."""
        match = _ZONE.fullmatch(self._values.get("timeZone", "0").strip())
        minutes = int(match[2]) * 60 + int(match[3] or 0) if match else 10**6
        minutes = -minutes if match and match[1] == "-" else minutes
        if not -12 * 60 <= minutes <= 14 * 60:
            raise VenueError(-1130, "Data sent for parameter 'timeZone' is not valid.")
        return minutes * 60_000

    def _mandatory(self, name: str) -> str:
        if not self._values.get(name):
            raise VenueError(
                -1102,
                f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.",
            )
        return self._values[name]


def _check_text(name: str, text: str, legal: str) -> None:
    if not re.fullmatch(legal, text):
        raise VenueError(
            -1100, f"Illegal characters found in parameter '{name}'; legal range is '{legal}'."
        )
