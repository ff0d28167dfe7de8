-- The tables of revenue.yml in DuckDB, by hand, in the change-point form: cost follows changes, not customers x months.
-- ${exports} and ${out} are put in by run.py. Money is BIGINT in units of 10^-6 major units, as in the pipeline.
SET threads = 2;

CREATE TEMP TABLE paid AS
WITH raw AS (
  SELECT customer_id, upper(currency) AS currency, start_date, trial_end,
         CAST(to_timestamp(ended_at) AT TIME ZONE 'America/New_York' AS DATE) AS ended_on,
         CAST(unit_amount AS HUGEINT) * CASE WHEN currency = 'jpy' THEN 1000000 ELSE 10000 END
           * coalesce(quantity, 1) AS price,
         CASE billing_interval WHEN 'day' THEN 365 WHEN 'week' THEN 52 ELSE 1 END AS num,
         CASE billing_interval WHEN 'month' THEN 1 ELSE 12 END * interval_count
           * CASE WHEN currency = 'jpy' THEN 100 ELSE 1 END AS den,
         CASE WHEN currency = 'jpy' THEN 100 ELSE 1 END AS unit
  FROM read_parquet('${exports}/subscription_items/*.parquet', union_by_name = true)
  WHERE livemode AND NOT is_deleted AND usage_type = 'licensed' AND status <> 'unpaid' AND unit_amount IS NOT NULL
    AND currency IN ('usd', 'jpy') AND billing_interval IN ('day', 'week', 'month', 'year')
    AND interval_count > 0 AND coalesce(quantity, 1) >= 0 AND customer_id IS NOT NULL
), divided AS (
  SELECT *, (price * num) // den AS q, (price * num) % den AS r FROM raw
)
SELECT customer_id, currency,
       greatest(start_date, coalesce(trial_end, start_date)) AS starts,
       least(coalesce(ended_on, DATE '2026-07-01'), DATE '2026-07-01') AS ends,
       CAST((q + CASE WHEN 2 * r > den OR (2 * r = den AND q % 2 = 1) THEN 1 ELSE 0 END) * unit AS BIGINT) AS mrr
FROM divided;

CREATE TEMP TABLE ledger AS
WITH used AS (SELECT * FROM paid WHERE ends > starts AND mrr <> 0),
changes AS (
  SELECT customer_id, currency, starts AS effective_on, mrr AS delta FROM used
  UNION ALL SELECT customer_id, currency, ends, -mrr FROM used
), net AS (
  SELECT customer_id, currency, effective_on, CAST(sum(delta) AS BIGINT) AS delta
  FROM changes GROUP BY ALL HAVING sum(delta) <> 0
)
SELECT n.customer_id, n.currency, effective_on, delta,
       CAST(sum(delta) OVER w AS BIGINT) AS after_,
       first_value(effective_on) OVER w AS first_paid_on,
       coalesce(c.segment, '(not set)') AS segment
FROM net n LEFT JOIN read_parquet('${exports}/customers/*.parquet') c USING (customer_id)
WHERE effective_on < DATE '2026-07-01'
WINDOW w AS (PARTITION BY n.customer_id, n.currency ORDER BY effective_on);

COPY (
  SELECT customer_id, currency, effective_on,
         CASE WHEN effective_on = first_paid_on THEN 'new' WHEN after_ - delta = 0 THEN 'reactivation'
              WHEN after_ = 0 THEN 'churn' WHEN delta > 0 THEN 'expansion' ELSE 'contraction' END AS kind,
         after_ - delta AS mrr_before, delta AS mrr_delta, after_ AS mrr_after, first_paid_on, segment
  FROM ledger ORDER BY customer_id, currency, effective_on
) TO '${out}/ledger.parquet' (COMPRESSION zstd);

-- The value at the end of each month in which it changed.
CREATE TEMP TABLE steps AS
WITH months AS (
  SELECT customer_id, currency, any_value(segment) AS segment, CAST(date_trunc('month', effective_on) AS DATE) AS m,
         arg_max(after_, effective_on) AS after_, CAST(date_trunc('month', any_value(first_paid_on)) AS DATE) AS first_m
  FROM ledger GROUP BY customer_id, currency, date_trunc('month', effective_on)
)
SELECT * FROM (
  SELECT *, coalesce(lag(after_) OVER (PARTITION BY customer_id, currency ORDER BY m), 0) AS before_ FROM months
) WHERE before_ <> after_;

