-- Reads one archive file; leans on archive_file_pkey.
SELECT
    path, venue, symbol, dataset, timeframe, span_start, span_end, sha256, bytes, rows, etag,
    first_seen_at, checked_at, revised_count
FROM ledger.archive_file
WHERE path = %(path)s
