"""The functions of migration 0014. Never edited: a later migration replaces what it must."""

from __future__ import annotations

from alembic import op

from include.warehouse.migrations.comments import comment

NAME = r"~ '^[^\s]{1,64}$'"
FUNDING = "BETWEEN 60000 AND 86400000"
TIMEFRAMES = (("1m", "1 minute"), ("5m", "5 minutes"), ("30m", "30 minutes"), ("4h", "4 hours"))
PRICES = ("open", "high", "low", "close")


def create_admission() -> None:
    """Create what lets listed symbols in as instruments."""
    size = "CASE WHEN pg_input_is_valid(l.{0}, 'numeric') THEN l.{0}::numeric BETWEEN 0 AND {1} END"
    named = " AND ".join(
        f"l.{column} {NAME}" for column in ("base_asset", "quote_asset", "kind", "status")
    )
    op.execute(f"""
        CREATE FUNCTION market.admissible(venue integer, symbols text[])
        RETURNS SETOF market.listing
        LANGUAGE sql STABLE
        BEGIN ATOMIC
            SELECT l.* FROM market.listing AS l
            JOIN market.venue AS v ON v.venue_id = l.venue_id
            WHERE l.venue_id = admissible.venue
                AND l.symbol IN (
                    SELECT market.spell(asked, v.symbol_case) FROM unnest(symbols) AS asked
                )
                AND NOT EXISTS (
                    SELECT FROM market.instrument_alias AS a
                    WHERE a.venue_id = l.venue_id AND a.symbol = l.symbol
                )
                AND {named}
                AND {size.format("tick_size", "1e12")} AND {size.format("lot_size", "1e18")}
                AND coalesce(l.funding_interval_ms {FUNDING}, true);
        END
    """)  # noqa: S608 - our own words
    comment(
        "FUNCTION",
        "market.admissible(integer, text[])",
        "Those of some symbols that the venue lists and that never named an instrument, as far as "
        "what is stated of them can be stored.",
    )
    # One sync or admission of a venue at a time, and none waits when there is nothing to admit.
    op.execute("""
        CREATE FUNCTION market.admit_listed(venue text, symbols text[]) RETURNS integer
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
        DECLARE
            owner integer := (SELECT v.venue_id FROM market.venue AS v
                WHERE v.name = admit_listed.venue);
            admitted integer := 0;
        BEGIN
            IF NOT EXISTS (SELECT FROM market.admissible(owner, symbols)) THEN
                RETURN 0;
            END IF;
            PERFORM FROM market.venue AS v WHERE v.venue_id = owner FOR NO KEY UPDATE;
            INSERT INTO market.asset (code)
            SELECT DISTINCT named.code
            FROM market.admissible(owner, symbols) AS l
            CROSS JOIN LATERAL (VALUES (l.base_asset), (l.quote_asset)) AS named (code)
            ORDER BY named.code
            ON CONFLICT (code) DO NOTHING;
            WITH fresh AS (
                INSERT INTO market.instrument (venue_id, symbol, base_asset_id, quote_asset_id,
                    kind, status, tick_size, lot_size, funding_interval_ms, listed_at,
                    delisted_at, valid_during)
                SELECT l.venue_id, l.symbol, base.asset_id, quote.asset_id, l.kind, l.status,
                    l.tick_size::numeric, l.lot_size::numeric, l.funding_interval_ms,
                    l.listed_at, l.delisted_at,
                    tstzrange(date_trunc('day', l.listed_at, 'UTC'), NULL)
                FROM market.admissible(owner, symbols) AS l
                JOIN market.asset AS base ON base.code = l.base_asset
                JOIN market.asset AS quote ON quote.code = l.quote_asset
                ORDER BY l.symbol
                RETURNING *
            ), named AS (
                INSERT INTO market.instrument_alias (instrument_id, venue_id, symbol, valid_during)
                SELECT f.instrument_id, f.venue_id, f.symbol, f.valid_during FROM fresh AS f
            ), noted AS (
                INSERT INTO market.instrument_history (instrument_id, valid_during, status,
                    tick_size, lot_size, funding_interval_ms)
                SELECT f.instrument_id, tstzrange(l.observed_at, NULL), f.status, f.tick_size,
                    f.lot_size, f.funding_interval_ms
                FROM fresh AS f
                JOIN market.listing AS l ON l.venue_id = f.venue_id AND l.symbol = f.symbol
            )
            SELECT count(*) INTO admitted FROM fresh;
            RETURN admitted;
        END
        $$
    """)
    comment(
        "FUNCTION",
        "market.admit_listed(text, text[])",
        "Enters instruments, with assets, alias and history, for those symbols that the venue "
        "lists and that never named one; returns how many. A symbol whose names have ended stays "
        "ended: what it means now is for the reference sync to decide.",
    )


