-- The tables of the revenue family in ClickHouse, by way of chDB, tuned by hand. Cost follows changes, not customers x months.
--
-- As in duckdb.sql a customer is a number in the order of its id, and one Int64, the key, holds customer, segment, currency
-- and day: customer << 20 | segment << 17 | currency << 16 | day. Open intervals end on 2026-07-01, so that one running sum
-- over all rows in the order of the key is the running sum of each customer.
--
-- ${exports} and ${out} are put in by run.py. Money is Int64 in units of 10^-6 major units, as in the pipeline.

SET schema_inference_mode = 'union', schema_inference_hints = 'quantity Nullable(Int64)', prefer_column_name_to_alias = 1,
    join_use_nulls = 1, output_format_parquet_compression_method = 'zstd', engine_file_truncate_on_insert = 1;

CREATE TABLE intervals ENGINE = Memory AS
WITH priced AS (
  SELECT assumeNotNull(customer_id) AS id, toInt64(currency = 'usd') AS usd,
         greatest(start_date, coalesce(trial_end, start_date)) AS starts_on,
         if(ended_at IS NULL, 20635, least(toInt64(toDate(toDateTime(assumeNotNull(ended_at), 'America/New_York'))), 20635)) AS ends,
         assumeNotNull(unit_amount) * 10000 * coalesce(quantity, 1)
           * multiIf(billing_interval = 'day', 365, billing_interval = 'week', 52, 1) AS price,
         toInt64(assumeNotNull(if(billing_interval = 'month', 1, 12) * interval_count)) AS months
  FROM file('${exports}/subscription_items/*.parquet', Parquet)
  WHERE livemode AND NOT is_deleted AND usage_type = 'licensed' AND status <> 'unpaid' AND unit_amount IS NOT NULL
    AND currency IN ('usd', 'jpy') AND billing_interval IN ('day', 'week', 'month', 'year')
    AND interval_count > 0 AND coalesce(quantity, 1) >= 0 AND customer_id IS NOT NULL
), dated AS (
  SELECT id, assumeNotNull(usd) AS is_usd, toInt64(assumeNotNull(starts_on)) AS starts, ends, price, months,
         intDiv(price, months) AS whole, price % months AS rest
  FROM priced
)
SELECT id AS customer_id, is_usd, starts, ends,
       -- Rounded half to even at 10^-4 of the minor unit, of which a yen has one and a dollar a hundred.
       (whole + toInt64(2 * rest > months OR (2 * rest = months AND whole % 2 = 1))) * if(is_usd = 1, 1, 100) AS mrr
FROM dated WHERE ends > starts AND price > 0;

CREATE TABLE segments ENGINE = Memory AS
SELECT segment, toInt64(rowNumberInAllBlocks()) AS code
FROM (
  SELECT DISTINCT assumeNotNull(segment) AS segment FROM (
    SELECT segment FROM file('${exports}/customers/*.parquet', Parquet) WHERE segment IS NOT NULL UNION ALL SELECT '(not set)'
  ) ORDER BY segment
);

CREATE TABLE customers ENGINE = Memory AS
WITH ids AS (
  SELECT customer_id, toInt64(rowNumberInAllBlocks()) AS n
  FROM (SELECT DISTINCT customer_id FROM intervals ORDER BY customer_id)
), named AS (
  SELECT i.customer_id AS customer_id, i.n AS n, coalesce(c.segment, '(not set)') AS segment
  FROM file('${exports}/customers/*.parquet', Parquet) c RIGHT JOIN ids i ON i.customer_id = c.customer_id
)
SELECT named.customer_id AS customer_id, named.n AS n, segments.code AS code
FROM named INNER JOIN segments ON segments.segment = named.segment;

CREATE TABLE net ENGINE = Memory AS
SELECT key, sum(delta) AS delta
FROM (
  SELECT c.n * 1048576 + c.code * 131072 + i.is_usd * 65536 AS series,
         arrayJoin([(i.starts, i.mrr), (i.ends, -i.mrr)]) AS change, series + change.1 AS key, change.2 AS delta
  FROM intervals i INNER JOIN customers c ON c.customer_id = i.customer_id
)
GROUP BY key HAVING sum(delta) <> 0;

