-- Notes how long a status under which nothing trades has been seen; leans on history_instrument.
UPDATE market.instrument_history AS version SET
    seen_until = %(observed_at)s
FROM pg_temp.instrument_listed AS listed
INNER JOIN market.trading_state AS state ON listed.status = state.status
WHERE
    version.instrument_id = listed.instrument_id
    AND upper_inf(version.valid_during)
    AND coalesce(version.seen_until, lower(version.valid_during)) < %(observed_at)s
