-- Registers a new try of many scopes at once and gives their tokens; leans on fence_pkey.
INSERT INTO ledger.fence AS fence (scope, token)
SELECT
    scope,
    1
FROM unnest(%(scopes)s::text[]) AS scope
ORDER BY scope
ON CONFLICT (scope) DO UPDATE SET token = fence.token + 1
RETURNING scope, token
