"""Messages as files: what goes out while no Discord connection exists."""

from __future__ import annotations

import hashlib
import os
import re
from datetime import UTC
from pathlib import Path
from uuid import uuid4

from include.market.errors import InvalidInputError
from include.notify.sender import Message, Receipt

_ODD = re.compile(r"[^A-Za-z0-9]+")
SLUG_LIMIT = 60


class OutboxSender:
    """Write every message as ``<time>-<event>-<digest>.md``, its image beside it as ``.png``."""

    def __init__(self, directory: Path | str) -> None:
        """Remember the directory; it is made when the first message is sent."""
        self._directory = Path(directory)

    def send(self, message: Message) -> Receipt:
        """Write the message's files, each whole or not at all.

        Names come from the event's time and key alone. A file that is there is never overwritten:
        the first message of an event stays, sending again changes nothing.

        Raises:
            InvalidInputError: the directory cannot be made or written.
        """
        name = name_event(message)
        page = self._directory / f"{name}.md"
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            # The image first: who finds the page finds its image too.
            if message.image is not None and not page.exists():
                _write_once(self._directory / f"{name}.png", message.image)
            _write_once(page, _render(message, name).encode())
        except OSError as error:
            raise InvalidInputError(
                f"outbox {self._directory} cannot be written ({error.strerror}): "
                "set outbox_dir to a directory this user may write"
            ) from None
        return Receipt("outbox", str(page))


def name_event(message: Message) -> str:
    """Return the file stem of an event: UTC time, readable key, digest of the exact key."""
    when = message.event_time.astimezone(UTC)
    slug = _ODD.sub("-", message.event_key).strip("-").lower()[:SLUG_LIMIT].strip("-") or "event"
    digest = hashlib.sha256(message.event_key.encode()).hexdigest()[:10]
    return f"{when:%Y%m%dT%H%M%S}{when.microsecond:06d}Z-{slug}-{digest}"


def _render(message: Message, name: str) -> str:
    title = " ".join(message.title.split())
    picture = f"\n![{message.image_name}]({name}.png)\n" if message.image is not None else ""
    return f"# {title}\n\n{message.text.strip()}\n{picture}"


def _write_once(path: Path, content: bytes) -> None:
    """Create ``path`` with all of ``content``, unless it exists."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}.{uuid4().hex}.tmp")
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        # A link, unlike a rename, refuses to replace what another sender wrote meanwhile.
        try:
            path.hardlink_to(draft)
        except FileExistsError:
            return
    finally:
        draft.unlink(missing_ok=True)
