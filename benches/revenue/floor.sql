-- The floor: what it takes to read and decode the columns that the revenue family needs, and nothing else. For DuckDB,
-- which was the fastest of DuckDB, Polars and PyArrow at it. The hash is there so that no value can be skipped.

SELECT bit_xor(hash(customer_id)), bit_xor(hash(start_date)), bit_xor(hash(trial_end)), bit_xor(hash(ended_at)),
       bit_xor(hash(unit_amount)), bit_xor(hash(currency)), bit_xor(hash(quantity)), bit_xor(hash(billing_interval)),
       bit_xor(hash(interval_count)), bit_xor(hash(usage_type)), bit_xor(hash(status)), bit_xor(hash(livemode)),
       bit_xor(hash(is_deleted))
FROM read_parquet('${exports}/subscription_items/*.parquet', union_by_name = true);

SELECT bit_xor(hash(customer_id)), bit_xor(hash(segment)) FROM read_parquet('${exports}/customers/*.parquet');
