-- run_of_request: @P1 request_key
SELECT id
FROM {schema}.run
WHERE request_key = @P1;
