"""Any exchange that ccxt speaks: guarded session, habits as data, client. Edge."""
