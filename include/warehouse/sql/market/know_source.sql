-- Tells whether a source has a rank; leans on source_pkey.
SELECT EXISTS (SELECT FROM market.source WHERE name = %(source)s)
