-- Tells the rows that only repeat the row that displaced them; reads the whole batch.
UPDATE pg_temp.judged_rows AS loser SET fate = 'repeat'
FROM pg_temp.judged_rows AS winner
WHERE
    loser.fate = 'duplicate_key'
    AND winner.fate IN ('new', 'same', 'revised', 'superseded', 'outranked')
    AND ({loser_key}) = ({winner_key})
    AND ({loser_values}) IS NOT DISTINCT FROM ({winner_values})
