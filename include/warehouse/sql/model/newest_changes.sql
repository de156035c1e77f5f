-- Tells of every instrument the newest transaction below a bound that changed its candles since the stage
-- was there; leans on change_by_xid and cursor_pkey.
SELECT
    change.instrument_id,
    max(change.xid)::text::bigint
FROM ledger.waiting_changes(%(stage)s, %(dataset)s) AS waiting
INNER JOIN ledger.change AS change ON waiting.change_id = change.change_id
WHERE change.xid < %(upto_xid)s::text::xid8
GROUP BY change.instrument_id
