-- Remembers which waiting rows were staged at which position; leans on quarantine_waiting.
CREATE TEMPORARY TABLE parked_rows ON COMMIT DROP AS
SELECT
    quarantine_id,
    row_number() OVER (ORDER BY quarantine_id) AS position
FROM ledger.quarantine
WHERE
    state = 'waiting'
    AND dataset = %(dataset)s
    AND venue IS NOT DISTINCT FROM %(venue)s::text
    AND symbol IS NOT DISTINCT FROM %(symbol)s::text
    AND load_id = %(load_id)s
