"""Shared words: timeframes, spans, candles, errors, settings, universe. Pure."""
