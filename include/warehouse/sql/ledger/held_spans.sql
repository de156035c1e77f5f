-- Adds up the spans of a symbol that landed and that the gate holds back; leans on landing_waiting.
SELECT range_agg(tstzrange(span_start, span_end))
FROM ledger.landing
WHERE
    dataset = %(dataset)s
    AND venue = %(venue)s
    AND symbol = %(symbol)s
    AND state = 'held'
