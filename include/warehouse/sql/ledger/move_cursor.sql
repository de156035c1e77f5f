-- Moves a stage's cursor forward, never back; leans on cursor_pkey.
INSERT INTO ledger.cursor AS place (stage, xid)
VALUES (%(stage)s, %(upto_xid)s::text::xid8)
ON CONFLICT (stage) DO UPDATE SET
    xid = EXCLUDED.xid,
    moved_at = now()
WHERE place.xid <= EXCLUDED.xid
RETURNING xid::text
