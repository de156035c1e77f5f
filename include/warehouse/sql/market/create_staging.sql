-- Makes the table a batch is copied into: natural keys or an instrument, order of arrival, values;
-- null where a source never states the column.
CREATE TEMPORARY TABLE candle_staging (
    position integer NOT NULL,
    venue text,
    symbol text,
    instrument_id integer,
    open_time timestamptz NOT NULL,
    open double precision NOT NULL,
    high double precision NOT NULL,
    low double precision NOT NULL,
    close double precision NOT NULL,
    volume double precision NOT NULL,
    quote_volume double precision,
    taker_buy_volume double precision,
    taker_buy_quote_volume double precision,
    trade_count bigint,
    children_present smallint,
    children_expected smallint
) ON COMMIT DROP
