"""Published channels are held against what came after them, and again when that is revised."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from include.channels.channel import fit_channel
from include.jobs import score_channels
from include.jobs.fit_channels import fit_changed
from include.jobs.fit_inputs import read_inputs
from include.jobs.score_channels import freeze_rival, score_changed, score_published
from include.jobs.stored_channels import to_stored
from include.market.span import Span, to_ms
from include.market.timeframe import M30
from include.warehouse.engine import Connection, connect
from include.warehouse.models import store_fit
from include.warehouse.outcomes import published_near
from tests.support.modelled import MINUTES, SETTINGS, part, revised, store, trending
from tests.support.warehouse import START_MS, query, seed_reference, walk

HALF_HOUR_MS = M30.length_ms
KNOWN = MINUTES - 360
"""The last six hours of the week come after the fit."""
OUTCOMES = (
    "SELECT step, tau, loss, baseline_loss, is_below FROM model.channel_outcome ORDER BY 1, 2"
)


@pytest.fixture
def conn(loader_dsn: str, warehouse_dsn: str) -> Iterator[Connection]:
    with connect(warehouse_dsn, application="test") as owner:
        seed_reference(owner)
    connection = connect(loader_dsn, application="test", autocommit=True)
    yield connection
    connection.close()


def publish(conn: Connection) -> int:
    """Store a published 30m fit of the candles known, whatever its verdict; return its channel."""
    [given] = read_inputs(conn, M30, [1], SETTINGS)
    fit = fit_channel(given.candles, M30, min_candles=4)
    fit = replace(fit, published=True, declined_reason=None)
    stored = to_stored(
        fit,
        instrument_id=1,
        data_xid=given.data_xid,
        min_candles=4,
        baseline_lines=freeze_rival(given.candles, fit),
        provenance=given.provenance(),
    )
    store_fit(conn, stored)
    [[channel_id]] = query(conn, "SELECT channel_id FROM model.channel WHERE published")
    return int(channel_id)


def test_a_channel_is_scored_as_far_as_it_was_judged_and_no_further(conn: Connection) -> None:
    frame = trending(1)
    store(conn, part(frame, 0, KNOWN))
    channel_id = publish(conn)
    fit_changed(conn, M30, SETTINGS)
    assert query(conn, OUTCOMES) == []
    store(conn, part(frame, KNOWN, KNOWN + 30))
    fit_changed(conn, M30, SETTINGS)
    assert {row[0] for row in query(conn, OUTCOMES)} == {1}
    store(conn, part(frame, KNOWN + 30, MINUTES))
    fit_changed(conn, M30, SETTINGS)
    rows = query(
        conn,
        "SELECT step, tau, loss, baseline_loss, is_below, close_time FROM model.channel_outcome "
        "WHERE channel_id = %s ORDER BY 1, 2", channel_id,
    )  # fmt: skip
    assert [row[0] for row in rows] == [1] * 5 + [2] * 5
    # By hand: the line as it is stored, its calibration, and the pinball loss.
    lines = query(
        conn,
        "SELECT l.intercept + calibration, slope, tau, start_time "
        "FROM model.channel_coefficient AS l "
        "JOIN model.channel USING (channel_id) JOIN model.segment USING (segment_id) "
        "WHERE channel_id = %s ORDER BY tau", channel_id,
    )  # fmt: skip
    for step in (1, 2):
        close = float(np.log(frame["close"].iloc[KNOWN + 30 * step - 1]))
        open_ms = START_MS + KNOWN * 60_000 + (step - 1) * HALF_HOUR_MS
        quantiles = sorted(
            intercept + slope * (open_ms - to_ms(start)) / 3_600_000
            for intercept, slope, _, start in lines
        )
        for quantile, row in zip(quantiles, rows[5 * step - 5 : 5 * step], strict=True):
            tau = row[1]
            miss = close - quantile
            assert row[2] == pytest.approx(max(tau * miss, (tau - 1) * miss), abs=1e-15)
            assert row[4] == (close < quantile)
            assert to_ms(row[5]) == open_ms + HALF_HOUR_MS
    live = query(conn, "SELECT candles, loss > 0, share_below BETWEEN 0 AND 1 FROM "
                       "model.live_score WHERE channel_id = %s", channel_id)  # fmt: skip
    assert live == [(2, True, True)] * 5


def test_the_rival_is_the_one_frozen_at_publication(conn: Connection) -> None:
    frame = trending(1)
    store(conn, part(frame, 0, KNOWN))
    channel_id = publish(conn)
    [[frozen]] = query(
        conn, "SELECT baseline_lines FROM model.channel WHERE channel_id = %s", channel_id
    )
    store(conn, part(frame, KNOWN, MINUTES))
    fit_changed(conn, M30, SETTINGS)
    for step, tau, _, baseline_loss, _ in query(conn, OUTCOMES):
        quantile = frozen["steps"][step - 1][frozen["taus"].index(tau)]
        miss = float(np.log(frame["close"].iloc[KNOWN + 30 * step - 1])) - quantile
        assert baseline_loss == pytest.approx(max(tau * miss, (tau - 1) * miss), abs=1e-15)


def test_outcomes_are_scored_however_far_ahead_channels_are_judged(
    conn: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(score_channels, "LEAST_REACH", 0)
    frame = trending(1)
    store(conn, part(frame, 0, KNOWN))
    publish(conn)
    store(conn, part(frame, KNOWN, KNOWN + 30))
    fit_changed(conn, M30, SETTINGS)
    assert {row[0] for row in query(conn, OUTCOMES)} == {1}
    store(conn, part(frame, KNOWN + 30, KNOWN + 60), content="later")
    fit_changed(conn, M30, SETTINGS)
    assert {row[0] for row in query(conn, OUTCOMES)} == {1, 2}


def test_a_revised_candle_is_scored_again_and_a_withdrawn_one_no_longer(conn: Connection) -> None:
    frame = trending(1)
    store(conn, part(frame, 0, KNOWN))
    publish(conn)
    store(conn, part(frame, KNOWN, MINUTES))
    fit_changed(conn, M30, SETTINGS)
    before = {row[:2]: row[2] for row in query(conn, OUTCOMES)}
    assert len(before) == 10
    store(conn, revised(frame, range(KNOWN + 30, KNOWN + 60), 1.05), content="again")
    fit_changed(conn, M30, SETTINGS)
    after = {row[:2]: row[2] for row in query(conn, OUTCOMES)}
    assert {key[0] for key in before if before[key] != after[key]} == {2}
    [channel] = published_near(
        conn, M30, {1: Span(START_MS, START_MS + MINUTES * 60_000)}, reach_ms=0
    )[:1]
    gone = score_changed(
        conn, M30, SETTINGS, {1: Span(START_MS + KNOWN * 60_000, START_MS + MINUTES * 60_000)}
    )
    only_first = replace(gone, rows=[row for row in gone.rows if row.step == 1])
    only_first.store(conn)
    assert {row[0] for row in query(conn, OUTCOMES)} == {1}
    empty = part(frame, 0, 0)
    assert score_published(channel, empty, M30) == []


def test_what_is_not_published_is_not_scored(conn: Connection) -> None:
    frame = walk(MINUTES)
    store(conn, part(frame, 0, KNOWN))
    fit_changed(conn, M30, SETTINGS)
    assert query(conn, "SELECT count(*) FROM model.channel WHERE published") == [(0,)]
    store(conn, part(frame, KNOWN, MINUTES))
    fit_changed(conn, M30, SETTINGS)
    assert query(conn, OUTCOMES) == []
