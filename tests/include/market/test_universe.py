import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from include.market.errors import InvalidInputError
from include.market.instrument import Rename
from include.market.second_source import SecondSource
from include.market.settings import Settings, parse_settings
from include.market.span import Span, from_ms
from include.market.universe import Universe, VenueOptions, parse_universe


def test_pairs_come_in_the_order_written() -> None:
    universe = parse_universe('{"binance_spot": ["ETHUSDT", "BTCUSDT"]}')
    assert list(universe) == [("binance_spot", "ETHUSDT"), ("binance_spot", "BTCUSDT")]


def test_a_venue_and_each_instrument_may_choose_their_ways_to_history() -> None:
    universe = parse_universe(
        json.dumps(
            {
                "binance_spot": ["BTCUSDT"],
                "binance_usdm": {
                    "symbols": ["BTCUSDT", {"symbol": "ETHUSDT", "history": "rest"}],
                    "history": ["archive"],
                },
                "files:lab": {"symbols": ["ADAUSDT"], "files": {"url": "file:///data"}},
                "ccxt:kraken": ["BTC/USD", "BTC/USD:USD"],
            }
        )
    )
    assert list(universe)[-2:] == [("ccxt:kraken", "BTC/USD"), ("ccxt:kraken", "BTC/USD:USD")]
    assert universe.history("binance_spot", "BTCUSDT") is None
    assert universe.history("binance_usdm", "BTCUSDT") == ("archive",)
    assert universe.history("binance_usdm", "ETHUSDT") == ("rest",)
    assert universe.options["files:lab"].files == {"url": "file:///data"}


def test_a_venue_may_have_a_calendar_and_declared_renames() -> None:
    matic = {"old": "MATICUSDT", "new": "POLUSDT", "at": "2024-09-10T12:00:00+02:00"}
    cocos = {"old": "COCOSUSDT", "new": "COCOSUSDT", "at": "2021-01-23T04:00:00Z", "factor": 1000}
    options = {"symbols": ["POLUSDT"], "calendar": "XNYS", "renames": [matic, cocos]}
    universe = parse_universe(json.dumps({"binance_spot": options, "binance_usdm": ["BTCUSDT"]}))
    found = universe.options_of("binance_spot")
    assert found.calendar == "XNYS"
    assert found.renames == (
        Rename("MATICUSDT", "POLUSDT", datetime(2024, 9, 10, 10, tzinfo=UTC)),
        Rename("COCOSUSDT", "COCOSUSDT", datetime(2021, 1, 23, 4, tzinfo=UTC), Decimal(1000)),
    )
    assert universe.options_of("binance_usdm").renames == ()
    assert universe.options_of("nowhere").calendar is None


@pytest.mark.parametrize(("factor", "exact"), [(0.001, "0.001"), ("0.1", "0.1"), (1e-7, "1E-7")])
def test_a_factor_is_what_is_written_to_the_last_digit(factor: object, exact: str) -> None:
    written = {"old": "A", "new": "B", "at": "2024-09-10T10:00:00Z", "factor": factor}
    universe = parse_universe(json.dumps({"venue": {"symbols": ["B"], "renames": [written]}}))
    assert universe.options_of("venue").renames[0].factor == Decimal(exact)


def named(symbol: str, first: int, last: int, *renames: tuple[str, str, int]) -> list[Any]:
    declared = tuple(Rename(old, new, from_ms(at_ms)) for old, new, at_ms in renames)
    universe = Universe({"venue": (symbol,)}, {"venue": VenueOptions(renames=declared)})
    return [
        (name, span.start_ms, span.end_ms)
        for name, span in universe.names("venue", symbol, Span(first, last))
    ]


