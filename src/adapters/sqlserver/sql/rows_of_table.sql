-- rows_of_table: @P1 table, quoted
SELECT SUM([rows])
FROM {database}sys.partitions
WHERE object_id = OBJECT_ID(@P1) AND index_id IN (0, 1);
