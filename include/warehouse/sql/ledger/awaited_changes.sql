-- Tells whether committed changes wait for any of the stages that have begun to read; leans on
-- change_by_xid and cursor_pkey.
SELECT EXISTS (
    SELECT
    FROM ledger.cursor AS place
    CROSS JOIN LATERAL ledger.waiting_changes(place.stage, %(dataset)s)
    WHERE place.stage = any(%(stages)s)
)
