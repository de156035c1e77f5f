-- Lists which instruments each symbol meant within a span, and when; leans on alias_by_symbol.
SELECT
    asked.place::integer - 1,
    alias.instrument_id,
    greatest(lower(alias.valid_during), asked.span_start),
    least(upper(alias.valid_during), asked.span_end)
FROM unnest(
    %(venues)s::text[], %(symbols)s::text[], %(span_starts)s::timestamptz[],
    %(span_ends)s::timestamptz[]
) WITH ORDINALITY AS asked (venue, symbol, span_start, span_end, place)
INNER JOIN market.venue AS venue ON asked.venue = venue.name
INNER JOIN market.instrument_alias AS alias
    ON
        venue.venue_id = alias.venue_id
        AND asked.symbol = alias.symbol
        AND alias.valid_during && tstzrange(asked.span_start, asked.span_end)
ORDER BY asked.place, alias.instrument_id, alias.valid_during
