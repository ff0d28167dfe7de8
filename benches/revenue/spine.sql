-- The periodic tables of the revenue family as they are usually written: a row per customer and month (a date spine), and
-- everything grouped, lagged or joined from there. For DuckDB. It makes no ledger, which is work it is spared.
--
-- ${exports} and ${out} are put in by run.py. Money is BIGINT in units of 10^-6 major units, as in the pipeline.

CREATE TEMP TABLE paid AS
WITH raw AS (
  SELECT customer_id, upper(currency) AS currency, greatest(start_date, coalesce(trial_end, start_date)) AS starts,
         CAST(to_timestamp(ended_at) AT TIME ZONE 'America/New_York' AS DATE) AS ends,
         unit_amount * 10000 * coalesce(quantity, 1)
           * CASE billing_interval WHEN 'day' THEN 365 WHEN 'week' THEN 52 ELSE 1 END AS price,
         CASE billing_interval WHEN 'month' THEN 1 ELSE 12 END * interval_count AS months
  FROM read_parquet('${exports}/subscription_items/*.parquet', union_by_name = true)
  WHERE livemode AND NOT is_deleted AND usage_type = 'licensed' AND status <> 'unpaid' AND unit_amount IS NOT NULL
    AND currency IN ('usd', 'jpy') AND billing_interval IN ('day', 'week', 'month', 'year')
    AND interval_count > 0 AND coalesce(quantity, 1) >= 0 AND customer_id IS NOT NULL
), divided AS (
  SELECT *, price // months AS whole, price % months AS rest FROM raw
  WHERE coalesce(ends > starts, true) AND starts <= DATE '2026-06-30' AND price > 0
)
SELECT customer_id, currency, starts, ends,
       (whole + CAST(2 * rest > months OR (2 * rest = months AND whole % 2 = 1) AS BIGINT))
         * CASE WHEN currency = 'JPY' THEN 100 ELSE 1 END AS mrr
FROM divided;

CREATE TEMP TABLE months AS
SELECT CAST(m AS DATE) AS month, last_day(m) AS month_end
FROM generate_series(DATE '2020-01-01', DATE '2026-06-01', INTERVAL 1 MONTH) s(m);

CREATE TEMP TABLE payers AS
SELECT p.customer_id, p.currency, coalesce(any_value(c.segment), '(not set)') AS segment, min(starts) AS first_paid_on,
       CAST(date_trunc('month', min(starts)) AS DATE) AS cohort
FROM paid p LEFT JOIN read_parquet('${exports}/customers/*.parquet') c USING (customer_id)
GROUP BY p.customer_id, p.currency;

CREATE TEMP TABLE customer_months AS
WITH spine AS (
  SELECT customer_id, currency, segment, cohort, month, month_end FROM payers JOIN months ON month >= cohort
), valued AS (
  SELECT s.customer_id, s.currency, any_value(segment) AS segment, any_value(cohort) AS cohort, month,
         CAST(coalesce(sum(mrr), 0) AS BIGINT) AS mrr
  FROM spine s LEFT JOIN paid p ON p.customer_id = s.customer_id AND p.currency = s.currency
    AND p.starts <= month_end AND (p.ends IS NULL OR p.ends > month_end)
  GROUP BY s.customer_id, s.currency, month
)
SELECT *, lag(mrr, 1, 0) OVER (PARTITION BY customer_id, currency ORDER BY month) AS before FROM valued;

-- A currency begins with the first month in which somebody pays at its end, and every segment has all its months.
CREATE TEMP TABLE grid AS
SELECT s.currency, segment, month
FROM (SELECT DISTINCT currency, segment FROM customer_months WHERE mrr > 0) s
JOIN (SELECT currency, min(month) AS opens FROM customer_months WHERE mrr > 0 GROUP BY currency) o USING (currency)
JOIN months ON month >= opens;

CREATE TEMP TABLE bridge AS
WITH moves AS (
  SELECT currency, segment, month,
         sum(before) AS opening_mrr, sum(mrr) AS closing_mrr,
         sum(mrr) FILTER (before = 0 AND cohort = month) AS new_mrr,
         sum(mrr) FILTER (before = 0 AND cohort <> month) AS reactivation_mrr,
         sum(mrr - before) FILTER (before > 0 AND mrr > before) AS expansion_mrr,
         sum(mrr - before) FILTER (mrr > 0 AND mrr < before) AS contraction_mrr,
         sum(-before) FILTER (mrr = 0) AS churned_mrr,
         count(*) FILTER (before > 0) AS opening_customers, count(*) FILTER (mrr > 0) AS closing_customers,
         count(*) FILTER (before = 0 AND mrr > 0 AND cohort = month) AS new_customers,
         count(*) FILTER (before = 0 AND mrr > 0 AND cohort <> month) AS reactivation_customers,
         count(*) FILTER (before > 0 AND mrr > before) AS expansion_customers,
         count(*) FILTER (mrr > 0 AND mrr < before) AS contraction_customers,
         count(*) FILTER (before > 0 AND mrr = 0) AS churned_customers
  FROM customer_months GROUP BY ALL
), parts AS (
  SELECT g.month AS period_start, g.currency, g.segment, m.* EXCLUDE (currency, segment, month)
  FROM grid g LEFT JOIN moves m ON m.currency = g.currency AND m.segment = g.segment AND m.month = g.month
)
SELECT period_start, currency, segment, segment IS NULL AS is_total,
       CAST(sum(coalesce(COLUMNS(* EXCLUDE (period_start, currency, segment)), 0)) AS BIGINT)
