"""Alembic migrations of the warehouse: hand-written SQL, one file per step."""
