"""Whatever a venue sent can be kept."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from include.warehouse.engine import Connection
from include.warehouse.quarantine import as_document, finite_json
from tests.support.warehouse import query

# Lone surrogates reach us only if somebody decoded carelessly; they too must not stop us.
FOREIGN = st.one_of(
    st.text(),
    st.text(alphabet=st.characters(exclude_categories=())),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    ).map(json.dumps),
)


@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(raw=FOREIGN)
@example(raw='{"a": 1, "a": 2}')
@example(raw="[NaN]")
@example(raw="[1e999]")
@example(raw="1" * 5000)
@example(raw="[" * 100_000)
@example(raw="nul \x00 nul")
@example(raw='"\\u0000"')
@example(raw='"\\ud800"')
@example(raw="\ud800")
@example(raw="[1.10, 0.30000000000000004, 1E5]")
@example(raw='["' + "x" * 20_000 + '"]')
def test_any_text_is_stored_and_a_document_keeps_its_meaning(
    connection: Connection, raw: str
) -> None:
    [(kind, text)] = query(
        connection,
        "SELECT jsonb_typeof(d), d::text FROM (SELECT %s::jsonb) AS t (d)",
        as_document(raw),
    )
    if kind == "string" and exact(text) == _escaped(raw):
        return
    assert exact(text) == exact(raw)


def exact(text: str) -> Any:
    """Return a JSON document with every digit of its numbers."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def _escaped(raw: str) -> str:
    return raw.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


@pytest.mark.parametrize(
    ("raw", "is_text"),
    [
        ('[1704067200000, "42000.10"]', False),
        ('{"a": 1, "a": 2}', True),
        ("[1.10]", True),
        ("[NaN]", True),
        ("not json", True),
    ],
)
def test_a_document_jsonb_would_change_is_kept_as_text(raw: str, is_text: bool) -> None:
    assert isinstance(as_document(raw).obj, str) is is_text


def test_reports_with_nan_become_json_that_names_it(connection: Connection) -> None:
    report = {"mean": float("nan"), "bounds": [float("inf"), 1.5], 3: {"x": (1, float("-inf"))}}
    assert query(connection, "SELECT %s::jsonb", finite_json(report)) == [
        ({"mean": "nan", "bounds": ["inf", 1.5], "3": {"x": [1, "-inf"]}},)
    ]
