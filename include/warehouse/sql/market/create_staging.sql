-- Makes the table a batch is copied into: the names and columns its rows may bring, in order of
-- arrival; null where a row does not state one.
CREATE TEMPORARY TABLE staged_rows (position integer NOT NULL, {columns}) ON COMMIT DROP
