"""Channels are fitted top down, in shards, where something changed, and can be made again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from include.jobs.fit_channels import (
    Shard,
    finish_fits,
    fit_changed,
    fit_shard,
    plan_fits,
)
from include.jobs.fit_inputs import FitInput, MadeFit, make_fit, read_inputs
from include.jobs.reproduce_fit import reproduce_fit
from include.jobs.stored_channels import from_stored, to_stored
from include.market.errors import InvalidInputError, RetryableError, StaleFenceError
from include.market.modelled import MODELLED
from include.market.timeframe import H4, M1, M5, M30
from include.warehouse.engine import Connection, connect
from include.warehouse.model_rows import write_fits
from include.warehouse.models import latest_fit, prune_segments, read_fit, store_fit
from tests.support.modelled import MINUTES, SETTINGS, revised, store, trending
from tests.support.warehouse import checked_landing, minutes, query, seed_reference

CURRENT = "SELECT instrument_id, timeframe, fit_run_id FROM model.fit_run WHERE is_current"
NEWEST_SLOPES = (
    "SELECT DISTINCT ON (fit.instrument_id) sign(segment.slope_per_hour)"
    " FROM model.fit_run AS fit INNER JOIN model.segment AS segment USING (fit_run_id)"
    " WHERE fit.is_current AND fit.timeframe = %s"
    " ORDER BY fit.instrument_id, segment.start_time DESC"
)


@pytest.fixture
def conn(loader_dsn: str, warehouse_dsn: str) -> Iterator[Connection]:
    with connect(warehouse_dsn, application="test") as owner:
        seed_reference(owner)
    connection = connect(loader_dsn, application="test", autocommit=True)
    yield connection
    connection.close()


@pytest.fixture
def filled(conn: Connection) -> Connection:
    store(conn, trending(1))
    store(conn, trending(2, flip=900), "ETHUSDT")
    return conn


def fit_all(conn: Connection) -> dict[str, int]:
    return {each.label: fit_changed(conn, each, SETTINGS)["instruments"] for each in MODELLED}


def cursor_of(conn: Connection, stage: str) -> list[tuple[object, ...]]:
    return query(conn, "SELECT xid::text FROM ledger.cursor WHERE stage = %s", stage)


def fits_of(conn: Connection) -> dict[tuple[int, str], int]:
    return {(one, label): fit for one, label, fit in query(conn, CURRENT)}


def test_every_timeframe_is_fitted_top_down_and_names_what_it_was_made_of(
    filled: Connection,
) -> None:
    assert fit_all(filled) == {"4h": 2, "30m": 2, "5m": 2, "1m": 2}
    assert fit_all(filled) == {"4h": 0, "30m": 0, "5m": 0, "1m": 0}
    fits, begins = fits_of(filled), []
    for child, parent in ((M30, H4), (M5, M30), (M1, M5)):
        for instrument_id in (1, 2):
            stored = latest_fit(filled, instrument_id, child)
            assert stored is not None
            assert stored.provenance is not None
            made = stored.provenance
            assert made.parent_fit_run_id == fits[instrument_id, parent.label]
            assert len(made.parent_states) > 8
            assert made.span.end_ms - made.span.start_ms == 200 * child.length_ms
            newest = stored.segments[-1]
            assert newest.channel is not None
            assert {"parent_slope_agrees", "parent_position"} <= set(newest.channel.scores)
            assert {"volume_per_hour", "parent_share", "r1_50"} <= set(newest.features)
            oldest, *others = stored.segments
            assert not {"begin_first_hours", "begin_last_hours"} & set(oldest.features)
            begins += [
                (one.features["begin_first_hours"], one.features["begin_last_hours"])
                for one in others
            ]
    assert begins
    assert all(first <= 0 <= last for first, last in begins)
    coarsest = latest_fit(filled, 1, H4)
    assert coarsest is not None
    assert coarsest.provenance is not None
    assert coarsest.provenance.parent_states == ()
    coherence = query(
        filled,
        "SELECT timeframe, parent_timeframe, fits, closes_inside BETWEEN 0 AND 1 "
        "FROM model.coherence ORDER BY 1",
    )
    assert coherence == [("1m", "5m", 2, True), ("30m", "4h", 2, True), ("5m", "30m", 2, True)]


def test_a_run_tells_how_many_channels_slope_as_their_parents_do(filled: Connection) -> None:
    assert "with_parent" not in fit_changed(filled, H4, SETTINGS)
    counts = fit_changed(filled, M30, SETTINGS)
    slopes, above = query(filled, NEWEST_SLOPES, "30m"), query(filled, NEWEST_SLOPES, "4h")
    assert counts["with_parent"] == 2
    assert counts["slopes_agree"] == sum(map(tuple.__eq__, slopes, above))


def test_what_is_stored_is_the_fit_that_was_made(filled: Connection) -> None:
    [given] = read_inputs(filled, M30, [1], SETTINGS)
    made = make_fit(given, min_candles=4)
    stored = to_stored(made.fit, instrument_id=1, data_xid=given.data_xid, min_candles=4)
    store_fit(filled, stored)
    found = latest_fit(filled, 1, M30)
    assert found is not None
    again = from_stored(found)
    assert replace(again, scores={}) == replace(made.fit, scores={})
    assert dict(again.scores) == {**made.fit.scores, "lines_stopped_early": 0.0}


def test_a_lost_shard_keeps_the_cursor_back_and_only_it_is_done_again(filled: Connection) -> None:
    fit_changed(filled, H4, SETTINGS)
    single = replace(SETTINGS, fit_shard_instruments=1)
    shards = plan_fits(filled, M30, single)
    assert [shard["instruments"] for shard in shards] == [[1], [2]]
    fit_shard(filled, M30, single, shards[0])
    with pytest.raises(RetryableError, match="1 of 2 instruments have no fit"):
        finish_fits(filled, M30, SETTINGS, shards)
    assert cursor_of(filled, "fit_channels_30m") == []
    again = plan_fits(filled, M30, single)
    assert [shard["instruments"] for shard in again] == [[2]]
    fit_shard(filled, M30, single, again[0])
    with pytest.raises(StaleFenceError):
        finish_fits(filled, M30, SETTINGS, shards)
    finish_fits(filled, M30, SETTINGS, again)
    assert cursor_of(filled, "fit_channels_30m") == [(str(again[0]["upto_xid"]),)]
    assert plan_fits(filled, M30, single) == []


def test_an_orphan_that_saw_less_does_not_replace_what_saw_more(filled: Connection) -> None:
    [old] = read_inputs(filled, M30, [1], SETTINGS)
    orphan = to_stored(
        make_fit(old, min_candles=4).fit, instrument_id=1, data_xid=old.data_xid, min_candles=4
    )
    store(filled, revised(trending(1), range(MINUTES - 60, MINUTES), 1.01), content="again")
    fit_changed(filled, M30, SETTINGS)
    newer = latest_fit(filled, 1, M30)
    assert newer is not None
    with filled.transaction():
        assert write_fits(filled, [orphan]) == [None]
    with pytest.raises(StaleFenceError, match="30m fit of instrument 1"):
        store_fit(filled, orphan)
    assert latest_fit(filled, 1, M30) == newer


def test_a_revision_refits_what_it_touches_and_nothing_else(filled: Connection) -> None:
    fit_all(filled)
    before = fits_of(filled)
    # Within the newest 200 candles of 4h and 30m, before those of 5m and 1m.
    touched = range(MINUTES - 2880, MINUTES - 2820)
    store(filled, revised(trending(1), touched, 1.02), content="again")
    found = fit_all(filled)
    assert (found["4h"], found["30m"]) == (1, 1)
    after = fits_of(filled)
    assert {key for key in before if before[key] != after[key]} >= {(1, "4h"), (1, "30m")}
    assert {key[0] for key in before if before[key] != after[key]} == {1}
    assert fit_all(filled) == {"4h": 0, "30m": 0, "5m": 0, "1m": 0}
    waiting = query(filled, "SELECT count(*) FROM ledger.waiting_changes('fit_channels_1m', %s)",
                    M1.dataset)  # fmt: skip
    assert waiting == [(0,)]


def test_a_child_is_fitted_again_when_its_parent_tells_otherwise(filled: Connection) -> None:
    fit_all(filled)
    state = (
        "INSERT INTO model.channel_state (instrument_id, timeframe, known_at, state, sha256) "
        "SELECT instrument_id, timeframe, known_at, jsonb_set(state, '{slope_per_hour}', %s), %s "
        "FROM model.channel_state WHERE instrument_id = 2 AND timeframe = '4h' "
        "ORDER BY known_at DESC LIMIT 1"
    )
    filled.execute(state, ("0.5", "0" * 64))
    assert plan_fits(filled, M30, SETTINGS)[0]["instruments"] == [2]
    assert fit_changed(filled, M30, SETTINGS)["instruments"] == 1
    assert fit_changed(filled, M30, SETTINGS)["instruments"] == 0


def test_a_fit_is_made_again_bit_by_bit_after_its_candles_were_revised(
    filled: Connection,
) -> None:
    fit_all(filled)
    made = fits_of(filled)
    store(filled, revised(trending(1), range(MINUTES - 90, MINUTES), 1.03), content="again")
    fit_all(filled)
    assert not set(made.values()) & {fit for key, fit in fits_of(filled).items() if key[0] == 1}
    for fit_run_id in made.values():
        found = reproduce_fit(filled, fit_run_id)
        assert found.differences == ()
        assert found.candles == (42 if read_fit(filled, fit_run_id).timeframe == H4 else 200)


def test_what_does_not_come_out_again_is_told(filled: Connection, warehouse_dsn: str) -> None:
    fit_changed(filled, H4, SETTINGS)
    fit_run_id = fits_of(filled)[1, "4h"]
    with connect(warehouse_dsn, application="test", autocommit=True) as owner:
        owner.execute(
            "UPDATE model.segment SET slope_per_hour = slope_per_hour * (1 + 1e-15) "
            "WHERE fit_run_id = %s", (fit_run_id,)
        )  # fmt: skip
        [difference, *_] = reproduce_fit(filled, fit_run_id).differences
        assert "slope_per_hour" in difference
        owner.execute("UPDATE model.fit_run SET code_version = 'channels-0'")
        with pytest.raises(InvalidInputError, match="made by channels-0"):
            reproduce_fit(filled, fit_run_id)
    with pytest.raises(InvalidInputError, match="not stored"):
        reproduce_fit(filled, 10**9)


def test_history_that_is_still_arriving_is_waited_for_but_by_four_hours(
    filled: Connection,
) -> None:
    checked_landing(filled, minutes(0, 60), path="history", rows=60_000)
    assert plan_fits(filled, M1, SETTINGS) == []
    assert cursor_of(filled, "fit_channels_1m") == []
    assert plan_fits(filled, H4, SETTINGS)[0]["instruments"] == [1, 2]


def test_segments_of_old_fits_that_were_never_shown_are_dropped(
    filled: Connection, warehouse_dsn: str
) -> None:
    fit_changed(filled, H4, SETTINGS)
    store(filled, revised(trending(1), range(MINUTES - 60, MINUTES), 1.01), content="again")
    fit_changed(filled, H4, SETTINGS)
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert prune_segments(filled, before=yesterday) == 0
    with connect(warehouse_dsn, application="test", autocommit=True) as owner:
        owner.execute("UPDATE model.fit_run SET recorded_at = recorded_at - interval '2 days'")
        owner.execute("UPDATE model.channel SET published = false, declined_reason = 'test'")
    old = query(filled, "SELECT count(*) FROM model.segment JOIN model.fit_run USING (fit_run_id) "
                        "WHERE NOT is_current")  # fmt: skip
    assert prune_segments(filled, before=yesterday) == old[0][0] > 0
    assert query(filled, "SELECT count(*) FROM model.fit_run") == [(3,)]
    assert latest_fit(filled, 1, H4).segments  # type: ignore[union-attr]


@pytest.mark.parametrize(("other", "shown"), [(0.9, [False, False]), (0.04, [True, True])])
def test_a_channel_is_judged_among_all_of_its_timeframe(
    filled: Connection, monkeypatch: pytest.MonkeyPatch, other: float, shown: list[bool]
) -> None:
    def good(given: FitInput, **named: int) -> MadeFit:
        made = make_fit(given, **named)
        p_value = 0.03 if given.instrument_id == 1 else other
        published = p_value < 0.05
        reason = None if published else "not better"
        return replace(
            made,
            fit=replace(made.fit, p_value=p_value, published=published, declined_reason=reason),
        )

    monkeypatch.setattr("include.jobs.fit_channels.make_fit", good)
    fit_changed(filled, H4, SETTINGS)
    rows = query(
        filled,
        "SELECT parameters ->> 'declined_reason', parameters ->> 'withheld_for', p_value "
        "FROM model.fit_run ORDER BY instrument_id",
    )
    assert [reason is None for reason, _, _ in rows] == shown
    assert [row[2] for row in rows] == [0.03, other]
    if not shown[0]:
        # 0.03 alone would do; among two tests the best must be below 0.025.
        assert rows[0][0] == rows[0][1]
        assert "p = 0.03 is above" in rows[0][0]
        assert rows[1][1] is None
    published = query(filled, "SELECT count(*) FROM model.channel WHERE published")
    assert published == [(sum(shown),)]


def test_a_plan_without_work_passes_its_changes(filled: Connection) -> None:
    fit_changed(filled, M1, SETTINGS)
    place = cursor_of(filled, "fit_channels_1m")
    store(filled, revised(trending(1), range(100, 110), 1.01), content="again")
    assert plan_fits(filled, M1, SETTINGS) == []
    assert cursor_of(filled, "fit_channels_1m") != place


def test_a_shard_is_plain_json(filled: Connection) -> None:
    [shard] = plan_fits(filled, H4, SETTINGS)
    assert set(shard) == set(Shard.__annotations__)
    assert shard["changed"][0][0] == 1
