-- Lists the loads that parked rows of one symbol, in order of observation, with what was known of
-- them and the months their rows lie in; leans on quarantine_waiting and load_pkey.
SELECT
    load.load_id,
    load.source,
    load.span_start,
    load.span_end,
    load.observed_at,
    load.payload_sha256,
    parked.landing_id,
    array_agg(DISTINCT date_trunc('month', parked.open_time, 'UTC'))
FROM ledger.quarantine AS parked
INNER JOIN ledger.load AS load ON parked.load_id = load.load_id
WHERE
    parked.state = 'waiting'
    AND parked.dataset = %(dataset)s
    AND parked.venue IS NOT DISTINCT FROM %(venue)s::text
    AND parked.symbol IS NOT DISTINCT FROM %(symbol)s::text
GROUP BY load.load_id, parked.landing_id
ORDER BY load.observed_at, load.load_id
