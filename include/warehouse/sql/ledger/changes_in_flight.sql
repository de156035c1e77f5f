-- Tells whether committed changes wait at or beyond a stage's cursor; leans on change_by_xid.
SELECT EXISTS (
    SELECT FROM ledger.change
    WHERE
        dataset = %(dataset)s
        AND xid >= coalesce((SELECT xid FROM ledger.cursor WHERE stage = %(stage)s), '0'::xid8)
)
