-- Lists the months whose rows were taken out of any of some tables; leans on retired_month_of.
SELECT DISTINCT month
FROM ledger.retired_month
WHERE dataset = ANY(%(datasets)s)
