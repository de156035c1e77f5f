-- Makes a built month a partition; leans on the primary keys its rows refer to.
SELECT nursery.attach_month(
    %(nest)s::bigint::oid::regclass, %(table)s::text::regclass, %(month)s, %(recorded_at)s
)
