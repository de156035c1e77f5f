-- Lists the rows of a landing that were refused; leans on quarantine_landing_id.
SELECT payload FROM ledger.quarantine
WHERE landing_id = %(landing_id)s
