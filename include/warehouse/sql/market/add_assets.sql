-- Enters the assets not known yet, in order of code so that two syncs cannot block each other.
-- Leans on asset_code_key.
INSERT INTO market.asset (code)
SELECT code
FROM (
    SELECT unnest(%(base_asset)s::text[]) AS code
    UNION
    SELECT unnest(%(quote_asset)s::text[])
) AS named
WHERE NOT EXISTS (SELECT FROM market.asset AS known WHERE known.code = named.code)
ORDER BY code
ON CONFLICT (code) DO NOTHING
