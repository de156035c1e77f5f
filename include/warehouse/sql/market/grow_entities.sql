-- Creates the entities that staged rows name and nobody knew, those its table would refuse left out;
-- leans on the unique key of their name.
INSERT INTO {target} ({name})
SELECT named.{name}
FROM (SELECT DISTINCT {arrived} AS {name} FROM pg_temp.staged_rows) AS named
WHERE named.{name} IS NOT NULL AND {sound}
ORDER BY named.{name}
ON CONFLICT ({name}) DO NOTHING
