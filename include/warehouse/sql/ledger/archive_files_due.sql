-- Lists archive files last asked about before an instant; leans on archive_file_due.
SELECT
    path, venue, symbol, dataset, timeframe, span_start, span_end, sha256, bytes, rows, etag,
    first_seen_at, checked_at, revised_count
FROM ledger.archive_file
WHERE venue = %(venue)s AND checked_at < %(before)s
ORDER BY checked_at, path
LIMIT %(limit)s
