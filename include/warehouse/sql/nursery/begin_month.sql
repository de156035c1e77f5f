-- Creates the table in which a month is built, and tells which; leans on the catalog.
SELECT
    nest_id,
    nest_name
FROM nursery.begin_month(%(table)s::text::regclass, %(month)s, %(source)s)
