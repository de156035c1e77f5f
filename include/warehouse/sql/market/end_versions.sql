-- Ends the versions the venue no longer states; leans on history_instrument.
UPDATE market.instrument_history AS version SET
    valid_during = tstzrange(lower(version.valid_during), %(observed_at)s)
FROM pg_temp.instrument_listed AS listed
WHERE
    version.instrument_id = listed.instrument_id
    AND upper_inf(version.valid_during)
    AND lower(version.valid_during) < %(observed_at)s
    AND (version.status, version.tick_size, version.lot_size, version.funding_interval_ms)
    IS DISTINCT FROM (
        listed.status, listed.tick_size, listed.lot_size, listed.funding_interval_ms
    )
