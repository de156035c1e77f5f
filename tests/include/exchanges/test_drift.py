import logging

import pytest

from include.exchanges import drift
from include.exchanges.drift import OnceLog


def test_each_change_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    log = OnceLog()
    with caplog.at_level(logging.WARNING):
        assert log.note("binance_spot", "/api/v3/klines", "new", "added") is True
        assert log.note("binance_spot", "/api/v3/klines", "new", "added") is False
        assert log.note("binance_spot", "/api/v3/klines", "new", "removed") is True
    assert [record.getMessage() for record in caplog.records] == [
        "binance_spot /api/v3/klines: field 'new' was added",
        "binance_spot /api/v3/klines: field 'new' was removed",
    ]


def test_what_someone_told_before_is_not_told_again(caplog: pytest.LogCaptureFixture) -> None:
    shared = OnceLog()
    assert OnceLog(shared).note("v", "/x", "new", "added") is True
    caplog.clear()
    assert OnceLog(shared).note("v", "/x", "new", "added") is False
    assert caplog.records == []


def test_a_name_from_outside_cannot_forge_a_log_line(caplog: pytest.LogCaptureFixture) -> None:
    OnceLog().note("v", "/x", "a\x1b[31m\nERROR é", "added")
    assert caplog.records[0].getMessage().isprintable()
    assert caplog.records[0].getMessage().isascii()


def test_endless_new_names_are_not_followed_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(drift, "MOST_CHANGES", 5)
    log = OnceLog()
    assert [log.note("v", "/x", str(name), "added") for name in range(7)] == [True] * 5 + [
        False
    ] * 2
