"""What can go wrong at the door out. No error here ever holds a URL, a token or an answer's body.

NotifyError (RetryableError)          no answer, too many requests, or the service is ill
NotifyRefusedError (FinalError)       the service answered and will answer the same again
"""

from __future__ import annotations

from include.market.errors import FinalError, RetryableError


class NotifyError(RetryableError):
    """Raised when a message could not be delivered now.

    ``kind`` is the name of what happened (e.g. ``ReadTimeout``), ``status`` the HTTP status if
    there was an answer. ``maybe_delivered`` is True when the message had left before the failure:
    sending it again may show it twice.
    """

    def __init__(
        self,
        kind: str,
        status: int | None = None,
        *,
        retry_after_s: float | None = None,
        maybe_delivered: bool = False,
    ) -> None:
        """Build the message from the kind and status alone."""
        answer = "no answer" if status is None else f"status {status}"
        doubt = "; it may have arrived" if maybe_delivered else ""
        super().__init__(
            f"message not delivered: {kind}, {answer}{doubt}; try again later",
            retry_after_s=retry_after_s,
        )
        self.kind = kind
        self.status = status
        self.maybe_delivered = maybe_delivered


class NotifyRefusedError(FinalError):
    """Raised when the service refuses the message or the credentials."""

    def __init__(self, status: int) -> None:
        """Build the message from the status alone."""
        super().__init__(
            f"message refused with status {status}: check login (webhook id) and password "
            "(webhook token) of the Connection discord"
        )
        self.status = status
