//! Cases of prices, terms and coupons, and of rows that are not what they seem.

use super::super::calendar::day;
use super::super::catalog::{
    ANALYTICS, API_COMMITTED, API_METERED, BUSINESS, Cycle, ENTERPRISE, STARTER, SUPPORT_PLUS, TEAM,
};
use super::super::life::Off;
use super::{
    BROKEN_ROWS, Case, ENT, GROUP_CHILD, GROUP_PARENT, MID, SMB, case, discount, in_yen, monthly, new_list, new_team,
    team, terms,
};

pub(super) static CASES: &[Case] = &[
    case(4, "Two Items Ltd", MID, day(2024, 5, 10), |life| {
        life.open(0, monthly(&BUSINESS, 20), day(2024, 5, 10));
        life.open(0, monthly(&ANALYTICS, 20), day(2024, 11, 10));
    }),
    case(6, "Three Year Term Group", ENT, day(2023, 6, 20), |life| {
        life.open(0, terms(&ENTERPRISE, 100, Cycle::ThreeYears), day(2023, 7, 1));
    }),
    case(7, "Yen Works KK", MID, day(2024, 1, 15), |life| {
        in_yen(life);
        life.open(0, monthly(&BUSINESS, 25), day(2024, 1, 15));
        life.open(1, terms(&TEAM, 7, Cycle::Year), day(2024, 9, 1));
    }),
    case(14, "Refunded Inc", SMB, day(2025, 9, 9), |life| {
        life.open(0, new_list(terms(&TEAM, 12, Cycle::Year)), day(2025, 9, 9));
    }),
    case(15, "Up And Down In One Day Ltd", MID, day(2024, 10, 1), |life| {
        // Upgrades one subscription and shrinks the other on the same day: +400.00 and -145.00.
        let first = life.open(0, team(20), day(2024, 10, 1));
        let second = life.open(1, team(15), day(2024, 12, 1));
        life.change(first, day(2025, 11, 12), |item| item.plan = &BUSINESS);
        life.change(second, day(2025, 11, 12), |item| item.quantity = Some(10));
    }),
    case(16, "Nets Out In One Day Ltd", MID, day(2024, 10, 2), |life| {
        // Eight seats at 29.00 more, 29 analytics seats at 8.00 less: exactly nothing.
        let core = life.open(0, team(29), day(2024, 10, 2));
        let add_on = life.open(0, monthly(&ANALYTICS, 29), day(2024, 10, 2));
        life.change(core, day(2025, 12, 2), |item| item.quantity = Some(37));
        life.end(add_on, day(2025, 12, 2));
    }),
    case(17, "Deleted Item Inc", SMB, day(2025, 2, 3), |life| {
        life.open(0, new_team(4), day(2025, 2, 3));
        let mistake = life.open(0, new_team(400), day(2025, 2, 3));
        life.items[mistake].is_deleted = true;
    }),
    case(18, "Exact Duplicate Inc", SMB, day(2025, 2, 4), |life| {
        let item = life.open(0, new_team(11), day(2025, 2, 4));
        life.items[item].copies = 2;
    }),
    case(19, "Older Version Inc", SMB, day(2024, 2, 5), |life| {
        let item = life.open(0, team(14), day(2024, 2, 5));
        life.change(item, day(2025, 6, 5), |item| item.quantity = Some(21));
        life.items[item].earlier_status = Some("active");
    }),
    case(22, "Coupon Once Inc", SMB, day(2025, 6, 2), |life| {
        life.open(0, new_team(10), day(2025, 6, 2));
        let (off, start) = (Off::Percent(50), day(2025, 6, 2));
        discount(life, "WELCOME50", off, "once", None, start, Some(day(2025, 7, 2)));
    }),
    case(23, "Coupon Repeating Inc", SMB, day(2025, 6, 3), |life| {
        life.open(0, new_team(10), day(2025, 6, 3));
        let (off, start) = (Off::Amount(5_000), day(2025, 6, 3));
        discount(life, "CREDIT50", off, "repeating", Some(6), start, Some(day(2025, 12, 3)));
    }),
    case(24, "Coupon Forever Inc", SMB, day(2025, 6, 4), |life| {
        life.open(0, new_list(terms(&TEAM, 10, Cycle::Year)), day(2025, 6, 4));
        let (off, start) = (Off::Percent(10), day(2025, 6, 4));
        discount(life, "LOYAL10", off, "forever", None, start, None);
    }),
    case(26, "Metered Ltd", MID, day(2025, 3, 3), |life| {
        life.open(0, new_list(monthly(&BUSINESS, 18)), day(2025, 3, 3));
        life.open(0, monthly(&API_METERED, 1), day(2025, 3, 3));
    }),
    case(27, "Half A Cent Ltd", MID, day(2025, 3, 4), |life| {
        life.open(0, new_list(monthly(&BUSINESS, 16)), day(2025, 3, 4));
        life.open(0, monthly(&API_COMMITTED, 4_001), day(2025, 3, 4));
    }),
    case(28, "Test Mode Inc", SMB, day(2025, 3, 5), |life| {
        life.open(0, new_team(7), day(2025, 3, 5));
        let test = life.open(1, new_team(999), day(2025, 3, 5));
        life.items[test].livemode = false;
    }),
    case(31, "Quarterly Ltd", MID, day(2024, 7, 8), |life| {
        life.open(0, terms(&BUSINESS, 17, Cycle::Quarter), day(2024, 7, 8));
    }),
    case(32, "Weekly Inc", SMB, day(2025, 7, 7), |life| {
        life.open(0, new_list(terms(&STARTER, 3, Cycle::Week)), day(2025, 7, 7));
    }),
    case(33, "Daily Inc", SMB, day(2025, 7, 8), |life| {
        life.open(0, new_list(terms(&STARTER, 5, Cycle::Day)), day(2025, 7, 8));
    }),
    case(35, "No Quantity Ltd", MID, day(2025, 2, 11), |life| {
        life.open(0, new_list(monthly(&BUSINESS, 15)), day(2025, 2, 11));
        life.open(0, monthly(&SUPPORT_PLUS, 1), day(2025, 2, 11));
    }),
    case(BROKEN_ROWS, "Broken Rows Inc", SMB, day(2025, 2, 12), |life| {
        life.open(0, new_team(5), day(2025, 2, 12));
    }),
    case(GROUP_PARENT, "Umbrella Group Holdings", ENT, day(2023, 2, 1), |life| {
        life.open(0, terms(&ENTERPRISE, 120, Cycle::Year), day(2023, 3, 1));
    }),
    case(GROUP_CHILD, "Umbrella Group Japan KK", ENT, day(2024, 2, 1), |life| {
        in_yen(life);
        life.open(0, terms(&ENTERPRISE, 90, Cycle::Year), day(2024, 3, 1));
    }),
    case(45, "New Price Inc", SMB, day(2024, 8, 21), |life| {
        let item = life.open(0, team(10), day(2024, 8, 21));
        life.change(item, day(2025, 5, 21), |item| item.list = 1);
    }),
];
