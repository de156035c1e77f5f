-- Locks one landing until the transaction ends; leans on landing_pkey.
SELECT landing_id FROM ledger.landing WHERE landing_id = %(landing_id)s FOR UPDATE
