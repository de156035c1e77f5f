-- Asks for leave to send one request; leans on rate_budget_pkey.
SELECT ruling, wait_s, in_window
FROM ledger.acquire_weight(
    %(scope)s, %(egress)s, %(weight)s, %(allowed)s, %(window_s)s, %(late_s)s,
    %(venue_used)s, %(venue_window)s, %(at)s::timestamptz
)
