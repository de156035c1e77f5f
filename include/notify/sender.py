"""The agreement between those who have something to say and those who carry it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol

from include.market.errors import InvalidInputError

_IMAGE_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,79}\.png")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One message to people.

    ``event_key`` names the event it tells of and ``event_time`` (aware) when that was: the same
    pair is the same message, however often it is sent. ``image`` is a PNG.
    """

    title: str
    text: str
    event_key: str
    event_time: datetime
    image: bytes | None = field(default=None, repr=False)
    image_name: str = "chart.png"

    def __post_init__(self) -> None:
        """Refuse what no sender can carry.

        Raises:
            InvalidInputError: an empty title or event key, a naive time, or an image name that is
                not a plain ``*.png`` file name.
        """
        if not self.title.strip() or not self.event_key.strip():
            raise InvalidInputError("a message needs a title and an event key, was empty")
        if self.event_time.tzinfo is None:
            raise InvalidInputError(
                f"event time {self.event_time.isoformat()} has no time zone: use UTC"
            )
        if not _IMAGE_NAME.fullmatch(self.image_name):
            raise InvalidInputError(
                f"image name {self.image_name[:80]!r} is not of the form {_IMAGE_NAME.pattern}"
            )


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a message went; ``path`` is the file it became in the outbox."""

    target: Literal["discord", "outbox"]
    path: str | None = None


class Sender(Protocol):
    """Whoever can carry a message out."""

    def send(self, message: Message) -> Receipt:
        """Deliver ``message`` or raise.

        Raises:
            NotifyError: not delivered now; later may work.
            NotifyRefusedError: refused for good.
            InvalidInputError: the message or the sender's settings cannot be right.
        """
