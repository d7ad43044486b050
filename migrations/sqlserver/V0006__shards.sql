-- What the shards of a run have read, until the last of them makes the run of it.

-- A shard that has staged all of its records. The load key tells its parts from those of a try that
-- was broken off.
CREATE TABLE {schema}.run_shard (
    run_id bigint NOT NULL,
    shard int NOT NULL,
    load_key bigint NOT NULL,
    n_parts int NOT NULL,
    n_rows bigint NOT NULL,
    staged_at datetime2(6) NOT NULL,
    CONSTRAINT run_shard_pk PRIMARY KEY CLUSTERED (run_id, shard)
);
GO

-- Records in Parquet.
CREATE TABLE {schema}.shard_part (
    run_id bigint NOT NULL,
    shard int NOT NULL,
    load_key bigint NOT NULL,
    part int NOT NULL,
    records varbinary(max) NOT NULL,
    CONSTRAINT shard_part_pk PRIMARY KEY CLUSTERED (run_id, shard, load_key, part)
);
