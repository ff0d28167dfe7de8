//! The tables of the export: the names, types and order of their columns.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;

use super::columns::{
    Amount, Bool, Column, Customer, Date, DistinctInstant, DistinctLong, DistinctText, Double, Instant, Int, Long,
    Table, Text, User, WallClock, table,
};
use super::ids::IdStyle;

table!(Customers, "customers", "part" {
    customer_id: Customer,
    company_name: DistinctText,
    country: Text,
    industry: Text,
    segment: Text,
    acquisition_channel: Text,
    currency: Text,
    parent_id: Customer,
    signed_up_at: DistinctInstant,
    is_deleted: Bool,
    updated_at: Instant,
    exported_at: Instant,
});

table!(CustomerSegments, "customer_segments", "part" {
    customer_id: Customer,
    segment: Text,
    valid_from: Date,
    valid_to: Date,
});

// What the exporter wrote until mid-2024: narrow quantities, no cancellation reason.
table!(ItemsV1, "subscription_items", "v1" {
    item_id: DistinctText,
    subscription_id: DistinctText,
    customer_id: Customer,
    product: Text,
    plan: Text,
    price_id: Text,
    status: Text,
    start_date: Date,
    ended_at: DistinctLong,
    trial_end: Date,
    cancel_requested_at: DistinctInstant,
    unit_amount: Long,
    unit_amount_decimal: Text,
    currency: Text,
    quantity: Int,
    billing_interval: Text,
    interval_count: Int,
    usage_type: Text,
    billing_scheme: Text,
    livemode: Bool,
    is_deleted: Bool,
    recorded_at: Instant,
    exported_at: Instant,
});

table!(ItemsV2, "subscription_items", "v2" {
    item_id: DistinctText,
    customer_id: Customer,
    subscription_id: DistinctText,
    status: Text,
    product: Text,
    plan: Text,
    price_id: Text,
    currency: Text,
    unit_amount: Long,
    unit_amount_decimal: Text,
    quantity: Long,
    billing_interval: Text,
    interval_count: Int,
    usage_type: Text,
    billing_scheme: Text,
    start_date: Date,
    trial_end: Date,
    ended_at: DistinctLong,
    cancel_requested_at: DistinctInstant,
    cancel_reason: Text,
    cancel_period_end: Date,
    past_due_since: Date,
    livemode: Bool,
    is_deleted: Bool,
    recorded_at: Instant,
    exported_at: Instant,
});

table!(MrrSnapshots, "mrr_snapshots", "part" {
    snapshot_month: Date,
    customer_id: Customer,
    plan: Text,
    mrr: Amount,
    currency: Text,
});

// As Stripe's data pipeline writes it.
table!(ItemChangeEvents, "subscription_item_change_events", "part" {
    event_timestamp: DistinctInstant,
    local_event_timestamp: WallClock,
    event_type: Text,
    mrr_change: DistinctLong,
    quantity_change: Long,
    currency: Text,
    customer_id: Customer,
    subscription_id: Text,
    subscription_item_id: Text,
    price_id: Text,
    product_id: Text,
});

table!(Discounts, "discounts", "part" {
    discount_id: DistinctText,
    subscription_id: DistinctText,
    coupon_id: Text,
    percent_off: Double,
    amount_off: Long,
    currency: Text,
    duration: Text,
    duration_in_months: Int,
    start_date: Date,
    end_date: Date,
});

table!(Pauses, "pauses", "part" {
    subscription_id: DistinctText,
    paused_on: Date,
    resumed_on: Date,
});

table!(Invoices, "invoices", "part" {
    invoice_id: DistinctText,
    customer_id: Customer,
    subscription_id: Text,
    status: Text,
    billing_reason: Text,
    currency: Text,
    subtotal: Long,
    tax: Long,
    total: Long,
    amount_paid: Long,
    period_start: Instant,
    period_end: Instant,
    created_at: Instant,
});

table!(InvoiceLines, "invoice_lines", "part" {
    line_id: DistinctText,
    invoice_id: Text,
    customer_id: Customer,
    subscription_id: Text,
    subscription_item_id: Text,
    // `type` is a keyword; the column is named without the underscore.
    type_: Text,
    proration: Bool,
    product: Text,
    plan: Text,
    quantity: Long,
    amount: Long,
    discount_amount: Long,
    net_amount: Long,
    currency: Text,
    period_start: Instant,
    period_end: Instant,
});

table!(UsageCharges, "usage_charges", "part" {
    customer_id: Customer,
    month: Date,
    amount: Long,
    committed_amount: Long,
    currency: Text,
});

