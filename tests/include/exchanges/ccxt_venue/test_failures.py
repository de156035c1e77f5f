"""ccxt's own exceptions, each in our words."""

from __future__ import annotations

import pytest

from include.exchanges.ccxt_venue.exchange import load_ccxt
from include.exchanges.ccxt_venue.failures import translate
from include.market.errors import (
    AccessDeniedError,
    CandlewickError,
    FinalError,
    RateLimitedError,
    RetryableError,
    SourceUnavailableError,
    UnknownInstrumentError,
)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("BadSymbol", UnknownInstrumentError),
        ("RateLimitExceeded", RateLimitedError),
        ("DDoSProtection", RateLimitedError),
        ("ExchangeNotAvailable", SourceUnavailableError),
        ("OnMaintenance", SourceUnavailableError),
        ("RequestTimeout", SourceUnavailableError),
        ("NetworkError", SourceUnavailableError),
        ("NullResponse", SourceUnavailableError),
        ("AuthenticationError", AccessDeniedError),
        ("PermissionDenied", AccessDeniedError),
        ("RestrictedLocation", AccessDeniedError),
        ("NotSupported", FinalError),
        ("BadRequest", FinalError),
        ("ExchangeError", FinalError),
    ],
)
def test_each_has_its_meaning(name: str, ours: type[CandlewickError]) -> None:
    error = getattr(load_ccxt(), name)("kraken GET https://api.kraken.com/0?pair=X")
    translated = translate(error, "ccxt:kraken fetch_ohlcv X")
    assert type(translated) is ours
    assert isinstance(translated, RetryableError | FinalError)
    assert name in str(translated)


def test_what_the_exchange_sent_is_made_safe_and_addresses_lose_their_query() -> None:
    sent = (
        "kraken GET https://api.kraken.com/0/public/OHLC?pair=X&key=abc\n\x1b[31m{...}" + "x" * 500
    )
    text = str(translate(load_ccxt().ExchangeError(sent), "ccxt:kraken fetch_ohlcv X"))
    assert "api.kraken.com" in text
    assert not any(part in text for part in ("key=abc", "\n", "\x1b"))
    assert len(text) < 250
