from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from include.simulator.control import MAX_STREAMS, Stream, Subscriptions, parse_stream
from include.simulator.interval import INTERVALS


def talk(subscriptions: Subscriptions, **request: object) -> Any:
    return json.loads(subscriptions.answer(json.dumps(request)))


@pytest.mark.parametrize(
    ("name", "stream"),
    [
        ("btcusdt@trade", Stream("btcusdt@trade", "BTCUSDT", "trade")),
        ("btcusdt@aggTrade", Stream("btcusdt@aggTrade", "BTCUSDT", "aggTrade")),
        ("ethbtc@kline_4h", Stream("ethbtc@kline_4h", "ETHBTC", "kline", INTERVALS["4h"])),
        (
            "btcusdt_perpetual@continuousKline_1m",
            Stream(
                "btcusdt_perpetual@continuousKline_1m",
                "BTCUSDT",
                "continuousKline",
                INTERVALS["1m"],
            ),
        ),
        ("btcusdt@continuousKline_1m", None),
        ("BTCUSDT@trade", None),
        ("btcusdt@kline_7m", None),
        ("btcusdt@depth", None),
        ("", None),
    ],
)
def test_streams_are_known_by_name(name: str, stream: Stream | None) -> None:
    assert parse_stream(name) == stream


@pytest.mark.parametrize("request_id", [1, -5, 0, "abc", None, 2**63 - 1])
def test_subscriptions_change_and_echo_the_id(request_id: object) -> None:
    subscriptions = Subscriptions(["a@trade"], combined=False)
    params = ["b@trade", "c@trade", "b@trade"]
    reply = talk(subscriptions, method="SUBSCRIBE", params=params, id=request_id)
    assert reply == {"result": None, "id": request_id}
    talk(subscriptions, method="UNSUBSCRIBE", params=["a@trade", "never@trade"], id=request_id)
    reply = talk(subscriptions, method="LIST_SUBSCRIPTIONS", id=request_id)
    assert reply == {"result": ["b@trade", "c@trade"], "id": request_id}


def test_the_combined_property_can_be_read_and_set() -> None:
    subscriptions = Subscriptions([], combined=False)
    assert talk(subscriptions, method="GET_PROPERTY", params=["combined"], id=1)["result"] is False
    talk(subscriptions, method="SET_PROPERTY", params=["combined", True], id=2)
    assert talk(subscriptions, method="GET_PROPERTY", params=["combined"], id=3)["result"] is True


@pytest.mark.parametrize(
    ("code", "text"),
    [
        (3, "not json"),
        (3, ""),
        (2, "[]"),
        (2, '{"id":1}'),
        (2, '{"method":"DANCE","id":1}'),
        (2, '{"method":"SUBSCRIBE","id":1}'),
        (2, '{"method":"SUBSCRIBE","params":[],"id":1}'),
        (2, '{"method":"SUBSCRIBE","params":[7],"id":1}'),
        (2, '{"method":"SUBSCRIBE","params":"btcusdt@trade","id":1}'),
        (2, '{"method":"LIST_SUBSCRIPTIONS","id":1.5}'),
        (2, '{"method":"LIST_SUBSCRIPTIONS","id":true}'),
        (2, '{"method":"LIST_SUBSCRIPTIONS","id":"' + "x" * 37 + '"}'),
        (2, '{"method":"GET_PROPERTY","params":["combined","x"],"id":1}'),
        (0, '{"method":"GET_PROPERTY","params":["colour"],"id":1}'),
        (1, '{"method":"SET_PROPERTY","params":["combined","yes"],"id":1}'),
    ],
)
def test_bad_messages_get_an_error_reply(code: int, text: str) -> None:
    subscriptions = Subscriptions(["a@trade"], combined=False)
    reply = json.loads(subscriptions.answer(text))
    assert reply["code"] == code
    assert reply["msg"]
    assert "id" in reply
    assert list(subscriptions.names) == ["a@trade"]


def test_a_connection_has_at_most_1024_streams() -> None:
    subscriptions = Subscriptions([], combined=False)
    names = [f"s{number}@trade" for number in range(MAX_STREAMS)]
    assert talk(subscriptions, method="SUBSCRIBE", params=names, id=1) == {"result": None, "id": 1}
    reply = talk(subscriptions, method="SUBSCRIBE", params=["one@trade"], id=2)
    assert (reply["code"], reply["id"]) == (2, 2)
    assert len(subscriptions.names) == MAX_STREAMS
    assert "code" not in talk(subscriptions, method="SUBSCRIBE", params=names[:1], id=3)


@settings(max_examples=40)
@given(st.text() | st.lists(st.integers()).map(json.dumps) | st.integers().map(json.dumps))
def test_no_message_goes_unanswered(text: str) -> None:
    assert isinstance(json.loads(Subscriptions([], combined=True).answer(text)), dict)
