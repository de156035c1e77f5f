-- Enters the channel of a segment; leans on channel_segment_id_key.
INSERT INTO model.channel (segment_id, published, declined_reason, baseline_loss, model_loss)
VALUES (
    %(segment_id)s, %(published)s, %(declined_reason)s, %(baseline_loss)s, %(model_loss)s
)
RETURNING channel_id
