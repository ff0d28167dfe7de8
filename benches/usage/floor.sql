-- The floor: what it takes to read and decode the columns that the usage family needs, and nothing else. For DuckDB. The
-- hash is there so that no value can be skipped.

SELECT bit_xor(hash(user_id)), bit_xor(hash(customer_id)), bit_xor(hash(occurred_at))
FROM read_parquet('${exports}/usage_events/*.parquet');
