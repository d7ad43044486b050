-- ?1 run: whether it is over and current nowhere
SELECT
    EXISTS (SELECT 1 FROM run WHERE id = ?1 AND status NOT IN ('requested', 'running'))
    AND NOT EXISTS (SELECT 1 FROM current_run WHERE run_id = ?1);
