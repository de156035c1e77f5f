-- Notes that an archive file still has the content last read; leans on archive_file_pkey.
UPDATE ledger.archive_file
SET checked_at = clock_timestamp()
WHERE path = %(path)s AND sha256 = %(sha256)s