-- One row per change, with what was paid first and when. The last row of who still pays is the end on 2026-07-01.
CREATE TABLE ledger ENGINE = Memory AS
WITH running AS (
  SELECT key, delta, sum(delta) OVER w AS after, bitShiftRight(lagInFrame(key, 1, 0) OVER w, 16) <> bitShiftRight(key, 16) AS is_new
  FROM net WINDOW w AS (ORDER BY key ROWS UNBOUNDED PRECEDING)
), entries AS (
  SELECT *, max(if(is_new, key, 0)) OVER w AS first_key, argMax(after, if(is_new, key, 0)) OVER w AS entry
  FROM running WINDOW w AS (ORDER BY key ROWS UNBOUNDED PRECEDING)
)
SELECT key, bitShiftRight(key, 16) AS series, toDate32(bitAnd(key, 65535)) AS effective_on, delta, after, is_new, entry,
       toDate32(bitAnd(first_key, 65535)) AS first_paid_on, toInt64(toYear(effective_on)) * 12 + toMonth(effective_on) - 1 AS month,
       toInt64(toYear(first_paid_on)) * 12 + toMonth(first_paid_on) - 1 AS first_month
FROM entries;

INSERT INTO FUNCTION file('${out}/ledger.parquet', Parquet)
WITH (SELECT groupArray(customer_id) FROM (SELECT customer_id FROM customers ORDER BY n)) AS ids,
     (SELECT groupArray(segment) FROM (SELECT segment FROM segments ORDER BY code)) AS names
SELECT ids[bitShiftRight(series, 4) + 1] AS customer_id, if(bitAnd(series, 1) = 1, 'USD', 'JPY') AS currency, effective_on,
       multiIf(is_new, 'new', after = delta, 'reactivation', after = 0, 'churn', delta > 0, 'expansion', 'contraction') AS kind,
       after - delta AS mrr_before, delta AS mrr_delta, after AS mrr_after, first_paid_on,
       names[bitAnd(bitShiftRight(series, 1), 7) + 1] AS segment
FROM ledger WHERE effective_on < toDate32('2026-07-01') ORDER BY key;

-- The months at whose end somebody pays another amount than at the end of the month before.
CREATE TABLE steps ENGINE = Memory AS
WITH months AS (
  SELECT key, series, month, first_month, after, series * 32768 + month AS slot,
         leadInFrame(slot, 1, 0) OVER (ORDER BY key ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) <> slot AS is_last
  FROM ledger
), ends AS (
  SELECT slot, series, month, first_month, after, lagInFrame(after, 1, 0) OVER (ORDER BY slot ROWS UNBOUNDED PRECEDING) AS before
  FROM months WHERE is_last
)
SELECT * FROM ends WHERE before <> after;

CREATE TABLE moves ENGINE = Memory AS
SELECT bitAnd(series, 15) AS grp, month,
       sumIf(after, before = 0 AND first_month = month) AS new_mrr,
       sumIf(after, before = 0 AND first_month <> month) AS reactivation_mrr,
       sumIf(after - before, before > 0 AND after > before) AS expansion_mrr,
       sumIf(after - before, after > 0 AND after < before) AS contraction_mrr,
       sumIf(-before, after = 0) AS churned_mrr,
       toInt64(countIf(before = 0 AND first_month = month)) AS new_customers,
       toInt64(countIf(before = 0 AND first_month <> month)) AS reactivation_customers,
       toInt64(countIf(before > 0 AND after > before)) AS expansion_customers,
       toInt64(countIf(after > 0 AND after < before)) AS contraction_customers,
       toInt64(countIf(after = 0)) AS churned_customers
FROM steps WHERE month < 2026 * 12 + 6 GROUP BY grp, month;

-- Two intervals of a customer that overlap when the earlier one is moved by twelve months: what was paid then, and now.
CREATE TABLE paying ENGINE = Memory AS
WITH spans AS (
  SELECT series, after, month AS opens,
         leadInFrame(month, 1, 0) OVER (ORDER BY slot ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING) AS closes
  FROM steps
)
SELECT * FROM spans WHERE after > 0;

