-- Corrects the factor of a corporate action; leans on corporate_action_pkey.
UPDATE market.corporate_action SET
    factor = %(factor)s,
    recorded_at = now()
WHERE action_id = %(action_id)s
