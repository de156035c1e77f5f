-- Gives the next token of a scope; leans on fence_pkey.
INSERT INTO ledger.fence AS fence (scope, token)
VALUES (%(scope)s, 1)
ON CONFLICT (scope) DO UPDATE SET token = fence.token + 1
RETURNING token
