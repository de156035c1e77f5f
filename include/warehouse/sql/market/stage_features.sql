-- Makes the table a batch is copied into: features as they were derived, of one timeframe.
CREATE TEMPORARY TABLE staged_features ON COMMIT DROP AS
SELECT
    instrument_id,
    open_time,
    {values}
FROM market.feature
WITH NO DATA
