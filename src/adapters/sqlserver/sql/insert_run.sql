-- insert_run: @P1 request_key, @P2 scope, @P3 trigger, @P4 requested_by, @P5 reason, @P6 whether from, @P7 window_from, @P8 whether to, @P9 window_to, @P10 model, @P11 settings_hash, @P12 code_version, @P13 requested_at, @P14 status, @P15 slot or empty, @P16 detail or empty
INSERT INTO {schema}.run (
    request_key, scope, [trigger], requested_by, reason, window_from, window_to, model,
    settings_hash, code_version, requested_at, status, slot, detail
)
OUTPUT inserted.id
VALUES (
    @P1, @P2, @P3, @P4, @P5, CASE WHEN @P6 = 1 THEN @P7 END, CASE WHEN @P8 = 1 THEN @P9 END, @P10,
    @P11, @P12, @P13, @P14, NULLIF(@P15, N''), NULLIF(@P16, N'')
);
