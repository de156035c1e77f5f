"""The one tree of errors.

CandlewickError
├── RetryableError            trying again later can succeed; may carry ``retry_after_s``
│   ├── SourceUnavailableError    the venue did not answer, or not in its protocol
│   └── RateLimitedError          the venue asked us to slow down (429), or we would go too fast
│       └── BannedError               the venue has banned this address (418): nobody asks
└── FinalError                trying again cannot succeed
    ├── InvalidInputError         a setting, argument or file of the user is wrong
    ├── UnknownInstrumentError    the venue does not list the symbol
    ├── DepthExhaustedError       the venue no longer keeps that far back
    ├── AccessDeniedError         the venue refuses this address or account (401, 403, 451)
    ├── ContractError             the venue's answer no longer has the agreed shape
    └── StaleFenceError           a newer try of the same work holds the fence

Every message names the thing, its value and the remedy, on one line.
"""

from __future__ import annotations


class CandlewickError(Exception):
    """Base of every error Candlewick raises on purpose."""


class RetryableError(CandlewickError):
    """Raised when the same call can succeed later."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        """Keep the venue's wish, in seconds, for how long to wait."""
        super().__init__(message)
        self.retry_after_s = retry_after_s


class SourceUnavailableError(RetryableError):
    """Raised when a venue cannot be reached, times out, or answers outside its protocol."""


class RateLimitedError(RetryableError):
    """Raised when a venue refuses for rate (429), or its limit leaves no room for a request."""


class BannedError(RateLimitedError):
    """Raised while a venue's ban of this address (418) lasts, without asking the venue."""

    def __init__(
        self, message: str, *, retry_after_s: float | None = None, is_new: bool = False
    ) -> None:
        """Tell with ``is_new`` that nobody knew of the ban before: the time to alert someone."""
        super().__init__(message, retry_after_s=retry_after_s)
        self.is_new = is_new


class FinalError(CandlewickError):
    """Raised when repeating the call cannot help."""


class InvalidInputError(FinalError):
    """Raised when something a person wrote (setting, argument, file) cannot be right."""


class UnknownInstrumentError(FinalError):
    """Raised when a venue does not list the symbol asked for."""


class AccessDeniedError(FinalError):
    """Raised when a venue refuses this address, region or account (401, 403, 451)."""


class DepthExhaustedError(FinalError):
    """Raised when a range begins before the oldest data that a venue still keeps."""

    def __init__(self, message: str, *, oldest_ms: int) -> None:
        """Keep when the oldest candle or trade still to be had begins, epoch milliseconds."""
        super().__init__(message)
        self.oldest_ms = oldest_ms


class ContractError(FinalError):
    """Raised before any write when an answer lost or renamed a field we depend on."""


class StaleFenceError(FinalError):
    """Raised when an orphaned try would write beside the try that replaced it."""
