"""Verdicts and episodes of drift: written once, told once, ended when quiet."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from include.market.errors import ContractError
from include.market.span import Span
from include.market.timeframe import H4, M1, M5
from include.warehouse.drift import (
    DriftKey,
    NewEpisode,
    StoredVerdict,
    drift_of_models,
    end_episodes,
    judged_unit_days,
    mark_drift_handed,
    mark_drift_told,
    note_episodes,
    open_episodes,
    unit_changes,
    watched_series,
    write_verdicts,
)
from include.warehouse.engine import Connection
from tests.support.warehouse import (
    START,
    VENUE,
    load_frame,
    minutes,
    query,
    seed_reference,
    walk,
)

DAY = timedelta(days=1)


@pytest.fixture
def instrument_id(connection: Connection) -> int:
    return seed_reference(connection)["BTCUSDT"]


def verdict(instrument_id: int, **changes: object) -> StoredVerdict:
    found = StoredVerdict(
        instrument_id=instrument_id,
        timeframe="5m",
        kind="distribution",
        measure="range",
        window_start=START,
        window_end=START + 3 * DAY,
        reference_start=START - 60 * DAY,
        candles=864,
        psi=0.4,
        ks=0.3,
        js=0.2,
        shift=-0.5,
        p_value=0.001,
        q_value=0.01,
        tests=12,
        alarm=True,
        changed_at=START,
        detail="range spreads otherwise",
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def episode(instrument_id: int, **changes: object) -> NewEpisode:
    found = NewEpisode(
        instrument_id=instrument_id,
        timeframe="5m",
        kind="distribution",
        measure="range",
        advice="refit",
        began_at=START,
        detail="range spreads otherwise",
    )
    return replace(found, **changes)  # type: ignore[arg-type]


def test_a_window_judged_again_replaces_its_verdict(
    connection: Connection, instrument_id: int
) -> None:
    write_verdicts(connection, [verdict(instrument_id)])
    again = verdict(instrument_id, alarm=False, q_value=0.5, detail=None)
    write_verdicts(connection, [again, verdict(instrument_id, window_end=START + 4 * DAY)])
    write_verdicts(connection, [])
    rows = query(
        connection, "SELECT alarm, q_value, detail FROM ledger.drift_verdict ORDER BY window_end"
    )
    assert rows == [(False, 0.5, None), (True, 0.01, "range spreads otherwise")]


def test_a_verdict_without_its_numbers_is_refused(
    connection: Connection, instrument_id: int
) -> None:
    for changes in ({"psi": None}, {"q_value": float("nan")}, {"ks": 1.5}, {"timeframe": "5x"}):
        with pytest.raises(ContractError, match="drift_verdict"), connection.transaction():
            write_verdicts(connection, [verdict(instrument_id, **changes)])


def test_a_drift_is_one_episode_until_it_is_quiet(
    connection: Connection, instrument_id: int
) -> None:
    note_episodes(connection, [episode(instrument_id)], at=START)
    later = episode(instrument_id, detail="still", began_at=START + DAY)
    note_episodes(connection, [later], at=START + DAY)
    (known,) = open_episodes(connection)
    # It began when it was first found to begin, whatever later windows say.
    assert (known.began_at, known.detail, known.is_told) == (START, "still", False)
    assert known.name == f"{VENUE.name} BTCUSDT"
    mark_drift_told(connection, [known], at=START + DAY)
    assert open_episodes(connection)[0].is_told
    other = DriftKey(
        instrument_id=instrument_id, timeframe="4h", kind="distribution", measure="range"
    )
    end_episodes(connection, [other], at=START + 2 * DAY)
    assert len(open_episodes(connection)) == 1
    end_episodes(connection, [replace(other, timeframe="5m")], at=START + 2 * DAY)
    assert open_episodes(connection) == []
    note_episodes(connection, [episode(instrument_id)], at=START + 5 * DAY)
    (fresh,) = open_episodes(connection)
    assert fresh.episode_id != known.episode_id
    assert not fresh.is_told


def test_an_accepted_drift_is_left_in_peace(connection: Connection, instrument_id: int) -> None:
    note_episodes(connection, [episode(instrument_id)], at=START)
    connection.execute("UPDATE ledger.drift_episode SET accepted_at = now()")
    note_episodes(connection, [episode(instrument_id)], at=START + DAY)
    assert open_episodes(connection) == []
    assert drift_of_models(connection, M5) == {}


def test_models_hear_of_their_own_timeframe_and_of_every_unit(
    connection: Connection, instrument_id: int
) -> None:
    unit = episode(
        instrument_id, timeframe="1m", kind="unit", measure="price_scale", advice="decline"
    )
    note_episodes(connection, [episode(instrument_id), unit], at=START)
    heard = drift_of_models(connection, M5)[instrument_id]
    assert {e.measure for e in heard} == {"range", "price_scale"}
    found = drift_of_models(connection, H4)[instrument_id]
    assert [e.measure for e in found] == ["price_scale"]
    mark_drift_handed(connection, found, "fit_channels_4h")
    mark_drift_handed(connection, found, "fit_channels_4h")
    mark_drift_handed(connection, [], "fit_channels_4h")
    (handed,) = drift_of_models(connection, H4)[instrument_id]
    assert handed.handed_to == ["fit_channels_4h"]


def test_days_whose_units_were_judged_are_known(connection: Connection, instrument_id: int) -> None:
    quiet = StoredVerdict(
        instrument_id=instrument_id,
        timeframe="1m",
        kind="unit",
        measure="units",
        window_start=START,
        window_end=START + DAY,
        reference_start=START - DAY,
        candles=1440,
    )
    write_verdicts(connection, [quiet, verdict(instrument_id)])
    assert judged_unit_days(connection, M1, since=START) == {(instrument_id, START + DAY)}
    assert judged_unit_days(connection, M1, since=START + DAY) == set()


def test_watched_is_what_has_proven_candles(connection: Connection) -> None:
    seed_reference(connection)
    load_frame(connection, walk(120), minutes(0, 120))
    (found,) = watched_series(connection, "candle_1m", minutes(0, 60))
    assert (found.venue, found.symbol) == (VENUE.name, "BTCUSDT")
    assert watched_series(connection, "candle_1m", Span(0, 60_000)) == []
    assert watched_series(connection, "candle_4h", minutes(0, 60)) == []


def test_only_changes_of_unit_of_the_instrument_itself_count(
    connection: Connection, instrument_id: int
) -> None:
    connection.execute(
        "INSERT INTO market.corporate_action (venue_id, instrument_id, successor_id, old_symbol, "
        "new_symbol, effective_at, factor) SELECT venue_id, instrument_id, %s, symbol, "
        "symbol || 'X', %s, 1000 FROM market.instrument",
        (instrument_id, START),
    )
    (change,) = unit_changes(connection, instrument_id)
    assert (change.at, change.factor) == (START, 1000.0)
