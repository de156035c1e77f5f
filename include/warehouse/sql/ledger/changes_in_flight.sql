-- Tells whether committed changes wait at or beyond a stage's cursor; leans on change_by_xid.
SELECT EXISTS (SELECT FROM ledger.waiting_changes(%(stage)s, %(dataset)s))
