//! Pages that say how a vendor counts.

use super::Source;

macro_rules! sources {
    ($($id:ident: $name:literal, $address:literal;)+) => {
        $(pub(super) const $id: Source = Source { name: $name, address: $address };)+
    };
}

sources! {
    CM_MRR: "ChartMogul, Monthly Recurring Revenue", "https://help.chartmogul.com/hc/en-us/articles/203299812";
    CM_MOVES: "ChartMogul, Chart Data and MRR movements", "https://help.chartmogul.com/hc/en-us/articles/203299912-Chart-Data";
    CM_SETTINGS: "ChartMogul, Subscription Analytics settings", "https://help.chartmogul.com/hc/en-us/articles/15384089786524-Configuring-Subscription-Analytics-settings";
    CM_CHURN_AT: "ChartMogul, Churn recognition", "https://help.chartmogul.com/article/242-churn-recognition";
    CM_PAUSE: "ChartMogul, Handling paused subscriptions", "https://help.chartmogul.com/hc/en-us/articles/360015688860-Handling-paused-subscriptions-in-ChartMogul";
    CM_CUSTOMERS: "ChartMogul, Customer Churn Rate", "https://help.chartmogul.com/hc/en-us/articles/203359341";
    CM_FORMULA: "ChartMogul, Churn rate formula", "https://help.chartmogul.com/hc/en-us/articles/207340419";
    CM_LTV: "ChartMogul, Customer Lifetime Value", "https://help.chartmogul.com/hc/en-us/articles/203359061";
    CM_FX: "ChartMogul, Exchange rates", "https://help.chartmogul.com/hc/en-us/articles/201520952";
    ST_GLOSSARY: "Stripe, Billing metric definitions", "https://docs.stripe.com/billing/subscriptions/analytics/glossary";
    ST_TRIALS: "Stripe, Impact of subscription trial periods on MRR", "https://support.stripe.com/questions/impact-of-subscription-trial-periods-on-monthly-recurring-revenue-mrr-in-billing";
    ST_DISCOUNTS: "Stripe, Impact of discounts and coupons on MRR", "https://support.stripe.com/questions/impact-of-discounts-and-coupons-on-monthly-recurring-revenue-mrr-in-billing";
    ST_CHURN: "Stripe, Calculating churn rate in Billing", "https://support.stripe.com/questions/calculating-churn-rate-in-billing";
    PW_STRIPE: "ProfitWell, ProfitWell vs. Stripe", "https://learn.profitwell.com/article/gf9qqkyplu-profitwell-vs-stripe";
    PW_RECURLY: "Paddle, ProfitWell vs. Recurly", "https://www.paddle.com/help/profitwell-metrics/measure/compare/profitwell-vs-recurly";
    PW_MAXIO: "Paddle, ProfitWell vs. Maxio", "https://www.paddle.com/help/profitwell-metrics/measure/compare/profitwell-vs-maxio";
    PW_DUNNING: "ProfitWell, FAQ for Paddle users, in a copy", "http://bssubs.net/profit-well-faqs-for-paddle-users.html";
    RC_MRR: "Recurly, Monthly Recurring Revenue", "https://docs.recurly.com/docs/monthly-recurring-revenue";
    RC_FAILED: "Recurly, Failed invoices in MRR", "https://support.recurly.com/hc/en-us/articles/360027455352-How-Are-Failed-Invoices-Handled-in-the-MRR-Calculation";
    CB_COUPONS: "Chargebee, Limited coupons in MRR", "https://www.chargebee.com/docs/billing/2.0/kb/reports-and-analytics/how-limited-coupons-are-calculated-for-yearly-subscriptions-mrr-calculations";
    CB_CHURN: "Chargebee, How churn is calculated in RevenueStory", "https://support.chargebee.com/support/solutions/articles/264186-how-churn-is-calculated-in-the-chargebee-revenue-story";
    CB_REVENUE: "Chargebee, Recurring revenue", "https://chargebee.com/docs/2.0/recurring-revenue.html";
    CB_CHARTS: "Chargebee, Charts", "https://www.chargebee.com/docs/2.0/charts.html";
    CB_FX: "Chargebee, Currencies in RevenueStory", "https://support.chargebee.com/support/solutions/articles/256559";
    CB_USAGE: "Chargebee, Metered usage in MRR", "https://support.chargebee.com/support/solutions/articles/249722";
    MX_CHURN: "Chargify, Churn analytics", "https://help.chargify.com/reports/churn-analytics.html";
    BM_LOG: "Baremetrics, Changelog", "https://changelog.baremetrics.com/";
    BM_NRR: "Baremetrics, New metric: net revenue retention", "https://changelog.baremetrics.com/new-metric-net-revenue-retention-2BOJIA";
    BM_LTV: "Baremetrics, Lifetime value", "https://help.baremetrics.com/know-your-metrics/lifetime-value";
    SM: "SaaS Metrics Standards Board, in an unofficial transcription", "https://github.com/mickoner/saas_metrics_standards";
}
