"""A landed file goes landed -> checked -> loaded, or is held; its evidence goes with it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import psycopg
import pytest

from include.market.errors import InvalidInputError, StaleFenceError
from include.market.span import Span
from include.warehouse.engine import Connection
from include.warehouse.landing import (
    Landing,
    get_landing,
    mark_checked,
    pending_landings,
    register_landing,
)
from tests.support.warehouse import (
    NOTHING_REFUSED,
    VENUE,
    candles,
    checked_landing,
    load_landing,
    minutes,
    moment,
    query,
    seed_reference,
    sha,
)


def land(connection: Connection, path: str = "file:///a", **changes: Any) -> Landing:
    stated: dict[str, Any] = {
        "venue": VENUE.name,
        "symbol": "BTCUSDT",
        "timeframe": "1m",
        "span": minutes(0, 3),
        "path": path,
        "rows": 3,
        "payload_sha256": sha("content"),
        "source": "rest",
        "run_id": "run 1",
    }
    landing = register_landing(connection, **(stated | changes))
    connection.commit()
    return landing


def check(connection: Connection, landing: Landing, **changes: Any) -> int:
    stated: dict[str, Any] = {
        "clean_path": "file:///clean",
        "rows": 2,
        "verdict": {"suite": "candles", "success": True},
        "held": False,
        "quarantined": NOTHING_REFUSED,
    }
    verdict_id = mark_checked(connection, landing.landing_id, **(stated | changes))
    connection.commit()
    return verdict_id


def refused(*details: str) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "open_time": [pd.Timestamp(moment(0)), pd.NaT][: len(details)],
            "raw": ['[1704067200000, "nan"]', "not \x00 json"][: len(details)],
            "rule": ["not_finite", "not_parsed"][: len(details)],
            "detail": list(details),
        }
    )


def test_a_landing_keeps_what_it_was_told(connection: Connection) -> None:
    landing = land(connection)
    assert landing == get_landing(connection, landing.landing_id)
    assert (landing.dataset, landing.state, landing.span) == ("candle_1m", "landed", minutes(0, 3))
    assert (landing.rows, landing.clean_path, landing.run_id) == (3, None, "run 1")


def test_registering_the_same_content_again_changes_nothing_however_far_it_has_come(
    connection: Connection,
) -> None:
    landing = land(connection)
    check(connection, landing)
    stored = query(connection, "SELECT xmin, * FROM ledger.landing")
    again = land(connection, run_id="run 2")
    assert (again.landing_id, again.state) == (landing.landing_id, "checked")
    assert query(connection, "SELECT xmin, * FROM ledger.landing") == stored


@pytest.mark.parametrize(
    "change", [{"payload_sha256": sha("other")}, {"span": minutes(0, 4)}], ids=["content", "span"]
)
def test_other_content_under_the_same_path_starts_again(
    connection: Connection, change: dict[str, Any]
) -> None:
    seed_reference(connection)
    landing = checked_landing(connection, minutes(0, 3), path="file:///a")
    load_landing(connection, landing, candles(range(3)))
    assert get_landing(connection, landing.landing_id).state == "loaded"
    again = land(connection, **({"payload_sha256": landing.payload_sha256} | change))
    assert (again.landing_id, again.state, again.clean_path) == (
        landing.landing_id,
        "landed",
        None,
    )
    assert again.landed_at > landing.landed_at


def test_pending_landings_come_oldest_content_first_and_may_be_limited(
    connection: Connection,
) -> None:
    first, second = land(connection, "file:///1"), land(connection, "file:///2")
    third = land(connection, "file:///3")
    first = land(connection, "file:///1", payload_sha256=sha("newer"))
    assert pending_landings(connection, "landed") == [second, third, first]
    assert pending_landings(connection, "landed", limit=1) == [second]
    check(connection, third)
    assert pending_landings(connection, "landed") == [second, first]
    assert [found.landing_id for found in pending_landings(connection, "checked")] == [
        third.landing_id
    ]


def test_the_check_writes_state_verdict_and_refused_rows(connection: Connection) -> None:
    landing = land(connection)
    verdict_id = check(
        connection,
        landing,
        rows=1,
        verdict={"suite": "candles", "success": False, "share": float("nan")},
        quarantined=refused("not a number", "no \x00 JSON"),
        payload_sha256=landing.payload_sha256,
    )
    stored = get_landing(connection, landing.landing_id)
    assert stored == replace(landing, state="checked", clean_path="file:///clean", rows=1)
    assert query(
        connection,
        "SELECT verdict_id, payload_sha256, suite, success, rows, refused, results ->> 'share' "
        "FROM ledger.verdict",
    ) == [(verdict_id, landing.payload_sha256, "candles", False, 1, 2, "nan")]
    assert query(
        connection,
        "SELECT dataset, venue, symbol, open_time, payload, rule, detail, landing_id, verdict_id, "
        "load_id FROM ledger.quarantine ORDER BY quarantine_id",
    ) == [
        ("candle_1m", VENUE.name, "BTCUSDT", moment(0), [1704067200000, "nan"], "not_finite",
         "not a number", landing.landing_id, verdict_id, None),
        ("candle_1m", VENUE.name, "BTCUSDT", None, "not \\x00 json", "not_parsed",
         "no \\x00 JSON", landing.landing_id, verdict_id, None),
    ]  # fmt: skip


def test_checking_the_same_content_twice_leaves_one_verdict_and_one_set_of_refused_rows(
    connection: Connection,
) -> None:
    landing = land(connection)
    first = check(connection, landing, quarantined=refused("a", "b"))
    assert check(connection, landing, quarantined=refused("c")) == first
    assert query(connection, "SELECT refused FROM ledger.verdict") == [(1,)]
    assert query(connection, "SELECT detail FROM ledger.quarantine") == [("c",)]


def test_refused_rows_of_earlier_content_stay_as_evidence(connection: Connection) -> None:
    check(connection, land(connection), quarantined=refused("a"))
    check(connection, land(connection, payload_sha256=sha("new")), quarantined=refused("b"))
    details = query(connection, "SELECT detail FROM ledger.quarantine ORDER BY quarantine_id")
    assert details == [("a",), ("b",)]


def test_a_held_landing_waits_and_needs_no_clean_file(connection: Connection) -> None:
    landing = land(connection)
    check(connection, landing, held=True, clean_path=None, verdict={})
    assert [found.state for found in pending_landings(connection, "held")] == ["held"]
    assert query(connection, "SELECT success FROM ledger.verdict") == [(False,)]


def test_a_checked_landing_needs_a_clean_file(connection: Connection) -> None:
    landing = land(connection)
    with pytest.raises(InvalidInputError, match="clean_path"):
        check(connection, landing, clean_path=None)


def test_a_check_of_replaced_content_comes_too_late(connection: Connection) -> None:
    landing = land(connection)
    land(connection, payload_sha256=sha("new"))
    with pytest.raises(StaleFenceError, match="too late"):
        check(connection, landing, payload_sha256=landing.payload_sha256)


def test_a_check_of_a_loaded_landing_comes_too_late(connection: Connection) -> None:
    seed_reference(connection)
    landing = checked_landing(connection, minutes(0, 1), path="file:///a")
    load_landing(connection, landing, candles([0]))
    with pytest.raises(StaleFenceError, match="loaded"):
        check(connection, landing)


def test_a_check_that_is_not_committed_leaves_nothing(connection: Connection) -> None:
    landing = land(connection)
    mark_checked(
        connection,
        landing.landing_id,
        clean_path="x",
        rows=0,
        verdict={},
        held=False,
        quarantined=refused("a"),
    )
    connection.rollback()
    assert get_landing(connection, landing.landing_id) == landing
    assert query(connection, "SELECT FROM ledger.verdict") == []
    assert query(connection, "SELECT FROM ledger.quarantine") == []


def test_refused_rows_must_say_why(connection: Connection) -> None:
    landing = land(connection)
    with pytest.raises(InvalidInputError, match="rule"):
        check(connection, landing, quarantined=refused("a").drop(columns="rule"))


def test_an_unknown_landing_is_named(connection: Connection) -> None:
    with pytest.raises(InvalidInputError, match="landing 42 does not exist"):
        get_landing(connection, 42)


@pytest.mark.parametrize(
    "change",
    [{"payload_sha256": "abc"}, {"span": Span(0, 0)}, {"rows": -1}],
    ids=["hash", "empty span", "rows"],
)
def test_a_landing_that_makes_no_sense_is_refused(
    connection: Connection, change: dict[str, Any]
) -> None:
    with pytest.raises(psycopg.errors.CheckViolation):
        land(connection, **change)
