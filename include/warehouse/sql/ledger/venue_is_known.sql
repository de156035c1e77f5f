-- Tells whether a venue is known; leans on venue_name_key.
SELECT EXISTS (SELECT FROM market.venue WHERE name = %(venue)s)
