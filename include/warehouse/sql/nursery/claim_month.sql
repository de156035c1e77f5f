-- Locks what attaching needs and tells whether the month is still free; leans on the catalog.
SELECT nursery.claim_month(%(table)s::text::regclass, %(month)s)
