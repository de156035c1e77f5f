-- Keeps the rows a load did not store, as they came, with the reason; reads the whole batch. A row
-- whose names are all stated but mean nothing yet waits for reference data.
INSERT INTO ledger.quarantine (
    dataset, venue, symbol, open_time, payload, rule, detail, load_id, landing_id, state
)
SELECT
    %(dataset)s,
    {venue},
    {symbol},
    {time},
    to_jsonb(arrived) - ARRAY['position', 'venue', 'symbol'],
    judged.fate,
    replace(
        coalesce(%(details)s::jsonb ->> judged.fate, judged.fate),
        '$symbol', coalesce({symbol}, 'null')
    ),
    %(load_id)s,
    %(landing_id)s,
    CASE WHEN judged.fate LIKE 'unknown\_%%' AND {is_named} THEN 'waiting' ELSE 'final' END
FROM pg_temp.judged_rows AS judged
INNER JOIN pg_temp.staged_rows AS arrived ON judged.position = arrived.position
WHERE judged.fate NOT IN ('new', 'revised', 'same', 'repeat')
ORDER BY judged.position
