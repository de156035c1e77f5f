"""Candles out of a folder of CSV or Parquet files, by a declared mapping."""