FROM parts GROUP BY GROUPING SETS ((period_start, currency, segment), (period_start, currency));

COPY (
  SELECT period_start, currency, segment, is_total, opening_mrr, new_mrr, reactivation_mrr, expansion_mrr, contraction_mrr,
         churned_mrr, closing_mrr, opening_customers, new_customers, reactivation_customers, expansion_customers,
         contraction_customers, churned_customers, closing_customers
  FROM bridge ORDER BY period_start, currency, is_total, segment
) TO '${out}/movements.parquet' (COMPRESSION zstd);

COPY (
  SELECT period_start, currency, segment, is_total, opening_customers, churned_customers, opening_mrr, churned_mrr,
         contraction_mrr, expansion_mrr, churned_customers / nullif(opening_customers, 0) AS logo_churn_rate,
         (-churned_mrr - contraction_mrr) / nullif(opening_mrr, 0) AS gross_revenue_churn_rate,
         (-churned_mrr - contraction_mrr - expansion_mrr) / nullif(opening_mrr, 0) AS net_revenue_churn_rate
  FROM bridge ORDER BY period_start, currency, is_total, segment
) TO '${out}/churn.parquet' (COMPRESSION zstd);

COPY (
  WITH pairs AS (
    SELECT CAST(old.month + INTERVAL 12 MONTH AS DATE) AS month, old.currency, old.segment, old.mrr AS base, now.mrr AS net
    FROM customer_months old
    JOIN customer_months now ON now.customer_id = old.customer_id AND now.currency = old.currency
      AND now.month = old.month + INTERVAL 12 MONTH
    WHERE old.mrr > 0
  ), sums AS (
    SELECT month, currency, segment, count(*) AS base_customers, count(*) FILTER (net > 0) AS retained_customers,
           sum(base) AS base, sum(net) AS net, sum(least(net, base)) AS gross
    FROM pairs GROUP BY ALL
  ), parts AS (
    SELECT g.month AS period_start, g.currency, g.segment, s.* EXCLUDE (currency, segment, month)
    FROM grid g LEFT JOIN sums s ON s.currency = g.currency AND s.segment = g.segment AND s.month = g.month
  ), totals AS (
    SELECT period_start, currency, segment, segment IS NULL AS is_total,
           CAST(sum(coalesce(COLUMNS(* EXCLUDE (period_start, currency, segment)), 0)) AS BIGINT)
    FROM parts GROUP BY GROUPING SETS ((period_start, currency, segment), (period_start, currency))
  )
  SELECT period_start, currency, segment, is_total, base_customers, retained_customers, base AS nrr_denominator,
         net AS nrr_numerator, net / nullif(base, 0) AS nrr, gross AS grr_numerator, gross / nullif(base, 0) AS grr
  FROM totals ORDER BY period_start, currency, is_total, segment
) TO '${out}/retention.parquet' (COMPRESSION zstd);

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

-- Offset 0 is the entry, the amount on the first day; offset k is the end of the k-th month after.
COPY (
  WITH entries AS (
    SELECT p.customer_id, p.currency, y.cohort, CAST(sum(mrr) AS BIGINT) AS entry
    FROM paid p JOIN payers y ON y.customer_id = p.customer_id AND y.currency = p.currency AND p.starts = y.first_paid_on
    GROUP BY ALL
  ), cells AS (
    SELECT currency, cohort, 0 AS k, 1 AS retained, entry, entry AS gross, entry AS net FROM entries
    UNION ALL
    SELECT m.currency, m.cohort, date_diff('month', m.cohort, month) AS k, CAST(mrr > 0 AS INT), entry, least(mrr, entry), mrr
    FROM customer_months m JOIN entries e ON e.customer_id = m.customer_id AND e.currency = m.currency
    WHERE month > m.cohort
  )
  SELECT currency, cohort, CAST(k AS BIGINT) AS period_offset, count(*) AS base_customers, CAST(sum(retained) AS BIGINT) AS retained_customers,
         CAST(sum(entry) AS BIGINT) AS base_mrr, CAST(sum(gross) AS BIGINT) AS gross_mrr, CAST(sum(net) AS BIGINT) AS net_mrr
  FROM cells WHERE k <= 48 GROUP BY ALL ORDER BY currency, cohort, period_offset
) TO '${out}/cohorts.parquet' (COMPRESSION zstd);