CREATE TABLE retained ENGINE = Memory AS
WITH pairs AS (
  SELECT bitAnd(now.series, 15) AS grp, now.after AS net, least(now.after, old.after) AS gross,
         greatest(old.opens + 12, now.opens) AS opens, least(old.closes + 12, now.closes) AS closes
  FROM paying old INNER JOIN paying now ON old.series = now.series
  WHERE old.opens + 12 < now.closes AND now.opens < old.closes + 12
), changes AS (
  SELECT grp, arrayJoin([(opens, 1), (closes, -1)]) AS change, change.1 AS month, net * change.2 AS net,
         gross * change.2 AS gross, change.2 AS customers
  FROM pairs
)
SELECT grp, month, sum(net) AS net, sum(gross) AS gross, sum(customers) AS customers FROM changes GROUP BY grp, month;

-- From here on everything is small: months x segments. What no row says is zero.
SET join_use_nulls = 0;

CREATE TABLE changes ENGINE = Memory AS
WITH opens AS (
  SELECT grp, min(min(month)) OVER (PARTITION BY bitAnd(grp, 1)) AS first FROM moves GROUP BY grp
), grid AS (
  SELECT grp, toInt64(arrayJoin(range(toUInt32(first), toUInt32(2026 * 12 + 6)))) AS month FROM opens
)
SELECT makeDate32(intDiv(g.month, 12), g.month % 12 + 1, 1) AS period_start, if(bitAnd(g.grp, 1) = 1, 'USD', 'JPY') AS currency,
       s.segment AS segment, m.* EXCEPT (grp, month), r.* EXCEPT (grp, month)
FROM grid g LEFT JOIN moves m ON m.grp = g.grp AND m.month = g.month
LEFT JOIN retained r ON r.grp = g.grp AND r.month = g.month
INNER JOIN segments s ON s.code = bitShiftRight(g.grp, 1);

CREATE TABLE bridge ENGINE = Memory AS
WITH parts AS (
  SELECT period_start, currency, toNullable(segment) AS segment, false AS is_total, * EXCEPT (period_start, currency, segment)
  FROM changes
  UNION ALL
  SELECT period_start, currency, NULL, true, * EXCEPT (period_start, currency, segment) APPLY sum
  FROM changes GROUP BY period_start, currency
), closed AS (
  SELECT *,
         sum(new_mrr + reactivation_mrr + expansion_mrr + contraction_mrr + churned_mrr) OVER w AS closing_mrr,
         sum(new_customers + reactivation_customers - churned_customers) OVER w AS closing_customers,
         sum(net) OVER w AS nrr_numerator, sum(gross) OVER w AS grr_numerator, sum(customers) OVER w AS retained_customers
  FROM parts WINDOW w AS (PARTITION BY currency, segment ORDER BY period_start ROWS UNBOUNDED PRECEDING)
)
SELECT *, lagInFrame(closing_mrr, 1, 0) OVER w AS opening_mrr, lagInFrame(closing_customers, 1, 0) OVER w AS opening_customers,
       lagInFrame(closing_mrr, 12, 0) OVER w AS base_mrr, lagInFrame(closing_customers, 12, 0) OVER w AS base_customers
FROM closed WINDOW w AS (PARTITION BY currency, segment ORDER BY period_start ROWS UNBOUNDED PRECEDING);

INSERT INTO FUNCTION file('${out}/movements.parquet', Parquet)
SELECT period_start, currency, segment, is_total, opening_mrr, new_mrr, reactivation_mrr, expansion_mrr, contraction_mrr,
       churned_mrr, closing_mrr, opening_customers, new_customers, reactivation_customers, expansion_customers,
       contraction_customers, churned_customers, closing_customers
FROM bridge ORDER BY period_start, currency, is_total, segment;

INSERT INTO FUNCTION file('${out}/retention.parquet', Parquet)
SELECT period_start, currency, segment, is_total, base_customers, retained_customers, base_mrr AS nrr_denominator,
       nrr_numerator, nrr_numerator / nullIf(base_mrr, 0) AS nrr, grr_numerator, grr_numerator / nullIf(base_mrr, 0) AS grr
FROM bridge ORDER BY period_start, currency, is_total, segment;

