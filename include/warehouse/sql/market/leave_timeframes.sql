-- Notes which timeframes are no longer built; reads the whole small table.
UPDATE market.timeframe
SET
    is_configured = false,
    source = NULL,
    configured_at = clock_timestamp()
WHERE is_configured AND label <> ALL(%(labels)s)
RETURNING label
