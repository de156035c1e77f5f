-- Lists open findings that nobody accepted, or those of them nobody was told of yet, with the names
-- of their instruments; leans on finding_open and instrument_pkey.
SELECT
    finding.finding_id,
    finding.check_name,
    finding.relation,
    finding.instrument_id,
    finding.span_start,
    finding.span_end,
    finding.detail,
    finding.repair,
    venue.name || ' ' || instrument.symbol
FROM ledger.finding AS finding
LEFT JOIN market.instrument AS instrument USING (instrument_id)
LEFT JOIN market.venue AS venue USING (venue_id)
WHERE
    finding.gone_at IS NULL
    AND finding.accepted_at IS NULL
    AND (finding.told_at IS NULL OR NOT %(untold_only)s)
ORDER BY finding.finding_id
