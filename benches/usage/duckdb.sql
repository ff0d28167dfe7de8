-- The tables of the usage family in DuckDB, tuned by hand.
--
-- What makes it fast:
--   * Events are read once, and become distinct days of users and customers.
--   * Everything else follows from how often a day of activity follows another one of the same user: a table of pairs of
--     days, a few thousand rows. A week has a user whose day before was in an earlier week, and so on for every grain.
--   * The civil day of an instant depends on its hour alone, so the time zone is asked once per hour, not once per row.
--
-- ${exports} and ${out} are put in by run.py. Days are numbers since 1970-01-01.

CREATE OR REPLACE TEMP TABLE hours AS
SELECT h AS hour, CAST(CAST(to_timestamp(h * 3600) AT TIME ZONE 'America/New_York' AS DATE) - DATE '1970-01-01' AS USMALLINT) AS day
FROM range(CAST(epoch(TIMESTAMP '2025-01-01') AS BIGINT) // 3600, CAST(epoch(TIMESTAMP '2027-01-01') AS BIGINT) // 3600) r(h);

CREATE OR REPLACE TEMP TABLE visits AS
SELECT DISTINCT user_id, customer_id, day
FROM read_parquet('${exports}/usage_events/*.parquet') JOIN hours ON hour = epoch_us(occurred_at) // 3600000000
WHERE user_id IS NOT NULL AND customer_id IS NOT NULL AND day <= DATE '2026-06-30' - DATE '1970-01-01';

-- Sorted lists of days are cheaper than windows over users.
CREATE OR REPLACE TEMP TABLE user_pairs AS
WITH lists AS (
  SELECT list_sort(list_distinct(list(day))) AS days FROM visits GROUP BY user_id
), days AS (
  SELECT days[1] AS first, unnest(list_prepend(NULL, days[:-2])) AS previous, unnest(days) AS day FROM lists
)
SELECT (first + 3) // 7 AS cohort, previous, day, count(*) AS n FROM days GROUP BY ALL;

CREATE OR REPLACE TEMP TABLE customer_pairs AS
WITH lists AS (
  SELECT list_sort(list_distinct(list(day))) AS days FROM visits GROUP BY customer_id
), days AS (
  SELECT unnest(list_prepend(NULL, days[:-2])) AS previous, unnest(days) AS day FROM lists
)
SELECT previous, day, count(*) AS n FROM days GROUP BY ALL;

-- From here on everything is small.
CREATE OR REPLACE TEMP TABLE pairs AS
WITH units AS (
  SELECT 'user' AS unit, previous, day, n FROM user_pairs
  UNION ALL SELECT 'customer', previous, day, n FROM customer_pairs
), dated AS (
  SELECT unit, DATE '1970-01-01' + CAST(previous AS INT) AS previous, DATE '1970-01-01' + CAST(day AS INT) AS day, n
  FROM units
)
SELECT unit, grain, date_trunc(grain, previous) AS previous, date_trunc(grain, day) AS period_start, sum(n) AS n
FROM dated, (SELECT unnest(['day', 'week', 'month']) AS grain) GROUP BY ALL;

COPY (
  WITH grains AS (
    SELECT unit, grain, CAST('1 ' || grain AS INTERVAL) AS step, min(period_start) AS opens FROM pairs GROUP BY ALL
  ), grid AS (
    SELECT unit, grain, step, CAST(unnest(generate_series(opens, DATE '2026-06-30', step)) AS DATE) AS period_start FROM grains
  ), came AS (
    SELECT unit, grain, period_start, sum(n) AS active_days, sum(n) FILTER (previous IS DISTINCT FROM period_start) AS active,
           sum(n) FILTER (previous IS NULL) AS new
    FROM pairs GROUP BY ALL
  ), returned AS (
    SELECT p.unit, p.grain, p.period_start, sum(n) AS again
    FROM pairs p JOIN grains USING (unit, grain) WHERE previous + step = p.period_start GROUP BY ALL
  ), full_ AS (
    SELECT unit, grain, period_start, coalesce(active, 0) AS active, coalesce(new, 0) AS new,
           coalesce(again, 0) AS again, coalesce(active_days, 0) AS active_days
    FROM grid LEFT JOIN came USING (unit, grain, period_start) LEFT JOIN returned USING (unit, grain, period_start)
  )
  SELECT grain, unit, period_start, CAST(active AS BIGINT) AS active, CAST(new AS BIGINT) AS new,
         CAST(again AS BIGINT) AS returning, CAST(active - new - again AS BIGINT) AS resurrecting,
         -- Whoever was there in the period before and did not return.
         CAST(lag(active, 1, 0) OVER (PARTITION BY unit, grain ORDER BY period_start) - again AS BIGINT) AS dormant,
         CAST(active_days AS BIGINT) AS active_days
  FROM full_ ORDER BY grain, unit, period_start
) TO '${out}/active.parquet' (COMPRESSION zstd);

-- A cohort is a week of first use; the last week that is over at as_of begins on 2026-06-22.
COPY (
  WITH weeks AS (
    SELECT cohort, (day + 3) // 7 AS week, CAST(sum(n) AS BIGINT) AS retained FROM user_pairs
    WHERE (previous + 3) // 7 IS DISTINCT FROM (day + 3) // 7 GROUP BY ALL
  ), sizes AS (
    SELECT cohort, retained AS cohort_size FROM weeks WHERE week = cohort
  ), triangle AS (
    SELECT cohort, cohort_size, unnest(range(0, 13)) AS k FROM sizes
  )
  SELECT DATE '1970-01-01' + CAST(t.cohort * 7 - 3 AS INT) AS cohort, k AS period_offset, cohort_size, coalesce(retained, 0) AS retained
  FROM triangle t LEFT JOIN weeks w ON w.cohort = t.cohort AND w.week = t.cohort + k
  WHERE (t.cohort + k) * 7 - 3 <= DATE '2026-06-22' - DATE '1970-01-01' ORDER BY cohort, period_offset
) TO '${out}/usage_cohorts.parquet' (COMPRESSION zstd);
