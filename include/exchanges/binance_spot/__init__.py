"""Binance spot market data: client, wire format. Edge."""
