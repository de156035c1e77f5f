-- Locks a scope's row and reads its newest token; leans on fence_pkey.
SELECT token FROM ledger.fence WHERE scope = %(scope)s FOR UPDATE
