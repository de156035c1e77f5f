"""An answer as rows that can be changed: a JSON page, a JSON object, or a CSV within a zip.

Cells are known by words (``time``, ``price``, ``volume`` ...) whatever the endpoint calls them.
A cell may hold what JSON forbids (``NaN``): ``bare`` marks a text that is written as it stands.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from include.simulator.faults.asked import Asked

Row: TypeAlias = Any
"""A list or a dict of cells."""

Key: TypeAlias = int | str

_CANDLE = ("time", "open", "high", "low", "price", "volume", "close_time", "quote_volume", "count")
_COLUMNS = {
    "candle": {name: index for index, name in enumerate(_CANDLE)} | {"close": 4},
    "agg_trade": {"id": 0, "price": 1, "volume": 2, "time": 5},
    "trade": {"id": 0, "price": 1, "volume": 2, "time": 4},
    "funding": {"time": 0, "rate": 2},
}
_KEYS = {
    "time": ("T", "time", "fundingTime", "openTime", "serverTime", "onboardDate"),
    "price": ("p", "price", "markPrice"),
    "volume": ("q", "qty", "volume"),
    "rate": ("fundingRate", "lastFundingRate"),
    "id": ("a", "id"),
}
_TIME_KEYS = (*_KEYS["time"], "closeTime", "nextFundingTime", "deliveryDate")
_FITTING = ("volume", "price", "rate", "time")
_BARE = "\ue000"
_BARE_JSON = re.compile(f'"{_BARE}(.*?){_BARE}"')
_CANDLE_CELLS = 11


def bare(text: str) -> str:
    """Return a cell that is written without quotes, whatever it says."""
    return f"{_BARE}{text}{_BARE}"


def number_of(cell: object) -> Decimal | None:
    """Return the finite number that a cell holds, as number or as text, or None."""
    if isinstance(cell, bool) or not isinstance(cell, (str, int, float)):
        return None
    try:
        number = Decimal(str(cell).strip(_BARE))
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def inner_text(cell: object) -> str:
    """Return the JSON text that a cell is written as."""
    if isinstance(cell, str) and cell.startswith(_BARE):
        return cell.strip(_BARE)
    return json.dumps(cell, ensure_ascii=False)


@dataclass(slots=True)
class Page:
    """Rows of one answer; ``shape`` is candle, agg_trade, trade, funding or object.

    ``document`` holds the whole JSON answer: it is the list of rows, or an object around it.
    """

    rows: list[Any]
    shape: str
    asked: Asked
    now_ms: int
    document: Any = None
    member: str | None = None
    header: str = ""

    def locate(self, row: Row, name: Key) -> Key | None:
        """Return where the row holds what ``name`` says; "" finds a cell with a number.

        ``name`` is a word, the row's own key, or a column number.
        """
        if name == "":
            places = (self.locate(row, word) for word in _FITTING)
            fitting = next((place for place in places if place is not None), None)
            return _first_number(row) if fitting is None else fitting
        if isinstance(row, list):
            place = name if isinstance(name, int) else _COLUMNS.get(self.shape, {}).get(name)
            return place if place is not None and -len(row) <= place < len(row) else None
        if name in row:
            return name
        return next((key for key in _KEYS.get(str(name), ()) if key in row), None)

    def number(self, row: Row, name: Key) -> Decimal | None:
        """Return the number that the row holds at ``name``, None where there is none."""
        place = self.locate(row, name)
        return None if place is None else number_of(row[place])

    def put(self, row: Row, name: Key, text: str) -> bool:
        """Write a number's text, in quotes where one stood in quotes; False if nowhere."""
        place = self.locate(row, name)
        if place is None:
            return False
        old = row[place]
        is_text = isinstance(old, str) and not old.startswith(_BARE)
        row[place] = text if is_text else bare(text)
        return True

    def times(self, row: Row) -> list[Key]:
        """Return where the row holds instants."""
        if isinstance(row, dict):
            return [key for key in _TIME_KEYS if number_of(row.get(key))]
        words = ("time", "close_time")
        return [place for word in words if (place := self.locate(row, word)) is not None]

    def objects(self) -> list[Row]:
        """Return the rows and, where there is one, the object around them."""
        around = isinstance(self.document, dict) and not self.is_plain
        return [*self.rows, self.document] if around else self.rows

    @property
    def is_plain(self) -> bool:
        """Tell whether the answer is one object that stands for the only row."""
        return len(self.rows) == 1 and self.rows[0] is self.document

    def render(self) -> bytes:
        """Return the body that tells the rows."""
        if self.member is not None:
            return self._render_zip(self.member)
        text = json.dumps(self.document, separators=(",", ":"), ensure_ascii=False)
        return _BARE_JSON.sub(lambda found: json.loads(f'"{found[1]}"'), text).encode()

    def _render_zip(self, member: str) -> bytes:
        lines = [",".join(str(cell).strip(_BARE) for cell in row) for row in self.rows]
        text = "".join(f"{line}\n" for line in ([self.header] if self.header else []) + lines)
        return zip_bytes(member, text.encode())


def _first_number(row: Row) -> Key | None:
    places = range(len(row)) if isinstance(row, list) else row
    return next((place for place in places if number_of(row[place]) is not None), None)


def zip_bytes(member: str, body: bytes) -> bytes:
    """Return a zip of one file whose bytes depend on nothing else."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(member), body, zipfile.ZIP_DEFLATED)
    return buffer.getvalue()


def read_page(body: bytes, asked: Asked, now_ms: int) -> Page | None:
    """Return the rows of an answer, or None where it holds none that can be read."""
    if body[:2] == b"PK":
        return _read_zip(body, asked, now_ms)
    try:
        document = json.loads(body)
    except ValueError:
        return None
    rows = document
    if isinstance(document, dict):
        lists = [document[key] for key in ("symbols", "data", "list") if key in document]
        rows = next((found for found in lists if isinstance(found, list)), [document])
    if not isinstance(rows, list) or not all(isinstance(row, (list, dict)) for row in rows):
        return None
    is_candle = bool(rows) and isinstance(rows[0], list) and len(rows[0]) >= _CANDLE_CELLS
    return Page(rows, "candle" if is_candle else "object", asked, now_ms, document)


def _read_zip(body: bytes, asked: Asked, now_ms: int) -> Page | None:
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            member = archive.namelist()[0]
            lines = archive.read(member).decode().splitlines()
    except (zipfile.BadZipFile, UnicodeDecodeError, IndexError):
        return None
    header = lines.pop(0) if lines and not lines[0][:1].isdigit() else ""
    rows: list[Any] = [line.split(",") for line in lines]
    return Page(rows, _archive_shape(asked.path), asked, now_ms, member=member, header=header)


def _archive_shape(path: str) -> str:
    folders = {"aggTrades": "agg_trade", "trades": "trade", "fundingRate": "funding"}
    named = [shape for folder, shape in folders.items() if f"/{folder}/" in path]
    return named[0] if named else "candle"
