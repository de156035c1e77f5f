-- Records a rename or a change of unit. Where the instrument goes on, the venue has yet to state
-- what is bought since. Leans on instrument_pkey and action_happens_once.
INSERT INTO market.corporate_action (
    venue_id, instrument_id, successor_id, old_symbol, new_symbol, effective_at, factor,
    base_asset_id, resumed_at
)
SELECT
    successor.venue_id,
    %(instrument_id)s,
    successor.instrument_id,
    %(old)s,
    %(new)s,
    %(at)s,
    %(factor)s,
    CASE WHEN %(is_stated)s THEN successor.base_asset_id END,
    CASE
        WHEN %(is_stated)s AND successor.listed_at > %(at)s::timestamptz THEN successor.listed_at
    END
FROM market.instrument AS successor
WHERE successor.instrument_id = %(successor_id)s
