-- ?1 scope, ?2 slot
SELECT EXISTS (
    SELECT 1
    FROM run
    WHERE scope = ?1 AND slot = ?2
);
