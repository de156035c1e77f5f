"""How candles came is counted per instrument: late, twice, otherwise than before."""

from __future__ import annotations

from include.market.candle import SNAPPED, TRUNCATED
from include.warehouse.arrivals import describe_oddities, summarise_arrivals
from include.warehouse.engine import Connection
from tests.support.warehouse import load_frame, minutes, moment, query, seed_reference, walk

QUARANTINED = """
    INSERT INTO ledger.quarantine (dataset, venue, symbol, open_time, payload, rule, detail)
    SELECT 'candle_1m', venue, symbol, %s, '[]', %s, 'test' FROM ledger.load LIMIT 1
"""


def test_nothing_came_of_a_span_without_candles(connection: Connection) -> None:
    seed_reference(connection)
    assert summarise_arrivals(connection, minutes(0, 60)) == []


def test_what_came_is_counted_and_told(connection: Connection) -> None:
    seed_reference(connection)
    whole = walk(60)
    load_frame(connection, whole.drop(index=[10, 11, 12]), minutes(0, 60), path="a")
    changed = whole.copy()
    changed.loc[20, "trade_count"] += 1
    changed.loc[30, "flags"] = SNAPPED
    changed.loc[31, "flags"] = TRUNCATED
    load_frame(connection, changed, minutes(0, 60), path="b")
    for rule, count in (
        ("duplicate_row", 3),
        ("duplicate_key", 2),
        ("superseded", 1),
        ("other", 9),
    ):
        for place in range(count):
            connection.execute(QUARANTINED, (moment(place), rule))
    [found] = summarise_arrivals(connection, minutes(0, 60))
    assert (found.symbol, found.minutes, found.revised, found.repaired) == ("BTCUSDT", 60, 3, 3)
    assert (found.repeats, found.contradictions, found.overruled) == (3, 2, 1)
    assert (found.snapped, found.truncated) == (1, 1)
    [half] = summarise_arrivals(connection, minutes(20, 31))
    assert (half.minutes, half.revised, half.repaired, half.repeats) == (11, 2, 0, 0)
    said = found.as_text()
    assert "60 minutes, 3 revised, 3 came after their gap was noted, 3 sent twice, 2 sent" in said


def test_what_was_refused_under_an_older_name_is_counted(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, walk(60), minutes(0, 60), path="a")
    connection.execute(QUARANTINED, (moment(5), "duplicate_row"))
    connection.execute(QUARANTINED, (None, "duplicate_row"))
    connection.execute("UPDATE market.instrument SET symbol = 'NEWUSDT' WHERE symbol = 'BTCUSDT'")
    found = summarise_arrivals(connection, minutes(0, 60))
    assert [(one.symbol, one.repeats) for one in found] == [("NEWUSDT", 1)]
    assert describe_oddities([*found, *found]) == "2 sent twice"
    assert describe_oddities([]) == "nothing odd about them"


def test_lateness_is_that_of_the_first_word(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, walk(3), minutes(0, 3), path="a")
    # The candles end at minutes 1, 2 and 3 and were all seen at minute 4.
    connection.execute("UPDATE ledger.load SET observed_at = %s", (moment(4),))
    connection.commit()
    again = walk(3)
    again.loc[0, "trade_count"] += 1
    load_frame(connection, again, minutes(0, 3), path="b")
    [found] = summarise_arrivals(connection, minutes(0, 3))
    assert found.revised == 1
    late = (found.lateness_median_s, found.lateness_p95_s, found.lateness_most_s)
    assert late == (120.0, 180.0, 180.0)
    assert query(connection, "SELECT count(*) FROM ledger.load") == [(2,)]
