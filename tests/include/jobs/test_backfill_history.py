"""What a backfill plans: every instrument, under the names it bore."""

from __future__ import annotations

from include.jobs.backfill_history import plan_instruments
from include.market.instrument import Rename
from include.market.span import Span, from_ms
from include.market.universe import Universe, VenueOptions

SPAN = Span(100, 200)


def planned(universe: Universe, span: Span = SPAN) -> list[tuple[str, str, str, str]]:
    return [
        (piece["symbol"], piece["start"], piece["end"], piece["history"])
        for piece in plan_instruments(universe, span)
    ]


def test_every_instrument_is_a_piece_of_work() -> None:
    universe = Universe(
        {"binance_spot": ("BTCUSDT", "ETHUSDT")},
        {"binance_spot": VenueOptions(instruments={"ETHUSDT": ("rest",)})},
    )
    assert planned(universe) == [
        ("BTCUSDT", "100", "200", "archive,rest"),
        ("ETHUSDT", "100", "200", "rest"),
    ]


def test_what_lies_before_a_rename_is_asked_for_under_the_old_name() -> None:
    rename = Rename("MATICUSDT", "POLUSDT", from_ms(150))
    options = VenueOptions(renames=(rename,), instruments={"POLUSDT": ("rest",)})
    universe = Universe({"binance_spot": ("POLUSDT",)}, {"binance_spot": options})
    assert planned(universe) == [
        ("POLUSDT", "150", "200", "rest"),
        ("MATICUSDT", "100", "150", "rest"),
    ]
    assert planned(universe, Span(160, 200)) == [("POLUSDT", "160", "200", "rest")]
    assert planned(universe, Span(100, 150)) == [("MATICUSDT", "100", "150", "rest")]
