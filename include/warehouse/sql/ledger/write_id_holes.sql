-- Writes new holes of ids; leans on id_hole_written_once.
INSERT INTO ledger.id_hole (dataset, instrument_id, first_id, last_id, is_fault, proof)
SELECT
    %(dataset)s::text,
    %(instrument_id)s::integer,
    first_id,
    last_id,
    %(is_fault)s::boolean,
    %(proof)s::jsonb
FROM unnest(%(first_ids)s::bigint[], %(last_ids)s::bigint[]) AS hole (first_id, last_id)
