-- No run is split into shards any more. Requests of shards that are still open are ended by the next
-- run of their scope, as any that nobody began.
DROP TABLE run_shard;
DROP TABLE shard_part;
