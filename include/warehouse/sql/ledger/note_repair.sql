-- Renames the changes of a load whose new rows filled a known gap; leans on change_load.
UPDATE ledger.change SET reason = 'repaired'
WHERE
    load_id = %(load_id)s
    AND instrument_id = %(instrument_id)s
    AND reason = 'new'
    AND tstzrange(span_start, span_end) && %(spans)s::tstzmultirange
