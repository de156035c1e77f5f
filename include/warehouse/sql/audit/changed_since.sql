-- Lists the series of a dataset that a transaction from some number on has changed; leans on
-- change_by_xid.
SELECT DISTINCT instrument_id
FROM ledger.change
WHERE dataset = %(dataset)s AND xid >= %(xid)s::xid8
