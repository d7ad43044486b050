-- No run is split into shards any more. Requests of shards that are still open are ended by the next
-- run of their scope, as any that nobody began.
DROP TABLE {schema}.run_shard;
GO

DROP TABLE {schema}.shard_part;
