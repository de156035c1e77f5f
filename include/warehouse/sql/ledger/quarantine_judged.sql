-- Keeps the rows a load did not store, whole, with the reason; reads the whole batch.
INSERT INTO ledger.quarantine (
    dataset, venue, symbol, open_time, payload, rule, detail, load_id, landing_id
)
SELECT
    %(dataset)s,
    coalesce(judged.venue, %(venue)s),
    coalesce(judged.symbol, %(symbol)s),
    judged.open_time,
    to_jsonb(judged) - ARRAY['position', 'venue', 'symbol', 'fate'],
    judged.fate,
    CASE judged.fate
        WHEN 'unknown_instrument' THEN
            'no instrument of the venue had the symbol ' || judged.symbol || ' at this time'
        WHEN 'outside_span' THEN 'the batch speaks for another span'
        WHEN 'duplicate_key' THEN 'a later row of the batch has other values for this time'
        WHEN 'superseded' THEN 'a newer observation with other values is stored'
    END,
    %(load_id)s,
    %(landing_id)s
FROM pg_temp.candle_judged AS judged
WHERE judged.fate IN ('unknown_instrument', 'outside_span', 'duplicate_key', 'superseded')
ORDER BY judged.position
