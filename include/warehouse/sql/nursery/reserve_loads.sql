-- Gives out ids for receipts; leans on no index.
SELECT nursery.reserve_loads(%(loads)s)