INSERT INTO FUNCTION file('${out}/churn.parquet', Parquet)
SELECT period_start, currency, segment, is_total, opening_customers, churned_customers, opening_mrr, churned_mrr,
       contraction_mrr, expansion_mrr, churned_customers / nullIf(opening_customers, 0) AS logo_churn_rate,
       (-churned_mrr - contraction_mrr) / nullIf(opening_mrr, 0) AS gross_revenue_churn_rate,
       (-churned_mrr - contraction_mrr - expansion_mrr) / nullIf(opening_mrr, 0) AS net_revenue_churn_rate
FROM bridge ORDER BY period_start, currency, is_total, segment;

INSERT INTO FUNCTION file('${out}/ltv.parquet', Parquet)
WITH rates AS (
  SELECT *, churned_customers / nullIf(opening_customers, 0) AS churn, greatest(closing_customers, 1) AS n,
         intDiv(closing_mrr, n) AS whole, closing_mrr % n AS rest
  FROM bridge
), averaged AS (
  SELECT *, if(closing_customers > 0, whole + toInt64(2 * rest > n OR (2 * rest = n AND whole % 2 = 1)), NULL) AS arpa,
         (churn + lagInFrame(churn, 1) OVER w + lagInFrame(churn, 2) OVER w + lagInFrame(churn, 3) OVER w
           + lagInFrame(churn, 4) OVER w + lagInFrame(churn, 5) OVER w) / 6 AS trailing_churn_rate,
         sum(churned_customers) OVER (PARTITION BY currency, segment ORDER BY period_start ROWS 5 PRECEDING) AS churn_events
  FROM rates WINDOW w AS (PARTITION BY currency, segment ORDER BY period_start ROWS UNBOUNDED PRECEDING)
)
SELECT period_start, currency, segment, is_total, closing_customers, closing_mrr, arpa, churn_events, trailing_churn_rate,
       if(closing_customers > 0 AND churn_events >= 10 AND trailing_churn_rate > 0,
          toInt64(roundBankers(closing_mrr * 0.8 / closing_customers / trailing_churn_rate)), NULL) AS ltv
FROM averaged ORDER BY period_start, currency, is_total, segment;

-- The cohort triangle: offset 0 is the entry, offset k the end of the k-th month after. What a customer changes within
-- an offset is summed as it comes; only the sum of all changes up to an offset is looked at.
INSERT INTO FUNCTION file('${out}/cohorts.parquet', Parquet)
WITH bases AS (
  SELECT bitAnd(series, 1) AS usd, month AS first, toInt64(count()) AS size, sum(after) AS revenue
  FROM ledger WHERE is_new GROUP BY usd, first
), deltas AS (
  SELECT bitAnd(series, 1) AS usd, first_month AS first, greatest(month - first_month, 1) AS k,
         sum(toInt64(after > 0) - toInt64(after > delta)) AS customers,
         sum(least(after, entry) - least(after - delta, entry)) AS gross, sum(delta) AS net
  FROM ledger WHERE NOT is_new AND effective_on < toDate32('2026-07-01') GROUP BY usd, first, k
), triangle AS (
  SELECT usd, first, toInt64(arrayJoin(range(49))) AS k, size, revenue FROM bases
), cells AS (
  SELECT t.usd AS usd, t.first AS first, t.k AS k, t.size AS size, t.revenue AS revenue,
         sum(d.customers) OVER w AS customers, sum(d.gross) OVER w AS gross, sum(d.net) OVER w AS net
  FROM triangle t LEFT JOIN deltas d ON d.usd = t.usd AND d.first = t.first AND d.k = t.k
  WINDOW w AS (PARTITION BY t.usd, t.first ORDER BY t.k ROWS UNBOUNDED PRECEDING)
)
SELECT if(usd = 1, 'USD', 'JPY') AS currency, makeDate32(intDiv(first, 12), first % 12 + 1, 1) AS cohort, k AS period_offset,
       size AS base_customers, size + customers AS retained_customers, revenue AS base_mrr, revenue + gross AS gross_mrr,
       revenue + net AS net_mrr
FROM cells WHERE first + k < 2026 * 12 + 6 ORDER BY currency, cohort, period_offset;
