"""What a venue's clock may say. Pure."""

from __future__ import annotations

from typing import Final

from include.market.errors import ContractError
from include.market.printable import printable

EARLIEST_MS: Final = 10**12
LATEST_MS: Final = 10**13
"""2001 and 2286: seconds lie below, microseconds above."""


def require_epoch_ms(instant: object, where: str) -> int:
    """Return a venue's time if it is epoch milliseconds.

    What is final, and how far to ask, hangs on it: a unit too small would ask for the far future.

    Raises:
        ContractError: another type or unit.
    """
    if type(instant) is not int or not EARLIEST_MS <= instant < LATEST_MS:
        raise ContractError(
            f"{where}: expected the time in epoch milliseconds, was "
            f"'{printable(repr(instant), 80)}'; has the venue changed its format?"
        )
    return instant
