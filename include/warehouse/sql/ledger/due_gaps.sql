-- Lists the gaps of some series that are due for another look, with the symbol of the time; leans on
-- gap_unexplained, gap_due and alias_instrument.
SELECT
    coalesce(
        (
            SELECT alias.symbol
            FROM market.instrument_alias AS alias
            WHERE
                alias.instrument_id = gap.instrument_id
                AND alias.valid_during @> gap.span_start
            ORDER BY alias.valid_during DESC
            LIMIT 1
        ),
        instrument.symbol
    ) AS symbol,
    gap.gap_id,
    gap.instrument_id,
    gap.span_start,
    gap.span_end,
    gap.reason,
    gap.attempts,
    gap.next_attempt_at,
    gap.proof,
    gap.found_at,
    gap.outage_id,
    gap.given_up_at
FROM (
    SELECT gap_id FROM ledger.gap
    WHERE
        dataset = %(dataset)s
        AND closed_at IS NULL
        AND reason IN ('fetch_failed', 'disconnected', 'depth_exhausted', 'unknown')
        AND coalesce(next_attempt_at, found_at + %(first_wait)s) <= %(at)s
    UNION
    SELECT gap_id FROM ledger.gap
    WHERE
        dataset = %(dataset)s
        AND closed_at IS NULL
        AND next_attempt_at IS NOT NULL
        AND next_attempt_at <= %(at)s
) AS due
INNER JOIN ledger.gap AS gap ON due.gap_id = gap.gap_id
INNER JOIN market.instrument AS instrument ON gap.instrument_id = instrument.instrument_id
WHERE gap.instrument_id = ANY(%(instrument_ids)s::integer[]) AND gap.given_up_at IS NULL
ORDER BY gap.next_attempt_at NULLS FIRST, gap.instrument_id, gap.span_start
LIMIT %(limit)s
