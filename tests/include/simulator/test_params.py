from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.simulator.catalogue import list_symbols
from include.simulator.engine import Window
from include.simulator.params import Limits, Params
from include.simulator.protocol import VenueError

LISTINGS = list_symbols(["BTCUSDT", "ETHUSDT"])
KNOWN = ("symbol", "symbols", "interval", "startTime", "endTime", "limit", "timeZone")


def params(**values: str) -> Params:
    return Params(list(values.items()), KNOWN)


@pytest.mark.parametrize(
    ("sent", "limit"), [({}, 500), ({"limit": "7"}, 7), ({"limit": "99999"}, 1000)]
)
def test_limits_have_a_default_and_a_ceiling(sent: dict[str, str], limit: int) -> None:
    assert params(**sent).read_limit() == limit


@given(st.integers(0, 4_000_000_000_000))
def test_milliseconds_and_microseconds_mean_the_same(instant_ms: int) -> None:
    window = params(startTime=str(instant_ms), endTime=str(instant_ms * 1000 + 999)).read_window()
    if instant_ms * 1000 >= 100_000_000_000_000:
        assert window == Window(500, instant_ms, instant_ms)
    assert window.start_ms == instant_ms


@pytest.mark.parametrize(
    ("code", "read"),
    [
        (-1102, lambda: params().read_symbol(LISTINGS)),
        (-1102, lambda: params(symbol="").read_symbol(LISTINGS)),
        (-1100, lambda: params(symbol="btcusdt").read_symbol(LISTINGS)),
        (-1100, lambda: params(symbol="BTC'; DROP").read_symbol(LISTINGS)),
        (-1121, lambda: params(symbol="NOPEUSDT").read_symbol(LISTINGS)),
        (-1102, lambda: params().read_interval()),
        (-1120, lambda: params(interval="1").read_interval()),
        (-1120, lambda: params(interval="1H").read_interval()),
        (-1100, lambda: params(limit="ten").read_limit()),
        (-1100, lambda: params(limit="-1").read_limit()),
        (-1130, lambda: params(limit="0").read_limit()),
        (-1105, lambda: params(limit="").read_limit()),
        (-1100, lambda: params(startTime="2024-01-01").read_window()),
        (-1100, lambda: params(endTime="1" * 21).read_window()),
        (-1128, lambda: params(symbol="BTCUSDT", symbols="[]").read_symbols(LISTINGS)),
        (-1100, lambda: params(symbols="BTCUSDT").read_symbols(LISTINGS)),
        (-1121, lambda: params(symbols='["BTCUSDT","NOPE"]').read_symbols(LISTINGS)),
        (-1130, lambda: params(timeZone="15").read_zone_ms()),
        (-1101, lambda: Params([("limit", "1"), ("limit", "2")], KNOWN)),
        (-1104, lambda: params(bogus="1")),
    ],
)
def test_doubtful_parameters_get_binances_codes(code: int, read: Callable[[], object]) -> None:
    with pytest.raises(VenueError) as caught:
        read()
    assert caught.value.code == code
    assert caught.value.status == 400


def test_symbols_are_read_alone_or_as_a_list() -> None:
    assert params().read_symbols(LISTINGS) is None
    assert params(symbol="ETHUSDT").read_symbols(LISTINGS) == ["ETHUSDT"]
    assert params(symbols='["ETHUSDT", "BTCUSDT"]').read_symbols(LISTINGS) == ["ETHUSDT", "BTCUSDT"]
    assert params(timeZone="0:00").read_zone_ms() == 0


@pytest.mark.parametrize(
    ("text", "minutes"),
    [("-12:00", -720), ("+14:00", 840), ("14", 840), ("-1", -60), (" 05:45", 345), ("0", 0)],
)
def test_time_zones_are_hours_and_minutes_ahead(text: str, minutes: int) -> None:
    assert params(timeZone=text).read_zone_ms() == minutes * 60_000


def test_limits_are_cut_at_spot_and_refused_at_futures() -> None:
    futures = Limits(500, 1_500, is_strict=True)
    assert params(limit="5000").read_limit() == 1_000
    assert params(limit="1500").read_limit(futures) == 1_500
    with pytest.raises(VenueError) as caught:
        params(limit="1501").read_limit(futures)
    assert caught.value.code == -1130
