-- Writes what was found of series and windows; a window judged again replaces its verdict. Leans on
-- drift_verdict_pkey.
INSERT INTO ledger.drift_verdict (
    instrument_id, timeframe, kind, measure, window_start, window_end, reference_start, candles,
    psi, ks, js, shift, p_value, q_value, tests, alarm, changed_at, detail
)
SELECT *
FROM unnest(
    %(instrument_id)s::integer[], %(timeframe)s::text[], %(kind)s::text[], %(measure)s::text[],
    %(window_start)s::timestamptz[], %(window_end)s::timestamptz[],
    %(reference_start)s::timestamptz[], %(candles)s::integer[],
    %(psi)s::float8[], %(ks)s::float8[], %(js)s::float8[], %(shift)s::float8[],
    %(p_value)s::float8[], %(q_value)s::float8[], %(tests)s::integer[], %(alarm)s::boolean[],
    %(changed_at)s::timestamptz[], %(detail)s::text[]
)
ORDER BY 1, 2, 3, 4, 6
ON CONFLICT (instrument_id, timeframe, kind, measure, window_end) DO UPDATE SET
    window_start = excluded.window_start,
    reference_start = excluded.reference_start,
    candles = excluded.candles,
    psi = excluded.psi,
    ks = excluded.ks,
    js = excluded.js,
    shift = excluded.shift,
    p_value = excluded.p_value,
    q_value = excluded.q_value,
    tests = excluded.tests,
    alarm = excluded.alarm,
    changed_at = excluded.changed_at,
    detail = excluded.detail,
    recorded_at = clock_timestamp()
