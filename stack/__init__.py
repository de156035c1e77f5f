"""How Candlewick runs on one machine: embedded PostgreSQL, supervisor, make up and down."""
