-- Lists the months taken out of their tables; reads the whole of ledger.retired_month.
SELECT
    dataset,
    month
FROM ledger.retired_month
