-- Takes one past month out of its table; leans on pg_class_relname_nsp_index.
SELECT market.retire_month(%(table)s::regclass, %(month)s)
