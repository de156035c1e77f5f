-- Builds the key of a month whose rows are there; leans on no index.
SELECT nursery.finish_month(%(nest)s::bigint::oid::regclass)
