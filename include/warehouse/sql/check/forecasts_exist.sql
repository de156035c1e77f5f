-- Tells whether forecasts are stored at all; leans on pg_class_relname_nsp_index.
SELECT to_regclass('model.forecast') IS NOT NULL
