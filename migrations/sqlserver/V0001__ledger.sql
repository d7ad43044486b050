-- Runs, what they produced, and the mark. Rows are added, never updated, except a run's status
-- and what is known of it at its end, and the mark. Times are UTC. Keys compare by their code
-- points, so that names that differ in case or accents stay apart whatever the database's collation.

CREATE TABLE {schema}.run (
    id bigint IDENTITY (1, 1) NOT NULL CONSTRAINT run_pk PRIMARY KEY CLUSTERED,
    -- Made by the program, so that a request whose reply was lost is not written twice.
    request_key uniqueidentifier NOT NULL CONSTRAINT run_request_key_uq UNIQUE,
    scope nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    [trigger] nvarchar(20) NOT NULL,
    requested_by nvarchar(400) NOT NULL,
    reason nvarchar(max) NOT NULL,
    window_from datetime2(6) NULL,
    window_to datetime2(6) NULL,
    model nvarchar(100) NOT NULL,
    settings_hash nvarchar(100) NOT NULL,
    code_version nvarchar(100) NOT NULL,
    requested_at datetime2(6) NOT NULL,
    status nvarchar(20) COLLATE Latin1_General_100_BIN2 NOT NULL,
    started_at datetime2(6) NULL,
    finished_at datetime2(6) NULL,
    rows_read bigint NOT NULL CONSTRAINT run_rows_read_df DEFAULT 0,
    rows_refused bigint NOT NULL CONSTRAINT run_rows_refused_df DEFAULT 0,
    rows_used bigint NOT NULL CONSTRAINT run_rows_used_df DEFAULT 0,
    groups_fitted bigint NOT NULL CONSTRAINT run_groups_fitted_df DEFAULT 0,
    groups_pooled bigint NOT NULL CONSTRAINT run_groups_pooled_df DEFAULT 0,
    groups_fallback bigint NOT NULL CONSTRAINT run_groups_fallback_df DEFAULT 0,
    groups_carried_over bigint NOT NULL CONSTRAINT run_groups_carried_over_df DEFAULT 0,
    groups_failed bigint NOT NULL CONSTRAINT run_groups_failed_df DEFAULT 0,
    groups_cancelled bigint NOT NULL CONSTRAINT run_groups_cancelled_df DEFAULT 0,
    exit_code int NULL,
    message nvarchar(max) NOT NULL CONSTRAINT run_message_df DEFAULT N''
);
GO

CREATE INDEX run_by_scope ON {schema}.run (scope, id);
GO

-- The ordinal is the group's place in its set.
CREATE TABLE {schema}.group_fit (
    run_id bigint NOT NULL CONSTRAINT group_fit_run_fk REFERENCES {schema}.run (id),
    ordinal bigint NOT NULL,
    region nvarchar(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
    band nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    priority nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    model nvarchar(100) NOT NULL,
    loss nvarchar(100) NOT NULL,
    outcome nvarchar(20) NOT NULL,
    source_level nvarchar(20) NOT NULL,
    n_read bigint NOT NULL,
    n_refused bigint NOT NULL,
    n_used bigint NOT NULL,
    termination nvarchar(100) NOT NULL,
    iterations bigint NOT NULL,
    ssr_log float(53) NULL,
    rmse_log float(53) NULL,
    mae_s float(53) NULL,
    median_ape float(53) NULL,
    share_under_p90 float(53) NULL,
    condition float(53) NULL,
    verdict nvarchar(20) NOT NULL,
    message nvarchar(max) NOT NULL,
    CONSTRAINT group_fit_pk PRIMARY KEY CLUSTERED (run_id, ordinal),
    CONSTRAINT group_fit_key_uq UNIQUE (run_id, region, band, priority)
);
GO

-- The ordinal is the parameter's place in its set.
CREATE TABLE {schema}.parameter (
    run_id bigint NOT NULL CONSTRAINT parameter_run_fk REFERENCES {schema}.run (id),
    ordinal bigint NOT NULL,
    region nvarchar(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
    band nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    priority nvarchar(100) COLLATE Latin1_General_100_BIN2 NOT NULL,
    name nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    unit nvarchar(40) NOT NULL,
    estimate float(53) NOT NULL,
    std_error float(53) NULL,
    ci_low float(53) NULL,
    ci_high float(53) NULL,
    raw_estimate float(53) NULL,
    pool_weight float(53) NULL,
    status nvarchar(20) NOT NULL,
    CONSTRAINT parameter_pk PRIMARY KEY CLUSTERED (run_id, ordinal),
    CONSTRAINT parameter_key_uq UNIQUE (run_id, region, band, priority, name)
);
GO

-- The examples are a JSON array of texts. Region and reason are no key here: regions stand as they do
-- in the records, and SQL Server takes names that differ in trailing blanks for the same.
CREATE TABLE {schema}.refusal (
    run_id bigint NOT NULL CONSTRAINT refusal_run_fk REFERENCES {schema}.run (id),
    ordinal bigint NOT NULL,
    region nvarchar(400) COLLATE Latin1_General_100_BIN2 NOT NULL,
    reason nvarchar(40) COLLATE Latin1_General_100_BIN2 NOT NULL,
    count bigint NOT NULL,
    examples nvarchar(max) NOT NULL,
    CONSTRAINT refusal_pk PRIMARY KEY CLUSTERED (run_id, ordinal)
);
GO

CREATE TABLE {schema}.publication (
    id bigint IDENTITY (1, 1) NOT NULL CONSTRAINT publication_pk PRIMARY KEY CLUSTERED,
    scope nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL,
    run_id bigint NOT NULL CONSTRAINT publication_run_fk REFERENCES {schema}.run (id),
    published_at datetime2(6) NOT NULL,
    published_by nvarchar(400) NOT NULL,
    reason nvarchar(max) NOT NULL
);
GO

CREATE INDEX publication_by_scope ON {schema}.publication (scope, id);
GO

CREATE TABLE {schema}.current_run (
    scope nvarchar(200) COLLATE Latin1_General_100_BIN2 NOT NULL
        CONSTRAINT current_run_pk PRIMARY KEY CLUSTERED,
    run_id bigint NOT NULL CONSTRAINT current_run_run_fk REFERENCES {schema}.run (id),
    publication_id bigint NOT NULL
        CONSTRAINT current_run_publication_fk REFERENCES {schema}.publication (id)
);
