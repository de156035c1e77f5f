-- Lists what is recorded of a rename, one row for each instant it happened at; leans on
-- action_happens_once.
SELECT
    action.action_id,
    action.effective_at,
    action.factor
FROM market.corporate_action AS action
INNER JOIN market.venue AS venue ON action.venue_id = venue.venue_id
WHERE venue.name = %(venue)s AND action.old_symbol = %(old)s AND action.new_symbol = %(new)s
ORDER BY action.effective_at
