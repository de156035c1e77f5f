from __future__ import annotations

from pathlib import Path

import pytest

from include.market.errors import InvalidInputError
from stack.settings import SYMBOLS, Source, asked_settings, choose_symbols, parse_settings


def test_defaults_when_nothing_is_given(tmp_path: Path) -> None:
    settings = parse_settings({"PORT": "", "DAYS": "  "}, tmp_path)
    assert (settings.port, settings.days, settings.seed) == (8080, 30, 7)
    assert settings.source == Source("simulator")
    assert settings.state == tmp_path / ".local"
    assert choose_symbols(settings, None) == SYMBOLS[:4]
    assert asked_settings({"PORT": "", "DAYS": "  "}) == frozenset()
    assert asked_settings({"PORT": "9000"}) == {"PORT"}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("PORT", "http", ("PORT='http'", "1024", "65531")),
        ("PORT", "80", ("PORT='80'", "1024")),
        ("PORT", "65535", ("PORT='65535'", "65531")),
        ("PORT", "8080.5", ("PORT='8080.5'", "whole number")),
        ("DAYS", "0", ("DAYS='0'", "DAYS=30")),
        ("DAYS", "-3", ("DAYS='-3'",)),
        ("DAYS", "99999", ("DAYS='99999'", "3650")),
        ("DAYS", "²", ("DAYS='²'",)),
        ("SEED", "x", ("SEED='x'",)),
        ("SEED", "-1", ("SEED='-1'",)),
        ("INSTRUMENTS", "0", ("INSTRUMENTS='0'", "BTCUSDT")),
        ("INSTRUMENTS", "41", ("INSTRUMENTS='41'", "40")),
        ("INSTRUMENTS", "btcusdt", ("'btcusdt'", "BTCUSDT,ETHUSDT")),
        ("INSTRUMENTS", "BTCUSDT,", ("INSTRUMENTS='BTCUSDT,'",)),
        ("INSTRUMENTS", "A,B,A", ("twice",)),
        ("SOURCE", "bybit", ("SOURCE='bybit'", "simulator, replay:PATH or binance")),
        ("SOURCE", "replay", ("SOURCE='replay'", "replay:PATH")),
        ("SOURCE", "replay:", ("replay:PATH",)),
        ("SOURCE", "simulator:x", ("SOURCE='simulator:x'",)),
        ("SOURCE", "replay:nowhere", ("SOURCE=replay:nowhere", "no such")),
        ("STATE", "/", ("STATE='/'", "folder of its own")),
        ("STATE", ".", ("STATE='.'",)),
    ],
)
def test_a_bad_value_is_named_with_its_remedy(
    name: str, value: str, words: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_settings({name: value}, tmp_path)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_state_that_is_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(InvalidInputError, match="folder of its own"):
        parse_settings({"STATE": "taken"}, tmp_path)


def test_replay_takes_what_was_recorded(tmp_path: Path) -> None:
    (tmp_path / "recorded").mkdir()
    settings = parse_settings({"SOURCE": "replay:recorded"}, tmp_path)
    assert str(settings.source) == f"replay:{tmp_path / 'recorded'}"
    assert choose_symbols(settings, ("FILUSDT", "NEARUSDT")) == ("FILUSDT", "NEARUSDT")
    fewer = parse_settings({"SOURCE": "replay:recorded", "INSTRUMENTS": "1"}, tmp_path)
    assert choose_symbols(fewer, ("FILUSDT", "NEARUSDT")) == ("FILUSDT",)
    more = parse_settings({"SOURCE": "replay:recorded", "INSTRUMENTS": "3"}, tmp_path)
    with pytest.raises(InvalidInputError, match="only 2 instruments"):
        choose_symbols(more, ("FILUSDT", "NEARUSDT"))


def test_a_list_must_be_offered_by_the_source(tmp_path: Path) -> None:
    settings = parse_settings({"INSTRUMENTS": "ETHUSDT, BTCUSDT"}, tmp_path)
    assert choose_symbols(settings, ("BTCUSDT", "ETHUSDT")) == ("ETHUSDT", "BTCUSDT")
    with pytest.raises(InvalidInputError, match="has no ETHUSDT"):
        choose_symbols(settings, ("BTCUSDT",))
