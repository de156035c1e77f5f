-- Locks many scopes' rows, in order, and reads their newest tokens; leans on fence_pkey.
SELECT
    scope,
    token
FROM ledger.fence
WHERE scope = ANY(%(scopes)s::text[])
ORDER BY scope
FOR UPDATE
