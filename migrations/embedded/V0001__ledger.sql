-- Runs, what they produced, and the mark. Rows are added, never updated, except a run's status
-- and what is known of it at its end, and the mark. Times are RFC 3339 in UTC, to the microsecond.

CREATE TABLE run (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL,
    "trigger" TEXT NOT NULL,
    requested_by TEXT NOT NULL,
    reason TEXT NOT NULL,
    window_from TEXT,
    window_to TEXT,
    model TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    code_version TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    status TEXT NOT NULL,
    started_at TEXT,
    finished_at TEXT,
    rows_read INTEGER NOT NULL DEFAULT 0,
    rows_refused INTEGER NOT NULL DEFAULT 0,
    rows_used INTEGER NOT NULL DEFAULT 0,
    groups_fitted INTEGER NOT NULL DEFAULT 0,
    groups_pooled INTEGER NOT NULL DEFAULT 0,
    groups_fallback INTEGER NOT NULL DEFAULT 0,
    groups_carried_over INTEGER NOT NULL DEFAULT 0,
    groups_failed INTEGER NOT NULL DEFAULT 0,
    groups_cancelled INTEGER NOT NULL DEFAULT 0,
    exit_code INTEGER,
    message TEXT NOT NULL DEFAULT ''
) STRICT;

CREATE INDEX run_by_scope ON run (scope, id);

-- The ordinal is the group's place in its set.
CREATE TABLE group_fit (
    run_id INTEGER NOT NULL REFERENCES run (id),
    ordinal INTEGER NOT NULL,
    region TEXT NOT NULL,
    band TEXT NOT NULL,
    priority TEXT NOT NULL,
    model TEXT NOT NULL,
    loss TEXT NOT NULL,
    outcome TEXT NOT NULL,
    source_level TEXT NOT NULL,
    n_read INTEGER NOT NULL,
    n_refused INTEGER NOT NULL,
    n_used INTEGER NOT NULL,
    termination TEXT NOT NULL,
    iterations INTEGER NOT NULL,
    ssr_log REAL,
    rmse_log REAL,
    mae_s REAL,
    median_ape REAL,
    share_under_p90 REAL,
    condition REAL,
    verdict TEXT NOT NULL,
    message TEXT NOT NULL,
    PRIMARY KEY (run_id, ordinal),
    UNIQUE (run_id, region, band, priority)
) STRICT, WITHOUT ROWID;

-- The ordinal is the parameter's place in its set.
CREATE TABLE parameter (
    run_id INTEGER NOT NULL REFERENCES run (id),
    ordinal INTEGER NOT NULL,
    region TEXT NOT NULL,
    band TEXT NOT NULL,
    priority TEXT NOT NULL,
    name TEXT NOT NULL,
    unit TEXT NOT NULL,
    estimate REAL NOT NULL,
    std_error REAL,
    ci_low REAL,
    ci_high REAL,
    raw_estimate REAL,
    pool_weight REAL,
    status TEXT NOT NULL,
    PRIMARY KEY (run_id, ordinal),
    UNIQUE (run_id, region, band, priority, name)
) STRICT, WITHOUT ROWID;

-- The examples are a JSON array of texts.
CREATE TABLE refusal (
    run_id INTEGER NOT NULL REFERENCES run (id),
    ordinal INTEGER NOT NULL,
    region TEXT NOT NULL,
    reason TEXT NOT NULL,
    count INTEGER NOT NULL,
    examples TEXT NOT NULL,
    PRIMARY KEY (run_id, ordinal),
    UNIQUE (run_id, region, reason)
) STRICT, WITHOUT ROWID;

CREATE TABLE publication (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    scope TEXT NOT NULL,
    run_id INTEGER NOT NULL REFERENCES run (id),
    published_at TEXT NOT NULL,
    published_by TEXT NOT NULL,
    reason TEXT NOT NULL
) STRICT;

CREATE INDEX publication_by_scope ON publication (scope, id);

CREATE TABLE current_run (
    scope TEXT NOT NULL PRIMARY KEY,
    run_id INTEGER NOT NULL REFERENCES run (id),
    publication_id INTEGER NOT NULL REFERENCES publication (id)
) STRICT, WITHOUT ROWID;
