-- Lets one transaction at a time write down outages of a venue; leans on no index.
SELECT pg_advisory_xact_lock(hashtextextended('candlewick outages ' || %(venue)s::text, 0))
