-- Tells an instrument's status at an instant; leans on instrument_pkey and history_instrument.
SELECT market.trading_status(%(instrument_id)s, %(at)s)
