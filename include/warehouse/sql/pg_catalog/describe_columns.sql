-- Lists the columns of a relation; leans on pg_attribute.
SELECT
    attname::text,
    format_type(atttypid, atttypmod),
    NOT attnotnull,
    col_description(attrelid, attnum)
FROM pg_attribute
WHERE attrelid = %(relation_id)s AND attnum > 0 AND NOT attisdropped
ORDER BY attnum
