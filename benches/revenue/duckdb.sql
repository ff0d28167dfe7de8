-- The tables of the revenue family in DuckDB, tuned by hand. Cost follows changes, not customers x months.
--
-- What makes it fast:
--   * A customer is a number from here on, in the order of its id, and one BIGINT, the key, holds customer, segment,
--     currency and day: customer << 20 | segment << 17 | currency << 16 | day. Grouping and sorting see one column.
--   * Open intervals end on 2026-07-01, the day after as_of. So the changes of every customer add up to zero, and one
--     running sum over all rows in the order of the key is the running sum of each. Over a table that is stored in that
--     order, a window without ORDER BY is a stream: it neither partitions nor sorts.
--   * The civil day of an instant depends on its hour alone, so the time zone is asked once per hour, not once per row.
--
-- ${exports} and ${out} are put in by run.py. Money is BIGINT in units of 10^-6 major units, as in the pipeline.

CREATE OR REPLACE TEMP TABLE hours AS
SELECT h AS hour, CAST(to_timestamp(h * 3600) AT TIME ZONE 'America/New_York' AS DATE) AS day
FROM range(CAST(epoch(TIMESTAMP '2020-01-01') AS BIGINT) // 3600, CAST(epoch(TIMESTAMP '2030-01-01') AS BIGINT) // 3600) r(h);

CREATE OR REPLACE TEMP TABLE intervals AS
WITH raw AS (
  SELECT customer_id, CAST(currency = 'usd' AS BIGINT) AS is_usd,
         greatest(start_date, coalesce(trial_end, start_date)) AS starts,
         least(coalesce(day, DATE '2026-07-01'), DATE '2026-07-01') AS ends,
         unit_amount * 10000 * coalesce(quantity, 1)
           * CASE billing_interval WHEN 'day' THEN 365 WHEN 'week' THEN 52 ELSE 1 END AS price,
         CASE billing_interval WHEN 'month' THEN 1 ELSE 12 END * interval_count AS months
  FROM read_parquet('${exports}/subscription_items/*.parquet', union_by_name = true)
  LEFT JOIN hours ON hour = ended_at // 3600
  WHERE livemode AND NOT is_deleted AND usage_type = 'licensed' AND status <> 'unpaid' AND unit_amount IS NOT NULL
    AND currency IN ('usd', 'jpy') AND billing_interval IN ('day', 'week', 'month', 'year')
    AND interval_count > 0 AND coalesce(quantity, 1) >= 0 AND customer_id IS NOT NULL
), divided AS (
  SELECT *, price // months AS whole, price % months AS rest FROM raw WHERE ends > starts AND price > 0
)
SELECT customer_id, is_usd, starts - DATE '1970-01-01' AS starts, ends - DATE '1970-01-01' AS ends,
       -- Rounded half to even at 10^-4 of the minor unit, of which a yen has one and a dollar a hundred.
       (whole + CAST(2 * rest > months OR (2 * rest = months AND whole % 2 = 1) AS BIGINT))
         * CASE WHEN is_usd = 1 THEN 1 ELSE 100 END AS mrr
FROM divided;

CREATE OR REPLACE TEMP TABLE segments AS
SELECT segment, row_number() OVER (ORDER BY segment) - 1 AS code
FROM (SELECT segment FROM read_parquet('${exports}/customers/*.parquet') WHERE segment IS NOT NULL UNION SELECT '(not set)');

CREATE OR REPLACE TEMP TABLE customers AS
WITH numbered AS (
  SELECT customer_id, row_number() OVER () AS n FROM (SELECT DISTINCT customer_id FROM intervals ORDER BY customer_id)
)
SELECT customer_id, n, code
FROM numbered LEFT JOIN read_parquet('${exports}/customers/*.parquet') c USING (customer_id)
JOIN segments s ON s.segment = coalesce(c.segment, '(not set)');

CREATE OR REPLACE TEMP TABLE numbered AS
SELECT n * 1048576 + code * 131072 + is_usd * 65536 AS series, starts, ends, mrr FROM intervals JOIN customers USING (customer_id);

CREATE OR REPLACE TEMP TABLE net AS
WITH changes AS (SELECT series + unnest([starts, ends]) AS key, unnest([mrr, -mrr]) AS delta FROM numbered)
SELECT key, CAST(sum_no_overflow(delta) AS BIGINT) AS delta FROM changes GROUP BY key HAVING sum_no_overflow(delta) <> 0;

CREATE OR REPLACE TEMP TABLE sorted AS
SELECT key, delta, customer_id FROM net JOIN customers ON n = key >> 20 ORDER BY key;

-- One row per change, with what was paid first and when. The last row of who still pays is the end on 2026-07-01.
CREATE OR REPLACE TEMP TABLE ledger AS
WITH running AS (
  SELECT *, CAST(sum_no_overflow(delta) OVER (ROWS UNBOUNDED PRECEDING) AS BIGINT) AS after,
         coalesce(lag(key) OVER () >> 16 <> key >> 16, true) AS is_new
  FROM sorted
), entries AS (
  SELECT *, max(key) FILTER (is_new) OVER w AS first_key, arg_max(after, key) FILTER (is_new) OVER w AS entry
  FROM running WINDOW w AS (ROWS UNBOUNDED PRECEDING)
), dated AS (
  SELECT *, DATE '1970-01-01' + CAST(key & 65535 AS INT) AS effective_on,
         DATE '1970-01-01' + CAST(first_key & 65535 AS INT) AS first_paid_on
  FROM entries
)
SELECT customer_id, key >> 16 AS series, effective_on, delta, after, is_new, entry, first_paid_on,
       year(effective_on) * 12 + month(effective_on) - 1 AS month,
       year(first_paid_on) * 12 + month(first_paid_on) - 1 AS first_month
FROM dated;

COPY (
  SELECT customer_id, CASE WHEN series & 1 = 1 THEN 'USD' ELSE 'JPY' END AS currency, effective_on,
         CASE WHEN is_new THEN 'new' WHEN after = delta THEN 'reactivation' WHEN after = 0 THEN 'churn'
              WHEN delta > 0 THEN 'expansion' ELSE 'contraction' END AS kind,
         after - delta AS mrr_before, delta AS mrr_delta, after AS mrr_after, first_paid_on,
         list_extract((SELECT list(segment ORDER BY code) FROM segments), ((series >> 1) & 7) + 1) AS segment
  FROM ledger WHERE effective_on < DATE '2026-07-01'
) TO '${out}/ledger.parquet' (COMPRESSION zstd);

-- The months at whose end somebody pays another amount than at the end of the month before.
CREATE OR REPLACE TEMP TABLE steps AS
WITH months AS (
  SELECT series, month, first_month, after,
         lead(series) OVER () IS DISTINCT FROM series OR lead(month) OVER () IS DISTINCT FROM month AS is_last
  FROM ledger
), ends AS (
  SELECT series, month, first_month, after, lag(after, 1, 0) OVER () AS before FROM months WHERE is_last
)
SELECT * FROM ends WHERE before <> after;

CREATE OR REPLACE TEMP TABLE moves AS
SELECT series & 15 AS grp, month,
       CAST(sum(CASE WHEN before = 0 AND first_month = month THEN after ELSE 0 END) AS BIGINT) AS new_mrr,
       CAST(sum(CASE WHEN before = 0 AND first_month <> month THEN after ELSE 0 END) AS BIGINT) AS reactivation_mrr,
       CAST(sum(CASE WHEN before > 0 AND after > before THEN after - before ELSE 0 END) AS BIGINT) AS expansion_mrr,
       CAST(sum(CASE WHEN after > 0 AND after < before THEN after - before ELSE 0 END) AS BIGINT) AS contraction_mrr,
       CAST(sum(CASE WHEN after = 0 THEN -before ELSE 0 END) AS BIGINT) AS churned_mrr,
       count(*) FILTER (before = 0 AND first_month = month) AS new_customers,
       count(*) FILTER (before = 0 AND first_month <> month) AS reactivation_customers,
       count(*) FILTER (before > 0 AND after > before) AS expansion_customers,
       count(*) FILTER (after > 0 AND after < before) AS contraction_customers,
       count(*) FILTER (after = 0) AS churned_customers
FROM steps WHERE month < 2026 * 12 + 6 GROUP BY ALL;

-- Two intervals of a customer that overlap when the earlier one is moved by twelve months: what was paid then, and now.
CREATE OR REPLACE TEMP TABLE retained AS
WITH spans AS (
  SELECT series, after, month AS opens, lead(month) OVER () AS closes FROM steps
), paying AS (
  SELECT * FROM spans WHERE after > 0
), pairs AS (
  SELECT now.series & 15 AS grp, now.after AS net, least(now.after, old.after) AS gross,
         greatest(old.opens + 12, now.opens) AS opens, least(old.closes + 12, now.closes) AS closes
  FROM paying old JOIN paying now USING (series)
  WHERE old.opens + 12 < now.closes AND now.opens < old.closes + 12
), changes AS (
  SELECT grp, opens AS month, net, gross, 1 AS customers FROM pairs
  UNION ALL SELECT grp, closes, -net, -gross, -1 FROM pairs
)
SELECT grp, month, CAST(sum(net) AS BIGINT) AS net, CAST(sum(gross) AS BIGINT) AS gross,
       CAST(sum(customers) AS BIGINT) AS customers
FROM changes GROUP BY ALL;

-- From here on everything is small: months x segments.
CREATE OR REPLACE TEMP TABLE grid AS
WITH groups AS (SELECT grp, grp & 1 AS is_usd, min(month) AS opens FROM moves GROUP BY grp)
SELECT grp, unnest(range((SELECT min(opens) FROM groups o WHERE o.is_usd = g.is_usd), 2026 * 12 + 6)) AS month FROM groups g;

CREATE OR REPLACE TEMP TABLE changes AS
WITH parts AS (
  SELECT g.grp, g.month, m.* EXCLUDE (grp, month), r.* EXCLUDE (grp, month)
  FROM grid g LEFT JOIN moves m ON m.grp = g.grp AND m.month = g.month
  LEFT JOIN retained r ON r.grp = g.grp AND r.month = g.month
), named AS (
  SELECT make_date(month // 12, month % 12 + 1, 1) AS period_start, CASE WHEN grp & 1 = 1 THEN 'USD' ELSE 'JPY' END AS currency,
         segment, parts.* EXCLUDE (grp, month)
  FROM parts JOIN segments ON code = grp >> 1
)
SELECT period_start, currency, segment, segment IS NULL AS is_total, CAST(sum(coalesce(COLUMNS(* EXCLUDE (period_start, currency, segment)), 0)) AS BIGINT)
FROM named GROUP BY GROUPING SETS ((period_start, currency, segment), (period_start, currency));

CREATE OR REPLACE TEMP TABLE bridge AS
WITH closed AS (
  SELECT *, CAST(sum(new_mrr + reactivation_mrr + expansion_mrr + contraction_mrr + churned_mrr) OVER w AS BIGINT) AS closing_mrr,
         CAST(sum(new_customers + reactivation_customers - churned_customers) OVER w AS BIGINT) AS closing_customers,
         CAST(sum(net) OVER w AS BIGINT) AS nrr_numerator, CAST(sum(gross) OVER w AS BIGINT) AS grr_numerator,
         CAST(sum(customers) OVER w AS BIGINT) AS retained_customers
  FROM changes WINDOW w AS (PARTITION BY currency, segment ORDER BY period_start)
)
SELECT *, lag(closing_mrr, 1, 0) OVER w AS opening_mrr, lag(closing_customers, 1, 0) OVER w AS opening_customers,
       lag(closing_mrr, 12, 0) OVER w AS base_mrr, lag(closing_customers, 12, 0) OVER w AS base_customers
FROM closed WINDOW w AS (PARTITION BY currency, segment ORDER BY period_start);

COPY (
  SELECT period_start, currency, segment, is_total, opening_mrr, new_mrr, reactivation_mrr, expansion_mrr, contraction_mrr,
         churned_mrr, closing_mrr, opening_customers, new_customers, reactivation_customers, expansion_customers,
         contraction_customers, churned_customers, closing_customers
  FROM bridge ORDER BY period_start, currency, is_total, segment
) TO '${out}/movements.parquet' (COMPRESSION zstd);

COPY (
  SELECT period_start, currency, segment, is_total, base_customers, retained_customers, base_mrr AS nrr_denominator,
         nrr_numerator, nrr_numerator / nullif(base_mrr, 0) AS nrr, grr_numerator, grr_numerator / nullif(base_mrr, 0) AS grr
  FROM bridge ORDER BY period_start, currency, is_total, segment
) TO '${out}/retention.parquet' (COMPRESSION zstd);

COPY (
  SELECT period_start, currency, segment, is_total, opening_customers, churned_customers, opening_mrr, churned_mrr,
         contraction_mrr, expansion_mrr, churned_customers / nullif(opening_customers, 0) AS logo_churn_rate,
         (-churned_mrr - contraction_mrr) / nullif(opening_mrr, 0) AS gross_revenue_churn_rate,
         (-churned_mrr - contraction_mrr - expansion_mrr) / nullif(opening_mrr, 0) AS net_revenue_churn_rate
  FROM bridge ORDER BY period_start, currency, is_total, segment
) TO '${out}/churn.parquet' (COMPRESSION zstd);

COPY (
  WITH rates AS (
    SELECT *, churned_customers / nullif(opening_customers, 0) AS churn, closing_mrr // nullif(closing_customers, 0) AS whole,
           closing_mrr % nullif(closing_customers, 0) AS rest
    FROM bridge
  ), averaged AS (
    SELECT *, whole + CAST(2 * rest > closing_customers OR (2 * rest = closing_customers AND whole % 2 = 1) AS BIGINT) AS arpa,
           (churn + lag(churn, 1) OVER w + lag(churn, 2) OVER w + lag(churn, 3) OVER w + lag(churn, 4) OVER w
             + lag(churn, 5) OVER w) / 6 AS trailing_churn_rate,
           CAST(sum(churned_customers) OVER (w ROWS 5 PRECEDING) AS BIGINT) AS churn_events
    FROM rates WINDOW w AS (PARTITION BY currency, segment ORDER BY period_start)
  )
  SELECT period_start, currency, segment, is_total, closing_customers, closing_mrr, arpa, churn_events, trailing_churn_rate,
         CASE WHEN closing_customers > 0 AND churn_events >= 10 AND trailing_churn_rate > 0
              THEN CAST(round_even(CAST(closing_mrr AS DOUBLE) * 0.8 / closing_customers / trailing_churn_rate, 0) AS BIGINT) END AS ltv
  FROM averaged ORDER BY period_start, currency, is_total, segment
) TO '${out}/ltv.parquet' (COMPRESSION zstd);

-- The cohort triangle: offset 0 is the entry, offset k the end of the k-th month after. What a customer changes within
-- an offset is summed as it comes; only the sum of all changes up to an offset is looked at.
COPY (
  WITH bases AS (
    SELECT series & 1 AS is_usd, month AS cohort, count(*) AS size, CAST(sum(after) AS BIGINT) AS revenue
    FROM ledger WHERE is_new GROUP BY ALL
  ), deltas AS (
    SELECT series & 1 AS is_usd, first_month AS cohort, greatest(month - first_month, 1) AS k,
           CAST(sum(CAST(after > 0 AS INT) - CAST(after > delta AS INT)) AS BIGINT) AS customers,
           CAST(sum(least(after, entry) - least(after - delta, entry)) AS BIGINT) AS gross, CAST(sum(delta) AS BIGINT) AS net
    FROM ledger WHERE NOT is_new AND effective_on < DATE '2026-07-01' GROUP BY ALL
  ), triangle AS (
    SELECT is_usd, cohort, unnest(range(0, 49)) AS k, size, revenue FROM bases
  ), running AS (
    SELECT t.is_usd, t.cohort, t.k, size, revenue, size + coalesce(sum(customers) OVER w, 0) AS customers,
           revenue + coalesce(sum(gross) OVER w, 0) AS gross, revenue + coalesce(sum(net) OVER w, 0) AS net
    FROM triangle t LEFT JOIN deltas d ON d.is_usd = t.is_usd AND d.cohort = t.cohort AND d.k = t.k
    WINDOW w AS (PARTITION BY t.is_usd, t.cohort ORDER BY t.k)
  )
  SELECT CASE WHEN is_usd = 1 THEN 'USD' ELSE 'JPY' END AS currency, make_date(cohort // 12, cohort % 12 + 1, 1) AS cohort,
         k AS period_offset, size AS base_customers, CAST(customers AS BIGINT) AS retained_customers, revenue AS base_mrr,
         CAST(gross AS BIGINT) AS gross_mrr, CAST(net AS BIGINT) AS net_mrr
  FROM running WHERE cohort + k < 2026 * 12 + 6 ORDER BY currency, cohort, k
) TO '${out}/cohorts.parquet' (COMPRESSION zstd);
