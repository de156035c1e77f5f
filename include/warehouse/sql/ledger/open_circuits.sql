-- Lists the bans in force, all or of one scope; reads the whole table, which has a few rows.
SELECT scope, egress, banned_since, banned_until, ban_reason
FROM ledger.rate_budget
WHERE
    banned_until > clock_timestamp()
    AND (%(scope)s::text IS NULL OR scope = %(scope)s::text)
ORDER BY scope, egress
