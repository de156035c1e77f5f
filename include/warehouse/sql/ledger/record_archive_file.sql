-- Notes an archive file that was read, or read anew; leans on archive_file_pkey.
INSERT INTO ledger.archive_file AS file (
    path, venue, symbol, dataset, timeframe, span_start, span_end, sha256, bytes, rows, etag
)
VALUES (
    %(path)s, %(venue)s, %(symbol)s, %(dataset)s, %(timeframe)s, %(span_start)s, %(span_end)s,
    %(sha256)s, %(bytes)s, %(rows)s, %(etag)s
)
ON CONFLICT (path) DO UPDATE SET
    sha256 = EXCLUDED.sha256,
    previous_sha256 = CASE
        WHEN file.sha256 = EXCLUDED.sha256 THEN file.previous_sha256 ELSE file.sha256
    END,
    bytes = EXCLUDED.bytes,
    rows = EXCLUDED.rows,
    etag = EXCLUDED.etag,
    checked_at = clock_timestamp(),
    revised_at = CASE
        WHEN file.sha256 = EXCLUDED.sha256 THEN file.revised_at ELSE clock_timestamp()
    END,
    revised_count = file.revised_count + (file.sha256 <> EXCLUDED.sha256)::int
RETURNING
    path, venue, symbol, dataset, timeframe, span_start, span_end, sha256, bytes, rows, etag,
    first_seen_at, checked_at, revised_count