def create_expectation() -> None:
    """Create what tells when an instrument is expected to trade."""
    op.execute("""
        CREATE FUNCTION market.trading_status(instrument integer, at timestamptz) RETURNS text
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT CASE
                WHEN trading_status.at < i.listed_at THEN 'PRE_LISTING'
                WHEN trading_status.at >= i.delisted_at THEN 'DELISTED'
                ELSE (
                    SELECT h.status FROM market.instrument_history AS h
                    WHERE h.instrument_id = i.instrument_id
                        AND h.valid_during @> trading_status.at
                )
            END
            FROM market.instrument AS i WHERE i.instrument_id = trading_status.instrument;
        END
    """)
    comment(
        "FUNCTION",
        "market.trading_status(integer, timestamptz)",
        "Status of an instrument at an instant, in the words of the venue; PRE_LISTING and "
        "DELISTED outside its life, null before the first observation.",
    )
    op.execute("""
        CREATE FUNCTION market.known_absence(instrument integer, during tstzrange)
        RETURNS TABLE (absent tstzrange, reason text, proof jsonb)
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT known.absent * known_absence.during, known.reason, known.proof
            FROM (
                SELECT tstzrange(NULL, i.listed_at) AS absent, 'pre_listing' AS reason,
                    jsonb_build_object('listed_at', i.listed_at) AS proof
                FROM market.instrument AS i
                WHERE i.instrument_id = known_absence.instrument AND i.listed_at IS NOT NULL
                UNION ALL
                SELECT tstzrange(i.delisted_at, NULL), 'delisted',
                    jsonb_build_object('delisted_at', i.delisted_at)
                FROM market.instrument AS i
                WHERE i.instrument_id = known_absence.instrument AND i.delisted_at IS NOT NULL
                UNION ALL
                SELECT tstzrange(lower(h.valid_during), h.seen_until), state.absence,
                    jsonb_build_object('history_id', h.history_id, 'status', h.status)
                FROM market.instrument_history AS h
                JOIN market.trading_state AS state ON state.status = h.status
                WHERE h.instrument_id = known_absence.instrument AND h.seen_until IS NOT NULL
                UNION ALL
                SELECT
                    tstzrange(a.effective_at,
                        CASE WHEN a.successor_id = a.instrument_id THEN a.resumed_at END),
                    CASE WHEN a.successor_id = a.instrument_id THEN 'halted' ELSE 'delisted' END,
                    jsonb_build_object('action_id', a.action_id)
                FROM market.corporate_action AS a
                WHERE a.instrument_id = known_absence.instrument
                    AND (a.successor_id <> a.instrument_id OR a.resumed_at > a.effective_at)
                UNION ALL
                SELECT tstzrange(pause.closes_at, pause.reopens_at), 'no_trade',
                    jsonb_build_object('calendar', pause.session_calendar,
                        'session_id', pause.session_id)
                FROM (
                    SELECT s.session_id, s.closes_at, v.session_calendar,
                        lead(s.opens_at) OVER (ORDER BY s.opens_at) AS reopens_at
                    FROM market.instrument AS i
                    JOIN market.venue AS v ON v.venue_id = i.venue_id
                    JOIN market.session AS s ON s.venue_id = v.venue_id
                    WHERE i.instrument_id = known_absence.instrument
                        AND v.session_calendar <> '24/7'
                        AND s.opens_at >= coalesce((
                            SELECT max(earlier.opens_at) FROM market.session AS earlier
                            WHERE earlier.venue_id = v.venue_id
                                AND earlier.opens_at <= lower(known_absence.during)
                        ), '-infinity')
                        AND s.opens_at <= coalesce((
                            SELECT min(later.opens_at) FROM market.session AS later
                            WHERE later.venue_id = v.venue_id
                                AND later.opens_at >= upper(known_absence.during)
                        ), 'infinity')
                ) AS pause
                WHERE pause.closes_at < pause.reopens_at
            ) AS known
            WHERE known.absent && known_absence.during;
        END
    """)
    comment(
        "FUNCTION",
        "market.known_absence(integer, tstzrange)",
        "Spans within a span in which nothing of an instrument can have traded: before its "
        "listing, after its end, in halts, while its name changed, and between sessions. They may "
        "overlap; proof names the rows each rests on.",
    )
    op.execute("""
        CREATE FUNCTION market.expected_span(instrument integer, during tstzrange)
        RETURNS tstzmultirange
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            SELECT
                CASE
                    WHEN v.session_calendar = '24/7' THEN tstzmultirange(expected_span.during)
                    ELSE coalesce((
                        SELECT range_agg(tstzrange(s.opens_at, s.closes_at) * expected_span.during)
                        FROM market.session AS s
                        WHERE s.venue_id = v.venue_id
                            AND tstzrange(s.opens_at, s.closes_at) && expected_span.during
                    ), '{}')
                END
                - coalesce((
                    SELECT range_agg(known.absent)
                    FROM market.known_absence(i.instrument_id, expected_span.during) AS known
                ), '{}')
            FROM market.instrument AS i
            JOIN market.venue AS v ON v.venue_id = i.venue_id
            WHERE i.instrument_id = expected_span.instrument;
        END
    """)
    comment(
        "FUNCTION",
        "market.expected_span(integer, tstzrange)",
        "When, within a span, an instrument is expected to trade: its life, within the sessions of "
        "its venue, without halts. Null for an unknown instrument.",
    )


