-- Tells of each instrument of a venue when, around some spans, it ought to trade, did, and was asked
-- for in vain; leans on coverage_pkey and gap_open. Spans grow by the gaps that reach beyond them,
-- and by a minute on either side, where trade must be known.
WITH owner AS (
    SELECT venue_id FROM market.venue
    WHERE name = %(venue)s
),

around AS (
    SELECT range_agg(
        tstzrange(lower(part) - interval '1 minute', upper(part) + interval '1 minute')
    ) AS spans
    FROM (
        SELECT unnest(%(spans)s::tstzmultirange) AS part
        UNION ALL
        SELECT tstzrange(gap.span_start, gap.span_end)
        FROM ledger.gap AS gap
        INNER JOIN market.instrument AS instrument
            ON gap.instrument_id = instrument.instrument_id
        WHERE
            instrument.venue_id = (SELECT owner.venue_id FROM owner)
            AND gap.dataset = %(dataset)s
            AND gap.closed_at IS NULL
            AND gap.span_start <= (SELECT upper(%(spans)s::tstzmultirange))
            AND gap.span_end >= (SELECT lower(%(spans)s::tstzmultirange))
            AND tstzrange(gap.span_start, gap.span_end, '[]') && %(spans)s::tstzmultirange
    ) AS parts
)

SELECT
    instrument.instrument_id,
    known.active,
    known.traded,
    known.silent
FROM market.instrument AS instrument
CROSS JOIN around
INNER JOIN ledger.coverage AS coverage
    ON
        instrument.instrument_id = coverage.instrument_id
        AND coverage.dataset = %(dataset)s
CROSS JOIN LATERAL (
    SELECT
        coalesce(range_agg(tstzrange(gap.span_start, gap.span_end)), '{}') AS absent,
        coalesce(
            range_agg(tstzrange(gap.span_start, gap.span_end)) FILTER (
                WHERE
                gap.reason IN ('outage', 'unpublished')
                OR (
                    gap.reason IN ('no_trade', 'unknown')
                    AND gap.proof ? 'asked'
                    AND NOT gap.proof ? 'refused_in_landing'
                )
            ),
            '{}'
        ) AS silent,
        coalesce(
            range_agg(tstzrange(gap.span_start, gap.span_end)) FILTER (
                WHERE gap.proof ? 'refused_in_landing'
            ),
            '{}'
        ) AS refused
    FROM ledger.gap AS gap
    WHERE
        gap.dataset = %(dataset)s
        AND gap.instrument_id = instrument.instrument_id
        AND gap.closed_at IS NULL
        AND gap.span_start < upper(around.spans)
        AND gap.span_end > lower(around.spans)
        AND tstzrange(gap.span_start, gap.span_end) && around.spans
) AS gaps
CROSS JOIN LATERAL (
    SELECT
        around.spans * market.expected_span(
            instrument.instrument_id, tstzrange(lower(around.spans), upper(around.spans))
        ) AS active,
        around.spans * (coverage.covered - gaps.absent + gaps.refused) AS traded,
        around.spans * gaps.silent AS silent
) AS known
WHERE
    instrument.venue_id = (SELECT owner.venue_id FROM owner)
    AND coverage.covered && tstzrange(
        lower(around.spans) - interval '1 day', upper(around.spans) + interval '1 day'
    )
ORDER BY instrument.instrument_id
