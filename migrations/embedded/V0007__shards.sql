-- What the shards of a run have read, until the last of them makes the run of it.

-- A shard that has staged all of its records. The load key tells its parts from those of a try that
-- was broken off.
CREATE TABLE run_shard (
    run_id INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    load_key INTEGER NOT NULL,
    n_parts INTEGER NOT NULL,
    n_rows INTEGER NOT NULL,
    staged_at TEXT NOT NULL,
    PRIMARY KEY (run_id, shard)
) STRICT, WITHOUT ROWID;

-- Records in Parquet.
CREATE TABLE shard_part (
    run_id INTEGER NOT NULL,
    shard INTEGER NOT NULL,
    load_key INTEGER NOT NULL,
    part INTEGER NOT NULL,
    records BLOB NOT NULL,
    PRIMARY KEY (run_id, shard, load_key, part)
) STRICT;
