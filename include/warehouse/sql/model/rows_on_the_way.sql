-- Counts the rows of landings that wait to be checked or loaded; leans on landing_waiting.
SELECT coalesce(sum(rows), 0)::bigint
FROM ledger.landing
WHERE state IN ('landed', 'checked')
