-- Records how sending a message ended; what was sent stays sent. Leans on publication_pkey.
UPDATE report.publication SET
    state = CASE WHEN state = 'sent' THEN state ELSE %(state)s END,
    target = CASE WHEN state = 'sent' THEN target ELSE %(target)s END,
    path = CASE WHEN state = 'sent' THEN path ELSE %(path)s END,
    sent_at = CASE
        WHEN state = 'sent' THEN sent_at
        WHEN %(state)s = 'sent' THEN clock_timestamp()
    END
WHERE publication_id = %(publication_id)s
