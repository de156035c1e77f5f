"""Text that others sent, made safe for a log line and a terminal."""

from __future__ import annotations

LONGEST = 200


def printable(text: str | bytes, limit: int = LONGEST) -> str:
    r"""Return at most ``limit`` characters of printable ASCII; the rest as \x and \u escapes."""
    if isinstance(text, bytes):
        text = text[:limit].decode("utf-8", errors="backslashreplace")
    safe = text[:limit]
    if not (safe.isascii() and safe.isprintable()):
        safe = "".join(
            char if " " <= char <= "~" else char.encode("unicode_escape").decode("ascii")
            for char in safe.encode("utf-8", errors="backslashreplace").decode("utf-8")
        )
    return safe[:limit]
