"""Payloads stay within Discord's limits and hold nothing but the message."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from discord_webhook import DiscordWebhook
from hypothesis import given
from hypothesis import strategies as st

from include.notify.discord_payload import (
    CONTENT_LIMIT,
    NOT_FOR_DISCORD,
    build_payload,
    cut_text,
)

Make = Callable[..., Any]


def test_the_library_still_adds_its_own_settings() -> None:
    theirs = DiscordWebhook(url="", content="x", proxies={"https": "http://u:p@h"}, timeout=3).json
    assert {"proxies", "timeout", "wait"} <= theirs.keys()


def test_none_of_the_librarys_settings_are_sent(make_message: Make, png: bytes) -> None:
    payload = build_payload(make_message(image=png))
    assert not set(NOT_FOR_DISCORD) & payload.keys()
    assert "url" not in payload
    assert "files" not in payload


def test_nobody_is_mentioned(make_message: Make) -> None:
    payload = build_payload(make_message(text="@everyone <@1>"))
    assert payload["allowed_mentions"] == {"parse": []}


def test_a_long_message_is_cut_within_the_limits(make_message: Make, png: bytes) -> None:
    payload = build_payload(make_message(title="t " * 400, text="x" * 9000, image=png))
    assert len(payload["content"]) <= CONTENT_LIMIT
    assert payload["content"].endswith("(cut)")
    assert len(payload["embeds"][0]["title"]) <= 256


def test_two_messages_do_not_share_their_embeds(make_message: Make, png: bytes) -> None:
    build_payload(make_message(image=png))
    second = build_payload(make_message(image=png))
    assert len(second["embeds"]) == len(second["attachments"]) == 1
    assert "embeds" not in build_payload(make_message())


@given(
    text=st.text(st.sampled_from("ab`\n\U0001f40b\u20ac"), max_size=150), limit=st.integers(40, 90)
)
def test_cut_text_fits_and_closes_its_fence(text: str, limit: int) -> None:
    cut = cut_text(text, limit)
    assert len(cut.encode("utf-16-le")) // 2 <= limit
    if cut != text:
        assert cut.endswith("\n(cut)")
        assert cut.count("```") % 2 == 0
    else:
        assert len(text.encode("utf-16-le")) // 2 <= limit


def test_cut_text_keeps_as_much_as_it_can() -> None:
    assert cut_text("x" * 100, 100) == "x" * 100
    assert cut_text("x" * 101, 100).count("x") == 90
    fenced = cut_text("```\n" + "row\n" * 60, 100)
    assert fenced.startswith("```\nrow\n")
    assert fenced.endswith("```\n(cut)")


@pytest.mark.parametrize("title", ["two\nlines", " padded "])
def test_a_title_is_one_line(title: str, make_message: Make) -> None:
    assert build_payload(make_message(title=title))["content"].startswith(
        f"**{' '.join(title.split())}**\n"
    )
