"""Shape a message for Discord within its limits. Nothing here touches the network."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from discord_webhook import DiscordEmbed, DiscordWebhook

from include.market.errors import InvalidInputError
from include.notify.sender import Message

CONTENT_LIMIT = 2000
EMBED_TITLE_LIMIT = 256
IMAGE_LIMIT = 8 * 1024 * 1024
"""Bytes; Discord takes 10 MiB without a paid plan, and we stay below."""
NOT_FOR_DISCORD = ("proxies", "timeout", "wait", "rate_limit_retry")
"""discord-webhook 1.4.1 puts its own settings into the JSON; proxies may hold a password."""
FENCE = "```"


def build_payload(message: Message) -> dict[str, Any]:
    """Return the JSON of one webhook message: bold title and text, the image in an embed.

    Nobody is mentioned, whatever the text says. Text beyond 2000 characters is cut, with a word
    about it.

    Raises:
        InvalidInputError: the image is larger than 8 MiB or not a PNG.
    """
    title = " ".join(message.title.split())[:EMBED_TITLE_LIMIT]
    content = cut_text(f"**{title}**\n{message.text.strip()}", CONTENT_LIMIT)
    webhook = DiscordWebhook(
        url="", content=content, allowed_mentions={"parse": []}, attachments=[], embeds=[]
    )
    if message.image is not None:
        _refuse_odd_image(message.image)
        embed = DiscordEmbed(title=title)
        embed.set_image(url=f"attachment://{message.image_name}")
        embed.set_timestamp(message.event_time.astimezone(UTC).isoformat())
        webhook.add_embed(_drop_empty(embed.__dict__))
        webhook.attachments = [{"id": 0, "filename": message.image_name}]
    return {
        key: value for key, value in webhook.json.items() if value and key not in NOT_FOR_DISCORD
    }


def cut_text(text: str, limit: int) -> str:
    """Return ``text`` of at most ``limit`` UTF-16 units, closing a code fence the cut left open.

    Discord counts as its clients do, so a character outside the basic plane counts twice.
    """
    if _units(text) <= limit:
        return text
    note = "\n(cut)"
    room = limit - len(note) - len(FENCE) - 1
    kept = text.encode("utf-16-le")[: 2 * room].decode("utf-16-le", errors="ignore").rstrip("`")
    closing = f"\n{FENCE}" if kept.count(FENCE) % 2 else ""
    return f"{kept}{closing}{note}"


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def _drop_empty(fields: dict[str, Any]) -> dict[str, Any]:
    kept = {}
    for key, value in fields.items():
        inner = _drop_empty(value) if isinstance(value, dict) else value
        if inner not in (None, [], {}):
            kept[key] = inner
    return kept


def _refuse_odd_image(image: bytes) -> None:
    if len(image) > IMAGE_LIMIT:
        raise InvalidInputError(
            f"image has {len(image)} bytes: Discord takes {IMAGE_LIMIT}, draw it smaller"
        )
    if not image.startswith(b"\x89PNG\r\n\x1a\n"):
        raise InvalidInputError("image is not a PNG: pass the bytes of draw_channel_chart")
