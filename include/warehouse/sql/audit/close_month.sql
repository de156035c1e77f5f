-- Stores the checksum of one month of one series, in place of an older one; leans on
-- month_checksum_pkey.
INSERT INTO ledger.month_checksum (
    dataset, instrument_id, month, rows, checksum, hour_checksums, algorithm, closed_at
)
VALUES (
    %(dataset)s, %(instrument_id)s, %(month)s, %(rows)s, %(checksum)s, %(hour_checksums)s,
    %(algorithm)s, %(closed_at)s
)
ON CONFLICT (dataset, instrument_id, month) DO UPDATE SET
    rows = excluded.rows,
    checksum = excluded.checksum,
    hour_checksums = excluded.hour_checksums,
    algorithm = excluded.algorithm,
    closed_at = excluded.closed_at
