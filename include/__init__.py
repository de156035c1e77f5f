"""Candlewick's rooms, along the river: market data in, candles, channels and reports out."""
