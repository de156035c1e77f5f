-- Lets a detected outage bear the words of one who states it; leans on venue_outage_pkey.
UPDATE ledger.venue_outage SET source = %(source)s, note = %(note)s
WHERE outage_id = %(outage_id)s