CREATE TEMP TABLE grid AS
SELECT currency, segment, CAST(unnest(generate_series(lo, DATE '2026-06-01', INTERVAL 1 MONTH)) AS DATE) AS m
FROM (SELECT currency, min(m) AS lo FROM steps GROUP BY currency) JOIN (SELECT DISTINCT currency, segment FROM steps) USING (currency);

CREATE TEMP TABLE bridge AS
WITH moves AS (
  SELECT currency, segment, m,
    sum(CASE WHEN before_ = 0 AND first_m = m THEN after_ ELSE 0 END) AS new_mrr,
    sum(CASE WHEN before_ = 0 AND first_m <> m THEN after_ ELSE 0 END) AS reactivation_mrr,
    sum(CASE WHEN before_ > 0 AND after_ > before_ THEN after_ - before_ ELSE 0 END) AS expansion_mrr,
    sum(CASE WHEN after_ > 0 AND after_ < before_ THEN after_ - before_ ELSE 0 END) AS contraction_mrr,
    sum(CASE WHEN after_ = 0 THEN -before_ ELSE 0 END) AS churned_mrr,
    count(*) FILTER (before_ = 0) AS gained, count(*) FILTER (after_ = 0) AS lost
  FROM steps GROUP BY ALL
), full_ AS (
  SELECT currency, segment, m, coalesce(new_mrr, 0) AS new_mrr, coalesce(reactivation_mrr, 0) AS reactivation_mrr,
         coalesce(expansion_mrr, 0) AS expansion_mrr, coalesce(contraction_mrr, 0) AS contraction_mrr,
         coalesce(churned_mrr, 0) AS churned_mrr, coalesce(gained, 0) AS gained, coalesce(lost, 0) AS lost
  FROM grid LEFT JOIN moves USING (currency, segment, m)
), all_groups AS (
  SELECT m, currency, segment, false AS is_total, * EXCLUDE (m, currency, segment) FROM full_
  UNION ALL
  SELECT m, currency, NULL, true, sum(new_mrr), sum(reactivation_mrr), sum(expansion_mrr), sum(contraction_mrr),
         sum(churned_mrr), sum(gained), sum(lost) FROM full_ GROUP BY m, currency
)
SELECT *, sum(new_mrr + reactivation_mrr + expansion_mrr + contraction_mrr + churned_mrr) OVER w AS closing_mrr,
       sum(gained - lost) OVER w AS closing_customers
FROM all_groups WINDOW w AS (PARTITION BY currency, is_total, segment ORDER BY m);

COPY (SELECT * FROM bridge ORDER BY m, currency, is_total, segment) TO '${out}/movements.parquet' (COMPRESSION zstd);

COPY (
  SELECT m, currency, segment, is_total, closing_customers - gained + lost AS opening_customers, lost AS churned_customers,
         lost / nullif(closing_customers - gained + lost, 0) AS logo_churn_rate
  FROM bridge ORDER BY m, currency, is_total, segment
) TO '${out}/churn.parquet' (COMPRESSION zstd);

