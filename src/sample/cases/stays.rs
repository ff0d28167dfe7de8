//! Cases of coming, going and coming back, and of the days on which that happens.

use super::super::calendar::{day, instant};
use super::super::catalog::{BUSINESS, Currency, Cycle, FREE, STARTER, TEAM};
use super::super::life::Pause;
use super::{Case, MID, SMB, case, leaves_and_returns, monthly, new_list, new_team, team, terms, trial};

pub(super) static CASES: &[Case] = &[
    case(1, "Pause And Resume Inc", SMB, day(2024, 3, 5), |life| {
        life.open(0, team(10), day(2024, 3, 5));
        life.pauses.push(Pause { subscription: 0, from: day(2025, 2, 5), to: Some(day(2025, 4, 5)) });
    }),
    case(2, "Trial Converted Inc", SMB, day(2025, 9, 1), |life| {
        let item = life.open(0, new_team(8), day(2025, 9, 1));
        life.items[item].trial_end = Some(day(2025, 9, 15));
        trial(life, day(2025, 9, 1), day(2025, 9, 15), true);
    }),
    case(3, "Trial Lost Inc", SMB, day(2025, 10, 6), |life| {
        let item = life.open(0, new_team(5), day(2025, 10, 6));
        life.items[item].trial_end = Some(day(2025, 10, 20));
        life.cancel(item, day(2025, 10, 15), day(2025, 10, 20), Some("missing_features"));
        trial(life, day(2025, 10, 6), day(2025, 10, 20), false);
    }),
    case(5, "Two Subscriptions Ltd", MID, day(2023, 11, 1), |life| {
        life.open(0, monthly(&BUSINESS, 30), day(2023, 11, 1));
        let second = life.open(1, team(12), day(2024, 8, 15));
        life.cancel(second, day(2025, 7, 20), day(2025, 8, 15), Some("low_usage"));
    }),
    case(8, "Last Second Of July Inc", SMB, day(2025, 3, 31), |life| {
        // 2025-08-01T03:59:59Z is still July in New York, and so is the signing up still March.
        let item = life.open(0, new_team(6), day(2025, 3, 31));
        life.cancel(item, day(2025, 7, 10), day(2025, 7, 31), Some("too_expensive"));
        life.end_at_boundary(item, true);
    }),
    case(9, "First Second Of August Inc", SMB, day(2025, 4, 1), |life| {
        let item = life.open(0, new_team(6), day(2025, 4, 1));
        life.cancel(item, day(2025, 7, 10), day(2025, 8, 1), Some("too_expensive"));
        life.end_at_boundary(item, false);
    }),
    case(11, "Past Due Inc", SMB, day(2025, 1, 8), |life| {
        let item = life.open(0, team(9), day(2025, 1, 8));
        life.cancel(item, day(2026, 2, 20), day(2026, 3, 8), Some("payment_failed"));
        life.items[item].earlier_status = Some("past_due");
    }),
    case(12, "Back After Ten Days Inc", SMB, day(2024, 6, 3), |life| {
        leaves_and_returns(life, day(2024, 6, 3), day(2025, 3, 3), 10);
    }),
    case(13, "Back After Two Hundred Days Inc", SMB, day(2024, 4, 2), |life| {
        leaves_and_returns(life, day(2024, 4, 2), day(2025, 2, 2), 200);
    }),
    case(21, "Late Row Inc", SMB, day(2025, 1, 16), |life| {
        let item = life.open(0, team(13), day(2025, 1, 16));
        life.cancel(item, day(2026, 1, 30), day(2026, 2, 16), Some("competitor"));
        life.items[item].late_days = 124;
    }),
    case(25, "Free Then Paid Inc", SMB, day(2025, 1, 20), |life| {
        let free = life.open(0, monthly(&FREE, 1), day(2025, 1, 20));
        life.change(free, day(2025, 5, 20), |item| {
            (item.plan, item.list, item.quantity) = (&STARTER, 1, Some(3));
        });
    }),
    case(29, "Unpaid Inc", SMB, day(2025, 3, 6), |life| {
        let item = life.open(0, new_team(6), day(2025, 3, 6));
        life.change(item, day(2026, 5, 6), |item| item.status = "unpaid");
    }),
    case(34, "Cancels At Period End Inc", SMB, day(2025, 8, 18), |life| {
        // Requested before the export, effective after it: still a customer.
        let item = life.open(0, new_list(terms(&TEAM, 9, Cycle::Year)), day(2025, 8, 18));
        let requested = instant(day(2026, 6, 11), 52_200);
        life.items[item].cancel_requested_at = Some(requested);
        life.items[item].cancel_reason = Some("competitor");
    }),
    case(37, "Paused Now Inc", SMB, day(2025, 5, 19), |life| {
        let item = life.open(0, new_team(12), day(2025, 5, 19));
        life.change(item, day(2026, 5, 19), |item| item.status = "paused");
        life.pauses.push(Pause { subscription: 0, from: day(2026, 5, 19), to: None });
    }),
    case(38, "Reason In Own Words Inc", SMB, day(2025, 2, 14), |life| {
        let item = life.open(0, new_team(5), day(2025, 2, 14));
        let reason = Some("our champion left, nobody opens it");
        life.cancel(item, day(2026, 4, 1), day(2026, 4, 14), reason);
    }),
    case(39, "Never Bought Inc", SMB, day(2025, 2, 15), |_| {}),
    case(43, "Moved Segment Ltd", SMB, day(2023, 9, 4), |life| {
        life.who.segments.push((MID, day(2025, 1, 1)));
        let item = life.open(0, team(18), day(2023, 9, 4));
        life.change(item, day(2025, 1, 15), |item| item.quantity = Some(60));
    }),
    case(44, "Changed Currency Inc", MID, day(2024, 5, 1), |life| {
        let yen = life.open(0, monthly(&BUSINESS, 22), day(2024, 5, 1));
        life.items[yen].currency = Currency::Jpy;
        life.end(yen, day(2025, 10, 1));
        life.open(1, new_list(monthly(&BUSINESS, 22)), day(2025, 10, 1));
    }),
    case(46, "Trial Running Inc", SMB, day(2026, 6, 22), |life| {
        let item = life.open(0, new_team(4), day(2026, 6, 22));
        life.items[item].trial_end = Some(day(2026, 7, 6));
        life.items[item].status = "trialing";
        trial(life, day(2026, 6, 22), day(2026, 7, 6), false);
    }),
    case(47, "Every Month Another Size Inc", SMB, day(2025, 7, 15), |life| {
        let mut item = life.open(0, new_team(4), day(2025, 7, 15));
        let sizes = [(8, 6), (9, 5), (10, 9), (11, 8), (12, 12)];
        for (month, seats) in sizes {
            item = life.change(item, day(2025, month, 15), |item| {
                item.quantity = Some(seats);
            });
        }
        life.cancel(item, day(2025, 12, 30), day(2026, 1, 31), Some("business_closed"));
    }),
];
