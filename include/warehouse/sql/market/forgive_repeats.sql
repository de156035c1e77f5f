-- Tells the rows that only repeat the row that displaced them; reads the whole batch.
UPDATE pg_temp.candle_judged AS loser SET fate = 'repeat'
FROM pg_temp.candle_judged AS winner
WHERE
    loser.fate = 'duplicate_key'
    AND winner.fate IN ('new', 'same', 'revised', 'superseded')
    AND loser.instrument_id = winner.instrument_id
    AND loser.open_time = winner.open_time
    AND ({loser}) IS NOT DISTINCT FROM ({winner})