def test_what_a_symbol_was_called_follows_the_renames_back() -> None:
    first, second = ("A", "B", 20), ("B", "C", 40)
    assert named("C", 0, 60) == [("C", 0, 60)]
    assert named("C", 0, 60, second, first) == [("C", 40, 60), ("B", 20, 40), ("A", 0, 20)]
    assert named("C", 25, 40, first, second) == [("B", 25, 40)]
    assert named("C", 50, 60, first, second) == [("C", 50, 60)]
    assert named("C", 0, 10, first, second) == [("A", 0, 10)]
    # What was renamed away ends there, and a change of unit is no rename.
    assert named("B", 0, 60, first, second) == [("B", 20, 40), ("A", 0, 20)]
    assert named("A", 30, 60, first) == []
    assert named("C", 0, 60, ("C", "C", 30)) == [("C", 0, 60)]


def test_a_symbol_renamed_back_bears_each_name_in_its_time() -> None:
    there, back = ("A", "B", 20), ("B", "A", 40)
    assert named("B", 0, 60, there) == [("B", 20, 60), ("A", 0, 20)]
    assert named("A", 0, 60, there, back) == [("A", 40, 60), ("B", 20, 40), ("A", 0, 20)]


RENAME = {"old": "A", "new": "B", "at": "2024-09-10T10:00:00Z"}


@pytest.mark.parametrize(
    ("renames", "says"),
    [
        ({}, "renames must be a list of objects"),
        (["A"], "renames must be a list of objects"),
        ([RENAME | {"when": 1}], "unknown key when"),
        ([RENAME | {"old": "a b"}], "symbol 'a b'"),
        ([{"old": "A", "at": RENAME["at"]}], "symbol None"),
        ([RENAME | {"at": "2024-09-10T10:00:00"}], "A to B: at must be like .* with its zone"),
        ([RENAME | {"at": "yesterday"}], "A to B: at must be like"),
        ([RENAME | {"at": 1725962400}], "A to B: at must be like"),
        ([RENAME | {"factor": 0}], "A to B: factor must be a number"),
        ([RENAME | {"factor": -1}], "A to B: factor must be a number"),
        ([RENAME | {"factor": "NaN"}], "A to B: factor must be a number"),
        ([RENAME | {"factor": "1e13"}], "A to B: factor must be a number"),
        ([RENAME | {"factor": "many"}], "A to B: factor must be a number"),
        ([RENAME | {"factor": True}], "A to B: factor must be a number"),
        ([RENAME | {"factor": None}], "A to B: factor must be a number"),
        ([RENAME | {"new": "A"}], "neither the symbol nor the unit changes"),
        ([RENAME, RENAME], "the same rename is written twice"),
    ],
    ids=str,
)
def test_a_rename_that_makes_no_sense_is_refused(renames: object, says: str) -> None:
    text = json.dumps({"binance_spot": {"symbols": ["B"], "renames": renames}})
    with pytest.raises(InvalidInputError, match=says):
        parse_universe(text)


