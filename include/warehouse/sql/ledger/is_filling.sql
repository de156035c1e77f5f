-- Tells whether history of a symbol landed within the last hour; reads the whole table, seldom.
SELECT EXISTS (
    SELECT FROM ledger.landing
    WHERE
        dataset = %(dataset)s
        AND venue = %(venue)s
        AND symbol = %(symbol)s
        AND landed_at > %(at)s::timestamptz - interval '1 hour'
        AND span_end - span_start >= interval '12 hours'
)