table!(TieredItems, "tiered_items", "part" {
    item_id: DistinctText,
    contract_id: Text,
    customer_id: Customer,
    plan: Text,
    unit_amount: Long,
    quantity: Long,
    currency: Text,
    billing_interval: Text,
    interval_count: Int,
    started_on: Date,
    ended_on: Date,
});

table!(PriceTiers, "price_tiers", "part" {
    plan: Text,
    currency: Text,
    mode: Text,
    up_to: Long,
    unit_amount: Long,
    flat_amount: Long,
});

table!(IdentityMap, "identity_map", "part" {
    old_customer_id: Customer,
    customer_id: Customer,
    merged_on: Date,
});

table!(Refunds, "refunds", "part" {
    refund_id: DistinctText,
    invoice_id: DistinctText,
    amount: Long,
    created_at: Instant,
    reason: Text,
});

table!(Costs, "costs", "part" {
    month: Date,
    category: Text,
    segment: Text,
    amount: Amount,
    currency: Text,
});

table!(FxRates, "fx_rates", "part" {
    rate_date: Date,
    base: Text,
    quote: Text,
    rate: DistinctText,
});

table!(UsageEvents, "usage_events", "part" {
    event_id: DistinctText,
    customer_id: Customer,
    user_id: User,
    event_name: Text,
    feature: Text,
    occurred_at: DistinctInstant,
});

table!(Sessions, "sessions", "part" {
    session_id: DistinctText,
    user_id: User,
    customer_id: Customer,
    started_at: DistinctInstant,
    ended_at: DistinctInstant,
});

table!(OnboardingSteps, "onboarding_steps", "part" {
    customer_id: Customer,
    step: Text,
    completed_at: DistinctInstant,
});

table!(Trials, "trials", "part" {
    trial_id: DistinctText,
    customer_id: Customer,
    started_at: DistinctInstant,
    ends_at: DistinctInstant,
    converted_at: DistinctInstant,
});

table!(Tickets, "tickets", "part" {
    ticket_id: DistinctLong,
    customer_id: Customer,
    created_at: DistinctInstant,
    first_reply_at: DistinctInstant,
    solved_at: DistinctInstant,
    priority: Text,
    channel: Text,
    reopened_count: Int,
});

table!(SurveyResponses, "survey_responses", "part" {
    response_id: DistinctText,
    respondent_id: User,
    customer_id: Customer,
    question_type: Text,
    score: Int,
    scale_min: Int,
    scale_max: Int,
    responded_at: DistinctInstant,
    channel: Text,
    comment: Text,
});

table!(Reviews, "reviews", "part" {
    review_id: DistinctText,
    customer_id: Customer,
    site: Text,
    rating: Int,
    created_at: DistinctInstant,
});

table!(Opportunities, "opportunities", "part" {
    id: DistinctText,
    customer_id: Customer,
    // `type` is a keyword; the column is named without the underscore.
    type_: Text,
    amount: Double,
    currency_iso_code: Text,
    close_date: Date,
    stage_name: Text,
    is_won: Bool,
    is_closed: Bool,
    created_date: DistinctInstant,
});

table!(Meetings, "meetings", "part" {
    meeting_id: DistinctText,
    customer_id: Customer,
    held_at: DistinctInstant,
    kind: Text,
});

macro_rules! company {
    ($($field:ident: $type:ident,)+) => {
        /// The tables that grow with the customers.
        pub(super) struct Tables {
            $(pub(super) $field: $type,)+
        }

        impl Tables {
            pub(super) fn new(ids: IdStyle) -> Self {
                Self { $($field: $type::new(ids),)+ }
            }

            /// Always in the same order.
            pub(super) fn each(&mut self) -> Vec<&mut dyn Table> {
                vec![$(&mut self.$field,)+]
            }
        }
    };
}

company! {
    customers: Customers,
    customer_segments: CustomerSegments,
    items_v1: ItemsV1,
    items_v2: ItemsV2,
    mrr_snapshots: MrrSnapshots,
    item_change_events: ItemChangeEvents,
    tiered_items: TieredItems,
    usage_charges: UsageCharges,
    discounts: Discounts,
    pauses: Pauses,
    invoices: Invoices,
    invoice_lines: InvoiceLines,
    refunds: Refunds,
    usage_events: UsageEvents,
    sessions: Sessions,
    onboarding_steps: OnboardingSteps,
    trials: Trials,
    tickets: Tickets,
    survey_responses: SurveyResponses,
    reviews: Reviews,
    opportunities: Opportunities,
    meetings: Meetings,
}
