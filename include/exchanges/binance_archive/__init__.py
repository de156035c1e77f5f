"""Binance's public archive: whole days and months as zipped CSV, with published checksums."""
