"""One exchange of ccxt: its object, its markets, its clock, and the one way to call it.

ccxt is imported when the first exchange is made: it takes seconds and 100 MB that no DAG file has.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from include.exchanges.ccxt_venue.failures import translate
from include.exchanges.ccxt_venue.session import GuardedSession
from include.exchanges.ccxt_venue.traits import traits_of
from include.exchanges.governor import RateGovernor
from include.exchanges.http import HttpSettings
from include.exchanges.server_clock import require_epoch_ms
from include.market.errors import (
    BannedError,
    ContractError,
    InvalidInputError,
    RateLimitedError,
    RetryableError,
)
from include.market.rate_limit import RateLimit

T = TypeVar("T")

PREFIX = "ccxt:"
# What ccxt's parsers raise over an answer of another shape.
_UNREADABLE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


class CcxtExchange:
    """Calls ccxt through a guarded session; not to be shared by threads."""

    def __init__(
        self,
        exchange: str,
        *,
        governor: RateGovernor,
        settings: HttpSettings,
        base_url: str | None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make ccxt's object for ``exchange``; nothing is asked yet.

        Raises:
            InvalidInputError: ccxt knows no such exchange.
        """
        ccxt = load_ccxt()
        self.name = PREFIX + exchange
        self.habits = traits_of(exchange)
        self.session = GuardedSession(
            governor, deadline_s=settings.deadline_s, max_bytes=settings.max_bytes
        )
        self._settings = settings
        self._sleep = sleep
        self._ccxt_error: type[Exception] = ccxt.BaseError
        self.api: Any = getattr(ccxt, _known(exchange))(
            {
                "session": self.session,
                "enableRateLimit": True,
                "timeout": int(settings.deadline_s * 1000),
                "options": dict(self.habits.options),
            }
        )
        # Currencies are of no use to us, and are a private call at many exchanges.
        self.api.has["fetchCurrencies"] = False
        if base_url is not None:
            self.api.urls["api"] = move_host(self.api.urls["api"], base_url)
        self._ahead_ms: int | None = None

    def server_time_ms(self) -> int:
        """Return the exchange's clock: its own endpoint, else the Date of its last answer."""
        if self.api.has.get("fetchTime") is True:
            instant_ms = self.ask("fetch_time", "", self.api.fetch_time)
        else:
            self.markets()
            instant_ms = self.session.now_ms()
        instant_ms = require_epoch_ms(instant_ms, f"{self.name}, server time")
        self._ahead_ms = instant_ms - _monotonic_ms()
        return instant_ms

    def now_ms(self) -> int:
        """Return the same clock as :meth:`server_time_ms`, without asking again."""
        if self._ahead_ms is None:
            return self.server_time_ms()
        return _monotonic_ms() + self._ahead_ms

    def markets(self) -> dict[str, Any]:
        """Return ccxt's markets by its symbols, asked for once."""
        markets: dict[str, Any] = self.ask("load_markets", "", self.api.load_markets)
        return markets

    def market(self, symbol: str) -> dict[str, Any]:
        """Return one market.

        Raises:
            UnknownInstrumentError: the exchange does not list it.
        """
        self.markets()
        market: dict[str, Any] = self.ask("market", symbol, lambda: self.api.market(symbol))
        return market

    def ask(self, name: str, symbol: str, call: Callable[[], T]) -> T:
        """Call ccxt, again while that can help; the governor grants each request of the call.

        Raises:
            CandlewickError: what ccxt's exception, or the answer, means in our words.
        """
        what = f"{self.name} {name} {symbol}".rstrip()
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return self._ask_once(what, call)
            except BannedError:
                raise
            except RetryableError as error:
                if attempt == self._settings.attempts:
                    raise
                # The governor knows of a pause and keeps the next try waiting by itself.
                if not isinstance(error, RateLimitedError):
                    base_s = self._settings.backoff_base_s * 2 ** (attempt - 1)
                    self._sleep(random.uniform(0, min(self._settings.backoff_cap_s, base_s)))
        raise InvalidInputError(f"{what}: expected at least 1 attempt")

    def _ask_once(self, what: str, call: Callable[[], T]) -> T:
        try:
            return call()
        except self._ccxt_error as error:
            raise translate(error, what) from None
        except _UNREADABLE as error:
            raise ContractError(
                f"{what}: ccxt could not read the answer ({type(error).__name__}); "
                "has the exchange changed its format?"
            ) from None


def move_host(urls: Any, base_url: str) -> Any:
    """Return ccxt's addresses (text, or a tree of them) on the host of ``base_url``."""
    if isinstance(urls, dict):
        return {key: move_host(value, base_url) for key, value in urls.items()}
    if not isinstance(urls, str):
        return urls
    return base_url.rstrip("/") + urlsplit(urls).path


def rate_limit_of(exchange: str) -> RateLimit:
    """Return ccxt's own pace for ``exchange`` as requests a minute, for a governor to share.

    Raises:
        InvalidInputError: ccxt knows no such exchange.
    """
    between_ms = float(getattr(load_ccxt(), _known(exchange))().rateLimit)
    return RateLimit(PREFIX + exchange, weight=max(2, int(60_000 / between_ms)))


def _known(exchange: str) -> str:
    ccxt = load_ccxt()
    if exchange not in ccxt.exchanges:
        raise InvalidInputError(
            f"ccxt {ccxt.__version__} knows no exchange {exchange!r}: choose one of "
            f"{', '.join(ccxt.exchanges[:6])} and so on; correct Variable universe"
        )
    return exchange


@cache
def load_ccxt() -> ModuleType:
    """Import ccxt, at the moment somebody needs it."""
    import ccxt

    module: ModuleType = ccxt
    return module


def _monotonic_ms() -> int:
    return int(time.monotonic() * 1000)
