-- Tells whether history of a symbol landed within the last hour; leans on landing_waiting and, for
-- what is loaded by now, on load_by_symbol.
SELECT
    EXISTS (
        SELECT FROM ledger.landing
        WHERE
            dataset = %(dataset)s
            AND venue = %(venue)s
            AND symbol = %(symbol)s
            AND state <> 'loaded'
            AND landed_at > %(at)s::timestamptz - interval '1 hour'
            AND span_end - span_start >= interval '12 hours'
    )
    OR EXISTS (
        SELECT FROM ledger.load
        WHERE
            dataset = %(dataset)s
            AND venue = %(venue)s
            AND symbol = %(symbol)s
            AND observed_at > %(at)s::timestamptz - interval '1 hour'
            AND span_end - span_start >= interval '12 hours'
    )
