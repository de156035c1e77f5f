-- Stores candles of which none was there; leans on no index.
COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)
