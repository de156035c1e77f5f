"""The store: PostgreSQL, its SQL, ledger and migrations. Edge."""
