"""The table of faults: the single source of their names, rows, parameters and descriptions.

A row ``R1`` to ``R41`` is a line of the project's fault matrix for REST. Rows whose misbehaviour is
a change of the market itself, not a lie about it, belong to amendments (``AMENDMENT_ROWS``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Kind = Literal["instead", "rows", "bytes", "transport"]
"""How a fault acts: another answer instead, changed rows, changed body, damage on the wire."""

Value: TypeAlias = float | int | bool | str

ROW = "row"
FIELD = "field"


@dataclass(frozen=True, slots=True)
class Param:
    """One parameter of a fault; ``choices`` is empty where any value of the type will do.

    ``form`` is ``row`` (a row number, negative from the end, or "random" or "all"), ``field`` (a
    column number, or a name; "" for the one that fits) or the name of the default's type.
    """

    name: str
    default: Value
    form: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """One misbehaviour that a rule can switch on."""

    name: str
    row: str
    kind: Kind
    about: str
    params: tuple[Param, ...]


AMENDMENT_ROWS = {
    "R26": "missing intervals",
    "R27": "revised candles",
    "R33": "renames, delistings and relistings",
}
"""Rows that are covered by amendments, with what those change (R32 has both)."""


def _fault(name: str, row: str, kind: Kind, about: str, /, **params: object) -> Fault:
    return Fault(name, row, kind, about, tuple(_param(*item) for item in params.items()))


def _param(name: str, default: object) -> Param:
    if name in (ROW, FIELD):
        assert isinstance(default, (str, int))  # noqa: S101
        return Param(name, default, name)
    if isinstance(default, tuple):
        return Param(name, default[0], "choice", default)
    assert isinstance(default, (str, int, float, bool))  # noqa: S101
    return Param(name, default, type(default).__name__)


_INSTEAD = (
    _fault(
        "rate_limited",
        "R1",
        "instead",
        "429 that asks for a pause of retry_after_s, in seconds or as an HTTP date",
        retry_after_s=2,
        form=("seconds", "http_date"),
    ),
    _fault("rate_limited_mute", "R1", "instead", "429 that does not say how long to wait"),
    _fault(
        "rate_limited_long",
        "R2",
        "instead",
        "429 that asks for a pause nobody can sit out",
        retry_after_s=999_999,
        form=("seconds", "http_date"),
    ),
    _fault(
        "banned",
        "R3",
        "instead",
        "418, and 418 to all that the address (or it at this venue) asks until ban_s have passed",
        ban_s=120.0,
        scope=("address", "venue"),
    ),
    _fault("forbidden_html", "R4", "instead", "403 of a firewall, as HTML"),
    _fault("geo_blocked", "R4", "instead", "451 from a restricted region"),
    _fault(
        "server_error",
        "R5",
        "instead",
        "5xx, as JSON or as a gateway's HTML",
        status=503,
        form=("json", "html"),
    ),
    _fault("html_200", "R13", "instead", "an HTML page with status 200"),
    _fault(
        "redirect",
        "R19",
        "instead",
        "a redirect to another host, or to what location says (file:///etc/hostname)",
        status=302,
        location="http://elsewhere.invalid/",
    ),
    _fault("not_found", "R24", "instead", "404 for something that is there"),
    _fault("unknown_symbol", "R32", "instead", "400 with code -1121 for a listed symbol"),
)
_TRANSPORT = (
    _fault(
        "truncated_length",
        "R6",
        "transport",
        "the body ends after the share keep of its Content-Length",
        keep=0.5,
    ),
    _fault(
        "truncated_chunked",
        "R7",
        "transport",
        "chunks end after the share keep, without the last chunk",
        keep=0.5,
    ),
    _fault(
        "reset_mid_body",
        "R8",
        "transport",
        "the connection is reset (RST) after the share keep of the body",
        keep=0.5,
    ),
    _fault(
        "cut_invalid_json",
        "R9",
        "transport",
        "an unframed body (ended by the end of the connection) is cut after the share keep",
        keep=0.5,
    ),
    _fault(
        "slow_loris",
        "R11",
        "transport",
        "the whole answer, one byte every gap_s, for at most max_s",
        gap_s=0.3,
        max_s=600.0,
    ),
    _fault(
        "silent",
        "R12",
        "transport",
        "no byte for hold_s (or until the client leaves), then the connection closes",
        hold_s=600.0,
    ),
    _fault("late_answer", "R12", "transport", "the right answer, delay_s late", delay_s=5.0),
    _fault(
        "endless_body",
        "R18",
        "transport",
        "rows without end in chunks, for max_s or until the client leaves",
        max_s=120.0,
    ),
    _fault(
        "refuse_connection",
        "R41",
        "transport",
        "the connection is accepted and closed without a byte (reset: with RST)",
        reset=False,
    ),
    _fault("tls_garbage", "R41", "transport", "a TLS alert where HTTP was expected"),
)
_BYTES = (
    _fault("deep_nesting", "R16", "bytes", "arrays nested depth deep", depth=100_000),
    _fault("gzip_bomb", "R17", "bytes", "a small gzip body that grows to megabytes", megabytes=300),
    _fault("bom", "R20", "bytes", "a UTF-8 byte order mark before the body"),
    _fault("latin1", "R20", "bytes", "a Latin-1 byte that is not UTF-8 within the first text"),
    _fault(
        "stuck_cursor",
        "R25",
        "bytes",
        "the first page seen of a path, symbol and interval, whatever the cursor",
    ),
    _fault("corrupt_zip", "R6", "bytes", "archive: a flipped bit within the compressed data"),
    _fault("truncated_zip", "R6", "bytes", "archive: the file's first part, rightly framed"),
    _fault("zip_bomb", "R17", "bytes", "archive: a small zip that grows", megabytes=300),
    _fault("wrong_checksum", "R6", "bytes", "archive: a .CHECKSUM of other bytes"),
)
_PAGES = (
    _fault(
        "cut_valid_json",
        "R10",
        "rows",
        "a short page: the first share keep of the rows, valid",
        keep=0.5,
    ),
    _fault(
        "dropped_rows",
        "R10",
        "rows",
        "rows left out of the middle of a page",
        rows=1,
    ),
    _fault("duplicate_page", "R21", "rows", "the rows of the page twice"),
    _fault(
        "overlapping_page",
        "R21",
        "rows",
        "a page that begins with the last rows of the page before it",
        rows=3,
    ),
    _fault("shuffled_rows", "R22", "rows", "rows out of order", order=("random", "reversed")),
    _fault(
        "rows_outside",
        "R23",
        "rows",
        "rows from before and after the asked range",
        rows=2,
        side=("both", "before", "after"),
    ),
    _fault("empty_page", "R24", "rows", "no rows though there are some"),
    _fault(
        "open_candle_as_last",
        "R28",
        "rows",
        "the unfinished candle after the last finished one, though the range excluded it; its "
        "close_time lies in the future, or is a lie",
        close_time=("future", "now", "past"),
    ),
    _fault(
        "stale_last_candle",
        "R28",
        "rows",
        "the newest finished candle with the values of before its end",
    ),
)
_VALUES = (
    _fault("json_nan", "R14", "rows", "NaN where a number was", row="random", field=""),
    _fault("json_infinity", "R14", "rows", "Infinity where a number was", row="random", field=""),
    _fault("json_overflow", "R14", "rows", "1e999 where a number was", row="random", field=""),
    _fault(
        "huge_integer", "R15", "rows", "an integer of many digits", digits=5000, row=-1, field=""
    ),
    _fault("absurd_price", "R29", "rows", "a price times factor", factor=1000.0, row="random"),
    _fault("negative_price", "R29", "rows", "a price below zero", row="random"),
    _fault("zero_price", "R29", "rows", "a price of zero", row="random"),
    _fault("negative_volume", "R29", "rows", "a volume below zero", row="random"),
    _fault("high_below_low", "R29", "rows", "a candle whose high is below its low", row="random"),
    _fault("close_outside", "R29", "rows", "a candle that closes above its high", row="random"),
    _fault("huge_number", "R30", "rows", "10^30 as a number's text", row="random", field=""),
    _fault("tiny_number", "R30", "rows", "1e-400 as a number's text", row="random", field=""),
    _fault("nan_text", "R31", "rows", 'the text "NaN" for a number', row="random", field=""),
    _fault("clock_ahead", "R39", "rows", "the server time ahead by seconds", seconds=300.0),
    _fault("clock_behind", "R39", "rows", "the server time behind by seconds", seconds=300.0),
    _fault("microseconds", "R39", "rows", "all times in microseconds"),
    _fault("seconds", "R39", "rows", "all times in seconds"),
    _fault("hour_shift", "R40", "rows", "all times of rows moved, as local time", hours=1.0),
    _fault("dst_fall_back", "R40", "rows", "an hour told twice: the later half moved back by it"),
    _fault("leap_second", "R40", "rows", "the later half of the rows one second late"),
    _fault("iso_times", "R40", "rows", "times as texts without a zone"),
)
_SHAPES = (
    _fault("added_field", "R34", "rows", "a field more than agreed", name="st", value="1"),
    _fault("removed_field", "R35", "rows", "a field less than agreed", field=""),
    _fault("renamed_field", "R35", "rows", "a field by another name (objects)", field="", to="x1"),
    _fault("number_for_string", "R36", "rows", "numbers where texts of numbers were"),
    _fault("string_for_number", "R36", "rows", "texts of numbers where numbers were"),
    _fault(
        "wrong_type",
        "R36",
        "rows",
        "a value that is no number at all",
        row="random",
        field="",
        value=("true", "list", "null", "object", "word"),
    ),
    _fault("column_swap", "R37", "rows", "two columns of arrays swapped", first=2, second=3),
    _fault("duplicate_key", "R38", "rows", "a key twice, the second time changed (objects)"),
)

FAULTS = {
    fault.name: fault for fault in (*_INSTEAD, *_TRANSPORT, *_BYTES, *_PAGES, *_VALUES, *_SHAPES)
}
"""Every fault by name."""


def list_faults() -> str:
    """Return the table as text, a line per fault, then the rows that amendments cover."""
    lines = []
    for fault in FAULTS.values():
        params = ", ".join(_describe(param) for param in fault.params)
        lines.append(f"{fault.name:20} {fault.row:4} {fault.about}{f' ({params})' * bool(params)}")
    lines += [f"{'(amendment)':20} {row:4} {about}" for row, about in AMENDMENT_ROWS.items()]
    return "\n".join(lines)


def _describe(param: Param) -> str:
    if param.choices:
        return f"{param.name}: {' or '.join(param.choices)}"
    default = '""' if param.default == "" else param.default
    return f"{param.name}={default}"
