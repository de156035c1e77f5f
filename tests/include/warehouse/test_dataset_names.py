"""Which names of datasets the ledger takes for changes and coverage, before and after 0027."""

from __future__ import annotations

import re

import psycopg
import pytest

from include.warehouse.engine import Connection
from include.warehouse.migrate import downgrade
from tests.support.warehouse import load_frame, minutes, moment, seed_reference, walk

SOUND = re.compile(r"[a-z][a-z0-9_]{0,62}", re.ASCII)
NAMES = (
    "candle_1m", "a", "a" * 63, "z9_", "a" * 64, "a" * 65, "a" * 700, "", "1m", "_a", "Candle",
    "candle-1m", "candle 1m", "candle_1m\n", "candle_1m\nx", "\ncandle_1m", "é", "candlé",
    "CANDLE", "a.b", "a\t",
)  # fmt: skip
INSERTS = {
    "change": """
        INSERT INTO ledger.change (
            dataset, instrument_id, span_start, span_end, reason, load_id
        )
        SELECT %(name)s, %(owner)s, %(start)s, %(end)s, 'new', min(load_id) FROM ledger.load
    """,
    "coverage": """
        INSERT INTO ledger.coverage (dataset, instrument_id, covered)
        VALUES (%(name)s, %(owner)s, tstzmultirange(tstzrange(%(start)s, %(end)s)))
    """,
}


@pytest.mark.parametrize("revision", ["0026", "head"])
def test_sound_names_are_taken_and_others_refused(
    connection: Connection, warehouse_dsn: str, revision: str
) -> None:
    owner = seed_reference(connection)["BTCUSDT"]
    load_frame(connection, walk(1), minutes(0, 1))
    connection.execute("DELETE FROM ledger.coverage")
    connection.commit()
    if revision != "head":
        downgrade(warehouse_dsn, revision)
    values = {"owner": owner, "start": moment(0), "end": moment(1)}
    for table, insert in INSERTS.items():
        fates = {name: _fate(connection, insert, values | {"name": name}) for name in NAMES}
        assert fates == {
            name: "taken" if SOUND.fullmatch(name) else f"{table}_dataset" for name in NAMES
        }


def _fate(connection: Connection, insert: str, values: dict[str, object]) -> str | None:
    """Return ``taken``, or the constraint that refused the row."""
    try:
        with connection.transaction():
            connection.execute(insert, values)
    except psycopg.errors.CheckViolation as refusal:
        return refusal.diag.constraint_name
    return "taken"
