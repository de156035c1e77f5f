-- Lets one session at a time release the waiting rows of one symbol; leans on no index.
SELECT
    pg_advisory_xact_lock(
        hashtextextended(
            concat_ws(
                ' ', 'candlewick parked', %(dataset)s::text, %(venue)s::text, %(symbol)s::text
            ),
            0
        )
    )