@pytest.mark.parametrize("calendar", [7, "", "XNYS\n", "a" * 41])
def test_a_calendar_is_a_name(calendar: object) -> None:
    text = json.dumps({"binance_spot": {"symbols": ["B"], "calendar": calendar}})
    with pytest.raises(InvalidInputError, match="calendar must be a name like XNYS"):
        parse_universe(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "not JSON"),
        ("[]", 'like {"binance_spot"'),
        ("{}", 'like {"binance_spot"'),
        ('{"Binance Spot": ["BTCUSDT"]}', "'Binance Spot': a venue is named like"),
        ('{"binance_spot": "BTCUSDT"}', "expected a list of symbols, was 'BTCUSDT'"),
        ('{"binance_spot": []}', "expected a list of symbols"),
        ('{"binance_spot": ["btc usdt"]}', "'btc usdt' is not of the form"),
        ('{"binance_spot": ["A\\u0000B"]}', "is not of the form"),
        ('{"binance_spot": [7]}', "symbol 7"),
        ('{"binance_spot": ["A", "B", "A"]}', "repeated A"),
        ('{"binance_spot": {"symbols": ["A"], "historie": []}}', "unknown key historie"),
        ('{"binance_spot": {"history": ["rest"]}}', "expected a list of symbols, was None"),
        ('{"binance_spot": {"symbols": ["A"], "history": ["ftp"]}}', "was ['ftp']"),
        ('{"binance_spot": {"symbols": ["A"], "history": []}}', "list of archive and rest"),
        ('{"binance_spot": {"symbols": ["A"], "files": "x"}}', "files must be an object"),
        ('{"binance_spot": [{"symbol": "A", "history": "x"}]}', "'binance_spot', A: history"),
        ('{"binance_spot": [{"name": "A"}]}', "unknown key name"),
    ],
)
def test_a_malformed_universe_is_refused_on_one_line(text: str, says: str) -> None:
    with pytest.raises(InvalidInputError) as caught:
        parse_universe(text)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_settings_override_by_name_and_keep_the_rest() -> None:
    assert parse_settings('{"batch_days": 3}') == Settings(batch_days=3)


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ({"batch_dayz": 3}, "unknown key 'batch_dayz'"),
        ({"batch_days": "3"}, "expected int, was '3'"),
        ({"batch_days": True}, "expected int, was True"),
        ({"batch_days": 0}, "above zero, was 0"),
        ({"request_deadline_s": -1}, "above zero, was -1"),
        ([], "must be a JSON object"),
    ],
)
def test_malformed_settings_are_refused_with_key_and_value(document: object, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        parse_settings(json.dumps(document))


SECOND: dict[str, Any] = {"venue": "binance_usdm", "symbols": {"BTCUSDT": "BTCUSDT"}}


def with_second(written: object) -> str:
    return json.dumps({"binance_spot": {"symbols": ["BTCUSDT"], "second_source": written}})


def test_a_venue_may_have_a_second_source() -> None:
    options = parse_universe(with_second(SECOND)).options_of("binance_spot")
    assert options.second_source == SecondSource("binance_usdm", {"BTCUSDT": "BTCUSDT"})
    chosen = parse_universe(with_second(SECOND | {"tolerance": 0.05, "after_looks": 2}))
    found = chosen.options_of("binance_spot").second_source
    assert found is not None
    assert (found.tolerance, found.after_looks) == (0.05, 2)
    assert parse_universe('{"a": ["B"]}').options_of("a").second_source is None
    # An instrument may be named as it was called before.
    old = {
        "symbols": ["B"],
        "renames": [RENAME],
        "second_source": {"venue": "c", "symbols": {"A": "X"}},
    }
    assert parse_universe(json.dumps({"a": old})).options_of("a").second_source is not None


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("binance_usdm", "expected an object"),
        ({"venue": "binance_usdm"}, "symbols must be like"),
        (SECOND | {"symbols": {}}, "symbols must be like"),
        (SECOND | {"symbols": {"BTCUSDT": "a b"}}, "symbol 'a b'"),
        (SECOND | {"symbols": {"BTCUSDT": 1}}, "symbol 1"),
        (SECOND | {"symbols": {"XRPUSDT": "XRPUSDT"}}, "XRPUSDT is not among the symbols"),
        (SECOND | {"venue": "binance_spot"}, "must name another venue"),
        (SECOND | {"venue": None}, "must name another venue"),
        (SECOND | {"tolerance": 0}, "tolerance must be a share"),
        (SECOND | {"tolerance": 0.5}, "tolerance must be a share"),
        (SECOND | {"tolerance": True}, "tolerance must be a share"),
        (SECOND | {"after_looks": 1}, "after_looks must be a number of looks"),
        (SECOND | {"after_looks": 2.0}, "after_looks must be a number of looks"),
        (SECOND | {"limit": 1}, "unknown key limit"),
    ],
    ids=str,
)
def test_a_second_source_that_makes_no_sense_is_refused(written: object, says: str) -> None:
    with pytest.raises(InvalidInputError, match=says):
        parse_universe(with_second(written))
