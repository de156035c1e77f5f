"""Control messages of a stream connection: SUBSCRIBE, UNSUBSCRIBE, LIST, SET and GET."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass

from include.simulator.interval import SPOT_INTERVALS, Interval

METHODS = ("SUBSCRIBE", "UNSUBSCRIBE", "LIST_SUBSCRIPTIONS", "SET_PROPERTY", "GET_PROPERTY")
MAX_STREAMS = 1_024
_INT64 = 2**63
_PERPETUAL = "_perpetual"


class ControlError(Exception):
    """Raised to answer ``{"code", "msg", "id"}``; code 2: invalid request, 3: invalid JSON."""

    def __init__(self, code: int, message: str, request_id: object = None) -> None:
        """Keep the code and the request's id, which the answer repeats."""
        super().__init__(message)
        self.code = code
        self.request_id = request_id

    def body(self) -> str:
        """Return the JSON answer."""
        return json.dumps({"code": self.code, "msg": str(self), "id": self.request_id})


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream by name; ``kind`` is kline, continuousKline, trade or aggTrade.

    Only candles have an interval.
    """

    name: str
    symbol: str
    kind: str
    interval: Interval | None = None


def parse_stream(name: str) -> Stream | None:
    """Return the stream called ``name``, or None for one that is never fed, as on Binance."""
    symbol, _, feed = name.partition("@")
    if symbol != symbol.lower():
        return None
    if feed in ("trade", "aggTrade"):
        return Stream(name, symbol.upper(), feed)
    kind, _, label = feed.partition("_")
    if kind == "continuousKline" and symbol.endswith(_PERPETUAL):
        symbol = symbol.removesuffix(_PERPETUAL)
    elif kind != "kline":
        return None
    if label in SPOT_INTERVALS:
        return Stream(name, symbol.upper(), kind, SPOT_INTERVALS[label])
    return None


class Subscriptions:
    """The streams of one connection and whether its events are wrapped (``combined``)."""

    def __init__(self, names: list[str], *, combined: bool) -> None:
        """Begin with the streams that the URL names."""
        self.names = dict.fromkeys(names)
        self.combined = combined
        self._methods: dict[str, Callable[[list[object]], object]] = {
            "SUBSCRIBE": self._subscribe,
            "UNSUBSCRIBE": self._unsubscribe,
            "LIST_SUBSCRIPTIONS": lambda _: list(self.names),
            "SET_PROPERTY": self._set_property,
            "GET_PROPERTY": self._get_property,
        }

    def answer(self, text: str) -> str:
        """Obey one control message and return the reply, an error reply included."""
        try:
            request_id, method, params = _parse_request(text)
            try:
                result = self._methods[method](params)
            except ControlError as error:
                raise ControlError(error.code, str(error), request_id) from None
        except ControlError as error:
            return error.body()
        return json.dumps({"result": result, "id": request_id}, separators=(",", ":"))

    def _subscribe(self, params: list[object]) -> None:
        wanted = _stream_names(params)
        if len(self.names | dict.fromkeys(wanted)) > MAX_STREAMS:
            raise ControlError(2, f"Invalid request: at most {MAX_STREAMS} streams a connection")
        self.names |= dict.fromkeys(wanted)

    def _unsubscribe(self, params: list[object]) -> None:
        for name in _stream_names(params):
            self.names.pop(name, None)

    def _set_property(self, params: list[object]) -> None:
        if len(params) != 2:
            raise ControlError(2, "Invalid request: expected a property name and its value")
        _check_property(params[0])
        if not isinstance(params[1], bool):
            raise ControlError(1, "Invalid value type: expected Boolean")
        self.combined = params[1]

    def _get_property(self, params: list[object]) -> bool:
        if len(params) != 1:
            raise ControlError(2, "Invalid request: too many parameters")
        _check_property(params[0])
        return self.combined


def _parse_request(text: str) -> tuple[object, str, list[object]]:
    try:
        request = json.loads(text)
    except json.JSONDecodeError as error:
        raise ControlError(
            3, f"Invalid JSON: {error.msg} at line {error.lineno} column {error.colno}"
        ) from None
    if not isinstance(request, dict):
        raise ControlError(2, "Invalid request: expected an object")
    request_id = request.get("id")
    if not _is_id(request_id):
        raise ControlError(
            2, "Invalid request: request ID must be an integer, a string of at most 36, or null"
        )
    if "method" not in request:
        raise ControlError(2, "Invalid request: missing field `method`", request_id)
    method, params = request["method"], request.get("params", [])
    if method not in METHODS:
        raise ControlError(
            2,
            f"Invalid request: unknown variant `{method}`, expected one of "
            + ", ".join(f"`{known}`" for known in METHODS),
            request_id,
        )
    if not isinstance(params, list):
        raise ControlError(2, "Invalid request: params must be an array", request_id)
    return request_id, method, params


def _is_id(request_id: object) -> bool:
    if isinstance(request_id, str):
        return len(request_id) <= 36
    if isinstance(request_id, bool):
        return False
    return request_id is None or (isinstance(request_id, int) and abs(request_id) < _INT64)


def _stream_names(params: list[object]) -> list[str]:
    names = [name for name in params if isinstance(name, str) and name]
    if not names or len(names) != len(params):
        raise ControlError(2, "Invalid request: params must be stream names")
    return names


def _check_property(name: object) -> None:
    if not isinstance(name, str):
        raise ControlError(2, "Invalid request: property name must be a string")
    if name != "combined":
        raise ControlError(0, "Unknown property")
