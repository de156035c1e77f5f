"""The page needs nothing but itself, runs only its own script, and holds the map's counts."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from include.report.coverage import STATES, CoverageMap
from include.report.quality_page import (
    PageTable,
    QualityPage,
    Tile,
    describe_figures,
    render_quality_page,
)
from tests.include.report.quality_maps import make_map, make_timeline

HOSTILE = '</script><img src=x onerror="alert(1)">&<!--'
PLANTED = {
    ("1m", 0, 1): {"present": 1400, "outage": 40},
    ("1m", 1, 0): {"present": 1400, "outage": 40},
    ("4h", 1, 2): {"partial": 2, "present": 4},
}


class Reader(HTMLParser):
    """Collects elements with their attributes, and texts by element."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in ("meta", "input", "img"):
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.setdefault(self._open[-1], []).append(data)


def make_page(found: CoverageMap | None = None, **changes: Any) -> QualityPage:
    given: dict[str, Any] = {
        "found": found or make_map(planted=PLANTED),
        "quarantine": make_timeline(off_grid=[1, 0, 2]),
        "drift": make_timeline(),
        "tiles": [Tile("Minutes stored", "99.1 %", "of all", "good")],
        "tables": [
            PageTable(
                title="Open gaps", columns=("Instrument", "Minutes"), rows=[("BTCUSDT", "40")],
                empty="none", numbers=frozenset({1}), note="The longest 1 of 2.",
            ),
            PageTable(title="Outages", columns=("Venue",), rows=[], empty="None is known."),
        ],
        "links": {"data_docs/index.html": "Data Docs"},
    }  # fmt: skip
    return QualityPage(**(given | changes))


def decode(figures: dict[str, Any], label: str, row: int) -> list[list[int]]:
    """Return the counts of a row's days by state, as the page's script reads them."""
    days: list[list[int]] = []
    runs = figures["cells"][label][row]
    for vector, length in zip(runs[::2], runs[1::2], strict=True):
        counts = [0] * len(STATES)
        pairs = figures["vectors"][vector]
        for code, count in zip(pairs[::2], pairs[1::2], strict=True):
            counts[code] = count
        days += [counts] * length
    return days


def test_the_figures_are_those_of_the_map() -> None:
    found = make_map(days=40, planted={**PLANTED, ("4h", 0, 39): {}})
    figures = json.loads(json.dumps(describe_figures(make_page(found))))
    for label, counts in found.counts.items():
        for row in range(len(found.rows)):
            assert np.array_equal(decode(figures, label, row), counts[row]), (label, row)
    assert (figures["first_day"], figures["days"]) == ("2024-01-01", 40)
    assert figures["timeframes"] == ["1m", "4h"]
    assert figures["rank"] == [0, 1]
    assert figures["refused"]["counts"] == [[1, 0, 2]]
    assert figures["drift"] == {"names": [], "colours": [], "counts": []}


def test_equal_days_are_written_once() -> None:
    figures = describe_figures(make_page(make_map(days=1096)))
    assert len(figures["vectors"]) == 2
    assert figures["cells"]["1m"] == [[0, 1096], [0, 1096]]


def test_the_page_asks_nobody_for_anything() -> None:
    html = render_quality_page(make_page())
    found = Reader(html)
    loading = {"src", "srcset", "href", "action", "data", "poster", "background", "ping"}
    asked = [
        (tag, name, value)
        for tag, attributes in found.elements
        for name, value in attributes.items()
        if name in loading
    ]
    assert asked == [("a", "href", "data_docs/index.html")]
    assert not [tag for tag, _ in found.elements if tag in ("link", "iframe", "object", "base")]
    assert not re.search(r"url\(|@import|https?://|fetch\(|XMLHttpRequest|import\(", html)


def test_the_policy_lets_only_the_pages_own_style_and_script_work() -> None:
    found = Reader(render_quality_page(make_page()))
    [policy] = [
        attributes["content"]
        for tag, attributes in found.elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    [style] = found.texts["style"]
    script = found.texts["script"][1]
    for kind, text in (("style", style), ("script", script)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    # A style written as an attribute would be refused by that policy.
    assert not [tag for tag, attributes in found.elements if "style" in attributes]
    assert not [name for _, attributes in found.elements for name in attributes if name[:2] == "on"]


def test_words_from_outside_stay_words() -> None:
    found = make_map(symbols=(HOSTILE, "B"), venues=(HOSTILE,))
    page = make_page(
        found,
        quarantine=make_timeline(**{HOSTILE: [1, 1, 1]}),
        tiles=[Tile(HOSTILE, HOSTILE, HOSTILE)],
        tables=[
            PageTable(title=HOSTILE, columns=(HOSTILE,), rows=[(HOSTILE,)], empty="", note=HOSTILE),
            PageTable(title="t", columns=("c",), rows=[], empty=HOSTILE),
        ],
        links={"x.html": HOSTILE},
    )
    html = render_quality_page(page)
    plain = Reader(render_quality_page(make_page()))
    hostile = Reader(html)
    assert HOSTILE not in html
    assert "<img" not in html
    assert [tag for tag, _ in hostile.elements].count("script") == 2
    assert hostile.texts["script"][1] == plain.texts["script"][1]
    figures = json.loads(hostile.texts["script"][0])
    assert figures["rows"][0]["symbol"] == HOSTILE
    assert figures["refused"]["names"] == [HOSTILE]


def test_a_part_that_looks_like_a_place_in_the_page_is_not_filled() -> None:
    html = render_quality_page(make_page(tiles=[Tile("{{data}}", "{{script}}")]))
    assert "<b>{{script}}</b>" in html


def test_tables_and_numbers_are_there_without_the_script() -> None:
    html = render_quality_page(make_page())
    assert '<td class="text">BTCUSDT</td><td class="number">40</td>' in html
    assert "The longest 1 of 2." in html
    assert "None is known." in html
    assert '<div class="tile good"><span>Minutes stored</span><b>99.1 %</b>' in html
    assert "2 instruments, 2024-01-01 to 2024-01-04 00:00 UTC" in html


def test_a_symbol_of_two_venues_is_told_with_its_venue() -> None:
    found = make_map(symbols=("X", "X", "Y"), venues=("spot", "usdm"))
    assert [row["label"] for row in describe_figures(make_page(found))["rows"]] == [
        "X spot",
        "X usdm",
        "Y",
    ]


def test_the_same_figures_give_the_same_page() -> None:
    assert render_quality_page(make_page()) == render_quality_page(make_page())


def test_a_row_that_does_not_fit_its_table_is_an_error() -> None:
    table = PageTable(title="t", columns=("a", "b"), rows=[("1",)], empty="")
    with pytest.raises(ValueError, match="zip"):
        render_quality_page(make_page(tables=[table]))
