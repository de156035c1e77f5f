-- Silences the limits of one venue for a while, never for less; leans on rate_budget_pkey.
INSERT INTO ledger.rate_budget AS budget (scope, egress, paused_until)
SELECT scope, %(egress)s, clock_timestamp() + make_interval(secs => %(seconds)s)
FROM unnest(%(scopes)s::text[]) AS scope
ORDER BY scope
ON CONFLICT (scope, egress) DO UPDATE
SET paused_until = greatest(budget.paused_until, EXCLUDED.paused_until)
