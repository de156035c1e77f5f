-- Drops the months whose builders have died; leans on pg_class_relname_nsp_index.
SELECT nursery.sweep()
