-- Opens the circuit of one venue's limits, or keeps it open longer; tells where it was closed.
-- Leans on rate_budget_pkey.
INSERT INTO ledger.rate_budget AS budget (scope, egress, banned_since, banned_until, ban_reason)
SELECT scope, %(egress)s, now(), now() + make_interval(secs => %(seconds)s), %(reason)s
FROM unnest(%(scopes)s::text[]) AS scope
ORDER BY scope
ON CONFLICT (scope, egress) DO UPDATE SET
    banned_since = CASE
        WHEN budget.banned_until > now() THEN budget.banned_since ELSE EXCLUDED.banned_since
    END,
    banned_until = greatest(budget.banned_until, EXCLUDED.banned_until),
    ban_reason = EXCLUDED.ban_reason
RETURNING scope, coalesce(old.banned_until <= now(), true)