-- NRR and GRR over twelve months: the step function beside itself, twelve months later.
COPY (
  WITH points AS (
    SELECT customer_id, currency, segment, m, after_ AS now_, CAST(NULL AS BIGINT) AS then_ FROM steps
    UNION ALL SELECT customer_id, currency, segment, CAST(m + INTERVAL 12 MONTH AS DATE), NULL, after_ FROM steps
  ), merged AS (
    SELECT customer_id, currency, any_value(segment) AS segment, m, max(now_) AS now_, max(then_) AS then_
    FROM points WHERE m <= DATE '2026-06-01' GROUP BY customer_id, currency, m
  ), filled AS (
    SELECT customer_id, currency, segment, m,
           coalesce(last_value(now_ IGNORE NULLS) OVER w, 0) AS now_, coalesce(last_value(then_ IGNORE NULLS) OVER w, 0) AS then_
    FROM merged WINDOW w AS (PARTITION BY customer_id, currency ORDER BY m)
  ), states AS (
    SELECT customer_id, currency, segment, m, then_ AS base, CASE WHEN then_ > 0 THEN now_ ELSE 0 END AS net,
           least(now_, then_) AS gross, CAST(then_ > 0 AS INT) AS n
    FROM filled
  ), deltas AS (
    SELECT currency, segment, m, base - lag(base, 1, 0) OVER w AS base, net - lag(net, 1, 0) OVER w AS net,
           gross - lag(gross, 1, 0) OVER w AS gross, n - lag(n, 1, 0) OVER w AS n
    FROM states WINDOW w AS (PARTITION BY customer_id, currency ORDER BY m)
  ), sums AS (
    SELECT currency, segment, m, sum(base) AS base, sum(net) AS net, sum(gross) AS gross, sum(n) AS n FROM deltas GROUP BY ALL
  ), full_ AS (
    SELECT m, currency, segment, coalesce(base, 0) AS base, coalesce(net, 0) AS net, coalesce(gross, 0) AS gross, coalesce(n, 0) AS n
    FROM grid LEFT JOIN sums USING (currency, segment, m)
  ), all_groups AS (
    SELECT m, currency, segment, false AS is_total, base, net, gross, n FROM full_
    UNION ALL SELECT m, currency, NULL, true, sum(base), sum(net), sum(gross), sum(n) FROM full_ GROUP BY m, currency
  )
  SELECT m, currency, segment, is_total, sum(n) OVER w AS base_customers, sum(base) OVER w AS denominator,
         sum(net) OVER w AS nrr_numerator, sum(gross) OVER w AS grr_numerator
  FROM all_groups WINDOW w AS (PARTITION BY currency, is_total, segment ORDER BY m)
  ORDER BY m, currency, is_total, segment
) TO '${out}/retention.parquet' (COMPRESSION zstd);

-- The cohort triangle: offset 0 is the entry, offset k the end of the k-th month after.
COPY (
  WITH entries AS (
    SELECT customer_id, currency, CAST(date_trunc('month', effective_on) AS DATE) AS cohort, after_ AS entry
    FROM ledger WHERE effective_on = first_paid_on
  ), bases AS (
    SELECT currency, cohort, count(*) AS size, sum(entry) AS revenue FROM entries GROUP BY ALL
  ), months AS (
    SELECT customer_id, currency, greatest(date_diff('month', cohort, effective_on), 1) AS k, cohort, any_value(entry) AS entry,
           arg_max(after_, effective_on) AS after_
    FROM ledger JOIN entries USING (customer_id, currency) GROUP BY customer_id, currency, cohort, k
  ), states AS (
    SELECT *, lag(after_, 1, entry) OVER (PARTITION BY customer_id, currency ORDER BY k) AS before_ FROM months
  ), deltas AS (
    SELECT currency, cohort, k, sum(CAST(after_ > 0 AS INT) - CAST(before_ > 0 AS INT)) AS customers,
           sum(least(after_, entry) - least(before_, entry)) AS gross, sum(after_ - before_) AS net
    FROM states WHERE k <= 48 GROUP BY ALL
  ), triangle AS (
    SELECT currency, cohort, CAST(unnest(generate_series(0, 48)) AS BIGINT) AS k, size, revenue FROM bases
  ), running AS (
    SELECT currency, cohort, k, size, revenue,
           size + coalesce(sum(customers) OVER w, 0) AS customers, revenue + coalesce(sum(gross) OVER w, 0) AS gross,
           revenue + coalesce(sum(net) OVER w, 0) AS net
    FROM triangle LEFT JOIN deltas USING (currency, cohort, k)
    WINDOW w AS (PARTITION BY currency, cohort ORDER BY k)
  )
  SELECT currency, cohort, k, size, revenue, customers, gross, net,
         cohort + to_months(CAST(k AS INT)) <= DATE '2026-06-01' AS is_mature
  FROM running ORDER BY currency, cohort, k
) TO '${out}/cohorts.parquet' (COMPRESSION zstd);
