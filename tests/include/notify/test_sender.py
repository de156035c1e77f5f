"""A message that no sender can carry is refused when it is made."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from include.market.errors import FinalError, InvalidInputError, RetryableError
from include.notify.errors import NotifyError, NotifyRefusedError

Make = Callable[..., Any]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"title": " "}, "needs a title"),
        ({"event_key": ""}, "event key"),
        ({"event_time": datetime(2026, 1, 1)}, "no time zone"),  # noqa: DTZ001
        ({"image_name": "../x.png"}, "image name"),
        ({"image_name": "x.svg"}, "image name"),
        ({"image_name": ".png"}, "image name"),
        ({"image_name": 'a".png'}, "image name"),
        ({"image_name": "a\n.png"}, "image name"),
    ],
)
def test_odd_messages_are_refused(changes: dict[str, Any], words: str, make_message: Make) -> None:
    with pytest.raises(InvalidInputError, match=words):
        make_message(**changes)


def test_the_picture_is_not_part_of_a_messages_text(make_message: Make, png: bytes) -> None:
    assert "PNG" not in repr(make_message(image=png))


def test_errors_say_whether_to_try_again() -> None:
    doubtful = NotifyError("ReadTimeout", maybe_delivered=True)
    assert isinstance(doubtful, RetryableError)
    assert "may have arrived" in str(doubtful)
    assert "may have arrived" not in str(NotifyError("ServerError", 500))
    refused = NotifyRefusedError(404)
    assert isinstance(refused, FinalError)
    assert "404" in str(refused)
