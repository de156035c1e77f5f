"""Binance USD-M futures market data: client, trades, funding, wire format. Edge."""
