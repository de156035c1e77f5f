-- Keeps a row that could not even be staged; leans on no index.
INSERT INTO ledger.quarantine (
    dataset, venue, symbol, payload, rule, detail, load_id, landing_id
)
VALUES (
    %(dataset)s, %(venue)s, %(symbol)s, %(payload)s, %(rule)s, %(detail)s, %(load_id)s,
    %(landing_id)s
)
