//! Accounts that turned out to be one customer.

use super::calendar::{Day, day};
use super::ids::{CustomerKey, IdStyle};
use super::tables::IdentityMap;
use super::tiers::ACCOUNTS;

/// Which customer became which, and when: numbers of cases, the first two in a chain.
const MERGES: [(u64, u64, Day); 4] = [
    (25, 2, day(2026, 1, 10)),
    (2, 45, day(2026, 3, 2)),
    (38, 35, day(2026, 5, 4)),
    (ACCOUNTS[0].key, 27, day(2026, 2, 2)),
];

/// The merges into customers that a sample of this size has.
pub(super) fn identity_map(customers: u64, ids: IdStyle) -> IdentityMap {
    let mut table = IdentityMap::new(ids);
    for (old, new, on) in MERGES {
        let known = |number| number < customers || ACCOUNTS.iter().any(|account| account.key == number);
        if known(old) && known(new) {
            table.old_customer_id.push(&CustomerKey::new(old));
            table.customer_id.push(&CustomerKey::new(new));
            table.merged_on.push(on);
        }
    }
    table
}