def create_adjusted_candle(*, flagged: bool = False) -> None:
    """Create the read of candles across renames and redenominations, with flags or without."""
    flags = ["c.flags"] if flagged else []
    values = ", ".join(
        [f"c.{price} * p.factor AS {price}" for price in PRICES]
        + ["c.volume / p.factor AS volume", "c.quote_volume"]
        + ["c.taker_buy_volume / p.factor AS taker_buy_volume", "c.taker_buy_quote_volume"]
        + ["c.trade_count", *flags, "p.factor", "c.load_id"]
    )
    # A coarse bucket in which the unit changes is in neither: it is left out. OFFSET keeps each
    # piece a read of the primary key of its own; bounds of the whole span prune the months.
    candles = " UNION ALL ".join(
        f"""
            SELECT part.* FROM piece AS p
            CROSS JOIN LATERAL (
                SELECT c.instrument_id, c.open_time, {values}
                FROM market.candle_{label} AS c
                WHERE c.instrument_id = p.instrument_id
                    AND c.open_time >= coalesce(lower(adjusted_candle.during), '-infinity')
                    AND c.open_time < coalesce(upper(adjusted_candle.during), 'infinity')
                    AND c.open_time >= coalesce(p.since, '-infinity')
                    AND c.open_time < p.until
                    AND (p.is_seamless OR c.open_time + interval '{length}' <= p.until)
                OFFSET 0
            ) AS part
            WHERE adjusted_candle.timeframe = '{label}'
        """  # noqa: S608 - our own labels
        for label, length in TIMEFRAMES
    )
    op.execute(f"""
        CREATE FUNCTION market.adjusted_candle(
            timeframe text, instrument integer, during tstzrange
        )
        RETURNS TABLE (
            instrument_id integer, open_time timestamptz,
            {", ".join(f"{price} double precision" for price in PRICES)},
            volume double precision, quote_volume double precision,
            taker_buy_volume double precision, taker_buy_quote_volume double precision,
            trade_count bigint, {"flags smallint," if flagged else ""}
            factor double precision, load_id bigint
        )
        LANGUAGE sql STABLE PARALLEL SAFE
        BEGIN ATOMIC
            WITH RECURSIVE piece AS (
                SELECT adjusted_candle.instrument AS instrument_id, last.since,
                    timestamptz 'infinity' AS until, true AS is_seamless,
                    float8 '1' AS factor, last.predecessor_id, last.step
                FROM (SELECT) AS one
                LEFT JOIN LATERAL (
                    SELECT a.effective_at AS since, a.instrument_id AS predecessor_id,
                        a.factor::float8 AS step
                    FROM market.corporate_action AS a
                    WHERE a.successor_id = adjusted_candle.instrument
                    ORDER BY a.effective_at DESC LIMIT 1
                ) AS last ON true
                UNION ALL
                SELECT p.predecessor_id, earlier.since, p.since,
                    p.step = 1 AND p.predecessor_id = p.instrument_id,
                    p.factor * p.step, earlier.predecessor_id, earlier.step
                FROM piece AS p
                LEFT JOIN LATERAL (
                    SELECT a.effective_at AS since, a.instrument_id AS predecessor_id,
                        a.factor::float8 AS step
                    FROM market.corporate_action AS a
                    WHERE a.successor_id = p.predecessor_id AND a.effective_at < p.since
                    ORDER BY a.effective_at DESC LIMIT 1
                ) AS earlier ON true
                WHERE p.since IS NOT NULL
            )
            {candles};
        END
    """)  # noqa: S608 - our own labels
    comment(
        "FUNCTION",
        "market.adjusted_candle(text, integer, tstzrange)",
        "Candles of an instrument and of those it followed, in its newest unit. A bucket in which "
        "the unit or the instrument changes is left out.",
    )
