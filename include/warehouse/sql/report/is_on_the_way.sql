-- Tells whether any landed candles wait to be checked or loaded; leans on landing_waiting.
SELECT EXISTS (
    SELECT FROM ledger.landing
    WHERE state IN ('landed', 'checked') AND dataset = 'candle_1m'
) AS is_on_the_way
