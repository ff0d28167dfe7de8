-- The tables of the usage family in ClickHouse, by way of chDB, tuned by hand.
--
-- Events are read once, and every user's days of activity become one short sorted array: ClickHouse is good at those. Then,
-- as in duckdb.sql, everything follows from how often a day of activity follows another one of the same user.
--
-- ${exports} and ${out} are put in by run.py. Days are numbers since 1970-01-01; 0 is no day.

SET prefer_column_name_to_alias = 1, join_use_nulls = 0, output_format_parquet_compression_method = 'zstd',
    engine_file_truncate_on_insert = 1;

CREATE TABLE visits ENGINE = Memory AS
SELECT assumeNotNull(user_id) AS who, assumeNotNull(customer_id) AS of,
       groupUniqArray(toUInt16(toDate(assumeNotNull(occurred_at), 'America/New_York'))) AS days
FROM file('${exports}/usage_events/*.parquet', Parquet)
WHERE user_id IS NOT NULL AND customer_id IS NOT NULL AND occurred_at < toDateTime('2026-07-01 00:00:00', 'America/New_York')
GROUP BY who, of;

CREATE TABLE user_pairs ENGINE = Memory AS
WITH sorted AS (
  SELECT arraySort(groupUniqArrayArray(days)) AS days FROM visits GROUP BY who
)
SELECT intDiv(days[1] + 3, 7) AS cohort, arrayJoin(arrayZip(arrayPushFront(arrayPopBack(days), toUInt16(0)), days)) AS pair,
       toInt64(count()) AS n
FROM sorted GROUP BY cohort, pair;

CREATE TABLE customer_pairs ENGINE = Memory AS
WITH sorted AS (
  SELECT arraySort(groupUniqArrayArray(days)) AS days FROM visits GROUP BY of
)
SELECT arrayJoin(arrayZip(arrayPushFront(arrayPopBack(days), toUInt16(0)), days)) AS pair, toInt64(count()) AS n
FROM sorted GROUP BY pair;

-- From here on everything is small.
CREATE TABLE pairs ENGINE = Memory AS
WITH units AS (
  SELECT 'user' AS unit, pair, n FROM user_pairs UNION ALL SELECT 'customer', pair, n FROM customer_pairs
), dated AS (
  SELECT unit, toDate32(pair.1) AS previous_day, toDate32(pair.2) AS day, pair.1 = 0 AS is_first, n FROM units
), grains AS (
  -- The number of a period, so that the one before is one less.
  SELECT unit, is_first, n,
         arrayJoin([
           ('day', toInt64(toInt32(previous_day)), toInt64(toInt32(day))),
           ('week', intDiv(toInt64(toInt32(previous_day)) + 3, 7), intDiv(toInt64(toInt32(day)) + 3, 7)),
           ('month', toInt64(toYear(previous_day)) * 12 + toMonth(previous_day) - 1, toInt64(toYear(day)) * 12 + toMonth(day) - 1)
         ]) AS grained
  FROM dated
)
SELECT unit, grained.1 AS grain, is_first, grained.2 AS previous, grained.3 AS period, sum(n) AS n
FROM grains GROUP BY unit, grain, is_first, previous, period;

INSERT INTO FUNCTION file('${out}/active.parquet', Parquet)
WITH came AS (
  SELECT unit, grain, period, sum(n) AS active_days, sumIf(n, is_first OR previous < period) AS active, sumIf(n, is_first) AS new,
         sumIf(n, NOT is_first AND previous = period - 1) AS returning
  FROM pairs GROUP BY unit, grain, period
), grid AS (
  SELECT unit, grain, multiIf(grain = 'day', 20635, grain = 'week', intDiv(20634 + 3, 7) + 1, 2026 * 12 + 6) AS end,
         toInt64(arrayJoin(range(toUInt32(min(period)), toUInt32(end)))) AS period
  FROM pairs GROUP BY unit, grain
), filled AS (
  SELECT g.unit AS unit, g.grain AS grain, g.period AS period, c.active AS active, c.new AS new, c.returning AS returning,
         c.active_days AS active_days
  FROM grid g LEFT JOIN came c ON c.unit = g.unit AND c.grain = g.grain AND c.period = g.period
)
SELECT grain, unit,
       multiIf(grain = 'day', toDate32(period), grain = 'week', toDate32(period * 7 - 3), makeDate32(intDiv(period, 12), period % 12 + 1, 1))
         AS period_start,
       active, new, returning, active - new - returning AS resurrecting,
       -- Whoever was there in the period before and did not return.
       lagInFrame(active, 1, 0) OVER (PARTITION BY unit, grain ORDER BY period ROWS UNBOUNDED PRECEDING) - returning AS dormant,
       active_days
FROM filled ORDER BY grain, unit, period_start;

-- A cohort is a week of first use; the last week that is over at as_of begins on 2026-06-22.
INSERT INTO FUNCTION file('${out}/usage_cohorts.parquet', Parquet)
WITH weeks AS (
  SELECT toInt64(cohort) AS first, toInt64(intDiv(pair.2 + 3, 7)) AS week, sum(n) AS retained
  FROM user_pairs WHERE pair.1 = 0 OR intDiv(pair.1 + 3, 7) < intDiv(pair.2 + 3, 7) GROUP BY first, week
), triangle AS (
  SELECT first, retained AS cohort_size, toInt64(arrayJoin(range(13))) AS k FROM weeks WHERE week = first
)
SELECT toDate32(t.first * 7 - 3) AS cohort, t.k AS period_offset, t.cohort_size AS cohort_size, w.retained AS retained
FROM triangle t LEFT JOIN weeks w ON w.first = t.first AND w.week = t.first + t.k
WHERE toDate32((t.first + t.k) * 7 - 3) <= toDate32('2026-06-22') ORDER BY cohort, period_offset;
