-- Makes the table of one timeframe unless it is there; leans on timeframe_pkey and the catalog.
SELECT market.ensure_timeframe(%(label)s, %(length)s::text::interval, %(source)s)
