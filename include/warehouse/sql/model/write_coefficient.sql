-- Enters one quantile line of a channel; leans on channel_coefficient_pkey.
INSERT INTO model.channel_coefficient (
    channel_id, tau, intercept, slope, pinball_loss_in, pinball_loss_out
)
VALUES (
    %(channel_id)s, %(tau)s, %(intercept)s, %(slope)s, %(pinball_loss_in)s, %(pinball_loss_out)s
)
