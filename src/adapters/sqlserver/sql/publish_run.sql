-- publish_run: @P1 scope, @P2 run, @P3 published_at, @P4 published_by, @P5 reason, @P6 comment, @P7 holder's lock or empty
DECLARE @publication_id bigint, @is_held int = 1;
BEGIN TRANSACTION;
INSERT INTO {schema}.publication (scope, run_id, published_at, published_by, reason, comment)
VALUES (@P1, @P2, @P3, @P4, @P5, @P6);
SET @publication_id = SCOPE_IDENTITY();
-- Babelfish differs: it ignores the hints, and the second of two first publications breaks the
-- primary key.
UPDATE {schema}.current_run WITH (UPDLOCK, HOLDLOCK)
SET run_id = @P2, publication_id = @publication_id
WHERE scope = @P1;
IF @@ROWCOUNT = 0
    INSERT INTO {schema}.current_run (scope, run_id, publication_id)
    VALUES (@P1, @P2, @publication_id);
-- Last, with the mark's row locked: see `conclude_run`.
IF @P7 <> N''
    SET @is_held = CASE WHEN APPLOCK_TEST('public', @P7, 'Exclusive', 'Session') = 0 THEN 1 ELSE 0 END;
IF @is_held = 1
    COMMIT TRANSACTION;
ELSE
    ROLLBACK TRANSACTION;
SELECT @is_held AS is_held;
