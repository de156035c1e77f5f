"""The page of data quality: one HTML file that needs nothing else, drawn in the browser. Pure.

Figures go in as JSON, words are escaped, and the page's own policy lets nothing run or load but
what stands in it.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from include.report.coverage import CODES, OUTSIDE_LIFE, STATES, CoverageMap
from include.report.map_cells import LEAST_HEIGHT, LEAST_PART, LEAST_WRONG_HEIGHT, rank_rows
from include.report.palette import DARK, LIGHT, Theme
from include.report.timelines import Timeline, series_colour

_PARTS: Final = Path(__file__).parent / "page"
Tone = Literal["plain", "good", "bad"]


@dataclass(frozen=True, slots=True)
class Tile:
    """One number for the head of the page."""

    label: str
    value: str
    note: str = ""
    tone: Tone = "plain"


@dataclass(frozen=True, slots=True, kw_only=True)
class PageTable:
    """A table of the page; ``numbers`` are places of columns set to the right."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    empty: str
    numbers: frozenset[int] = frozenset()
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class QualityPage:
    """All that the page shows; ``links`` are texts by relative address."""

    found: CoverageMap
    quarantine: Timeline
    drift: Timeline
    tiles: Sequence[Tile]
    tables: Sequence[PageTable]
    links: Mapping[str, str] = field(default_factory=dict)


def render_quality_page(page: QualityPage) -> str:
    """Return the page as HTML; the same figures give the same text."""
    style, script = _read("page.css"), _read("page.js")
    # Only this style and this script, known by their hashes; styles set by the script are its own.
    policy = (
        f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    parts = {
        "policy": policy,
        "style": style,
        "span": escape(_describe_span(page.found)),
        "links": "".join(
            f'<a href="{escape(address)}">{escape(text)}</a>'
            for address, text in page.links.items()
        ),
        "tiles": "".join(_render_tile(tile) for tile in page.tiles),
        "tables": "".join(_render_table(table) for table in page.tables),
        "data": _encode(describe_figures(page)),
        "script": script,
    }
    html = _read("page.html")
    pieces = html.split("{{")
    return pieces[0] + "".join(
        parts[name] + rest for name, _, rest in (piece.partition("}}") for piece in pieces[1:])
    )


def describe_figures(page: QualityPage) -> dict[str, Any]:
    """Return the figures of map and timelines as plain values, as the page's script reads them.

    A day's counts are a *vector* [code, count, code, count, …]; equal ones are kept once, and a
    row is written as runs [vector, days, vector, days, …].
    """
    found = page.found
    vectors: dict[bytes, int] = {}
    cells = {
        label: [_encode_runs(row, vectors) for row in counts]
        for label, counts in found.counts.items()
    }
    return {
        "first_day": found.first_day.isoformat(),
        "days": found.days,
        "states": [
            {"label": one.label, "kind": one.kind, "outside": one.name in OUTSIDE_LIFE}
            for one in STATES
        ],
        "outside": CODES["pre_listing"],
        "timeframes": list(found.counts),
        "rows": _name_rows(found),
        "rank": rank_rows(found),
        "vectors": [_sparse(np.frombuffer(vector, dtype=np.int32)) for vector in vectors],
        "cells": cells,
        "least_height": LEAST_HEIGHT,
        "least_wrong_height": LEAST_WRONG_HEIGHT,
        "least_part": LEAST_PART,
        "refused": _describe_timeline(page.quarantine),
        "drift": _describe_timeline(page.drift),
        "themes": {"light": _describe_theme(LIGHT), "dark": _describe_theme(DARK)},
    }


def _name_rows(found: CoverageMap) -> list[dict[str, str]]:
    symbols = [row.symbol for row in found.rows]
    return [
        {
            "venue": row.venue,
            "symbol": row.symbol,
            "label": f"{row.symbol} {row.venue}" if symbols.count(row.symbol) > 1 else row.symbol,
        }
        for row in found.rows
    ]


def _encode_runs(days: np.ndarray[Any, np.dtype[np.int32]], vectors: dict[bytes, int]) -> list[int]:
    runs: list[int] = []
    for counts in days:
        vector = vectors.setdefault(counts.tobytes(), len(vectors))
        if runs and runs[-2] == vector:
            runs[-1] += 1
        else:
            runs += [vector, 1]
    return runs


def _sparse(counts: np.ndarray[Any, np.dtype[np.int32]]) -> list[int]:
    return [int(value) for code in np.flatnonzero(counts) for value in (code, counts[code])]


def _describe_timeline(timeline: Timeline) -> dict[str, Any]:
    return {
        "names": list(timeline.names),
        "colours": [series_colour(name, place) for place, name in enumerate(timeline.names)],
        "counts": timeline.counts.tolist(),
    }


def _describe_theme(theme: Theme) -> dict[str, Any]:
    return {
        "ink": theme.ink,
        "faint": theme.faint,
        "grid": theme.grid,
        "states": [theme.states[state.name] for state in STATES],
        "series": list(theme.series),
    }


def _describe_span(found: CoverageMap) -> str:
    instruments = "1 instrument" if len(found.rows) == 1 else f"{len(found.rows)} instruments"
    return f"{instruments}, {found.first_day} to {found.at:%Y-%m-%d %H:%M} UTC"


def _render_tile(tile: Tile) -> str:
    return (
        f'<div class="tile {tile.tone}"><span>{escape(tile.label)}</span>'
        f"<b>{escape(tile.value)}</b><span>{escape(tile.note)}</span></div>"
    )


def _render_table(table: PageTable) -> str:
    head = f"<h2>{escape(table.title)}</h2>"
    note = f'<p class="faint small">{escape(table.note)}</p>' if table.note else ""
    if not table.rows:
        return f'<section class="card">{head}<p class="faint">{escape(table.empty)}</p></section>'
    classes = ["number" if at in table.numbers else "text" for at in range(len(table.columns))]
    titles = "".join(
        f'<th class="{kind}">{escape(name)}</th>'
        for kind, name in zip(classes, table.columns, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td class="{kind}">{escape(cell)}</td>'
            for kind, cell in zip(classes, row, strict=True)
        )
        + "</tr>"
        for row in table.rows
    )
    return (
        f'<section class="card">{head}{note}<div class="wide"><table><thead><tr>{titles}</tr>'
        f"</thead><tbody>{body}</tbody></table></div></section>"
    )


def _encode(document: dict[str, Any]) -> str:
    # Inside a script element only these could end it or begin a comment.
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _read(name: str) -> str:
    return (_PARTS / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
