"""ccxt's exceptions in our words. Pure: ccxt is heavy, so classes are known by name here."""

from __future__ import annotations

import re

from include.market.errors import (
    AccessDeniedError,
    CandlewickError,
    FinalError,
    RateLimitedError,
    SourceUnavailableError,
    UnknownInstrumentError,
)
from include.market.printable import printable

# The first name that is among an exception's classes decides; ccxt's tree is in its base/errors.py.
MEANINGS: tuple[tuple[str, type[CandlewickError], str], ...] = (
    ("BadSymbol", UnknownInstrumentError, "is not listed; correct Variable universe"),
    ("RateLimitExceeded", RateLimitedError, "asks too often for this exchange; wait"),
    ("DDoSProtection", RateLimitedError, "asks too often for this exchange; wait"),
    ("AuthenticationError", AccessDeniedError, "needs an account or another region"),
    ("RestrictedLocation", AccessDeniedError, "is refused to this region"),
    ("NotSupported", FinalError, "is nothing this exchange offers"),
    ("OperationFailed", SourceUnavailableError, "did not work; is the exchange up?"),
)
_ADDRESS = re.compile(r"https?://([^/\s?]+)\S*")


def translate(error: Exception, what: str) -> CandlewickError:
    """Return our error for an exception of ccxt; ``what`` names exchange, call and symbol."""
    names = {kind.__name__ for kind in type(error).__mro__}
    # ccxt repeats the whole address with its query, and whatever the exchange sent.
    told = printable(_ADDRESS.sub(r"\1", " ".join(str(error).split())), 120)
    for name, ours, meaning in MEANINGS:
        if name in names:
            return ours(f"{what} {meaning} ({type(error).__name__}: {told})")
    return FinalError(f"{what} was refused ({type(error).__name__}: {told})")
