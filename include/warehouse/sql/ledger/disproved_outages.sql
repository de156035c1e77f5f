-- Lists detected outages inside which candles are stored; leans on outage_written_once,
-- coverage_pkey and gap_open.
SELECT outage.outage_id
FROM ledger.venue_outage AS outage
INNER JOIN market.venue AS venue ON outage.venue_id = venue.venue_id
WHERE
    venue.name = %(venue)s
    AND outage.withdrawn_at IS NULL
    AND outage.source = 'detected'
    AND outage.span_start < %(span_end)s
    AND outage.span_end > %(span_start)s
    AND EXISTS (
        SELECT
        FROM market.instrument AS instrument
        INNER JOIN ledger.coverage AS coverage
            ON
                instrument.instrument_id = coverage.instrument_id
                AND coverage.dataset = %(dataset)s
        WHERE
            instrument.venue_id = outage.venue_id
            AND NOT isempty(
                coverage.covered
                * tstzmultirange(tstzrange(outage.span_start, outage.span_end))
                - coalesce((
                    SELECT range_agg(tstzrange(gap.span_start, gap.span_end))
                    FROM ledger.gap AS gap
                    WHERE
                        gap.dataset = %(dataset)s
                        AND gap.instrument_id = instrument.instrument_id
                        AND gap.closed_at IS NULL
                        AND gap.span_start < outage.span_end
                        AND gap.span_end > outage.span_start
                ), '{}')
            )
    )
ORDER BY outage.outage_id
