"""Which other venue is asked for what a venue and its archive have lost: an operator's choice."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from include.market.errors import InvalidInputError

_KEYS: Final = ("venue", "symbols", "tolerance", "after_looks")
_WIDEST: Final = 0.1
_FEWEST_LOOKS: Final = 2


@dataclass(frozen=True, slots=True)
class SecondSource:
    """Another venue, and what it calls the instruments it may stand in for.

    ``symbols`` maps own symbols to the other venue's. ``tolerance`` is how far its price level may
    be from ours, as a share; ``after_looks`` how many looks at the venue itself must have been in
    vain.
    """

    venue: str
    symbols: Mapping[str, str] = field(default_factory=dict)
    tolerance: float = 0.01
    after_looks: int = 4


def read_second_source(
    written: object, where: str, *, venue: str, pattern: re.Pattern[str], symbol: re.Pattern[str]
) -> SecondSource:
    """Read ``{"venue": "binance_usdm", "symbols": {"BTCUSDT": "BTCUSDT"}, "tolerance": 0.01}``.

    ``where`` names the place in messages, ``venue`` whose second source it is; ``pattern`` and
    ``symbol`` are what names of venues and symbols look like.

    Raises:
        InvalidInputError: not that shape, an unknown key, a doubtful name, the venue itself.
    """
    where = f"{where}, second_source"
    if not isinstance(written, dict):
        raise InvalidInputError(f"{where}: expected an object, was {written!r}")
    if unknown := sorted(set(written) - set(_KEYS)):
        raise InvalidInputError(
            f"{where}: unknown key {', '.join(unknown)}; choose from {', '.join(_KEYS)}"
        )
    other = written.get("venue")
    if not isinstance(other, str) or not pattern.fullmatch(other) or other == venue:
        raise InvalidInputError(f"{where}: venue must name another venue, was {other!r}")
    found = SecondSource(other, _read_symbols(written.get("symbols"), where, symbol))
    tolerance = written.get("tolerance", found.tolerance)
    if type(tolerance) not in (int, float) or not 0 < tolerance <= _WIDEST:
        raise InvalidInputError(
            f"{where}: tolerance must be a share above 0, at most {_WIDEST}, was {tolerance!r}"
        )
    looks = written.get("after_looks", found.after_looks)
    if type(looks) is not int or looks < _FEWEST_LOOKS:
        raise InvalidInputError(
            f"{where}: after_looks must be a number of looks, {_FEWEST_LOOKS} or more, "
            f"was {looks!r}"
        )
    return SecondSource(other, found.symbols, float(tolerance), looks)


def _read_symbols(written: Any, where: str, pattern: re.Pattern[str]) -> Mapping[str, str]:
    if not isinstance(written, dict) or not written:
        raise InvalidInputError(
            f'{where}: symbols must be like {{"BTCUSDT": "BTCUSDT"}}, was {written!r}'
        )
    for name in (*written, *written.values()):
        if not isinstance(name, str) or not pattern.fullmatch(name):
            raise InvalidInputError(
                f"{where}: symbol {name!r} is not of the form {pattern.pattern}"
            )
    return dict(written)
