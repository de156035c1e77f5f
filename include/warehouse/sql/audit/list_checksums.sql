-- Lists the closed months of a dataset; leans on month_checksum_pkey.
SELECT
    instrument_id,
    month,
    rows,
    checksum,
    hour_checksums,
    algorithm,
    closed_at
FROM ledger.month_checksum
WHERE dataset = %(dataset)s
