//! Changes of recurring revenue as Stripe's data pipeline exports them, item by item.

use super::billing::{PriceId, half_even};
use super::calendar::{Day, EXPORT_DAY, instant, micros, wall_clock};
use super::life::{Item, Life};
use super::tables::Tables;

/// Of the customers that also have snapshots: nothing but the items moves their revenue.
pub(super) fn write(life: &Life, tables: &mut Tables) {
    if !life.who.is_snapshot() {
        return;
    }
    let mut events: Vec<(i64, bool, usize)> = Vec::new();
    for (at, item) in life.items.iter().enumerate() {
        let starts = item.trial_end.unwrap_or(item.start);
        if !counts(item, starts) {
            continue;
        }
        events.push((instant(starts, life.billing_second), true, at));
        if let (Some(end), Some(ended)) = (item.end, item.ended_at)
            && end > starts
        {
            events.push((ended, false, at));
        }
    }
    events.sort_unstable();
    for (second, starts, at) in events {
        event(life, at, second, starts, tables);
    }
}

/// Whether an item ever was recurring revenue that is worth an event.
fn counts(item: &Item, starts: Day) -> bool {
    starts < EXPORT_DAY && item.pays_on(starts) && monthly(item) > 0
}

/// The recurring revenue of an item, rounded to minor units.
fn monthly(item: &Item) -> i64 {
    i64::try_from(half_even(item.monthly_36(), 3_600)).unwrap_or(i64::MAX)
}

fn event(life: &Life, at: usize, second: i64, starts: bool, tables: &mut Tables) {
    let item = &life.items[at];
    let key = &life.who.key;
    let sign = if starts { 1 } else { -1 };
    let table = &mut tables.item_change_events;
    table.event_timestamp.push(micros(second));
    table.local_event_timestamp.push(micros(wall_clock(second)));
    table.event_type.push(if starts { "ACTIVE_START" } else { "ACTIVE_END" });
    table.mrr_change.push(sign * monthly(item));
    table.quantity_change.push(sign * item.quantity.unwrap_or(1));
    table.currency.push(item.currency.code());
    table.customer_id.push(key);
    table.subscription_id.write(format_args!("{}", key.nth("sub_", item.subscription)));
    table.subscription_item_id.write(format_args!("{}", key.nth("si_", at)));
    table.price_id.write(format_args!("{}", PriceId(item)));
    table.product_id.write(format_args!("prod_{}", item.plan.product));
}
