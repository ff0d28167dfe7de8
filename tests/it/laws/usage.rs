//! Laws of usage: active users and usage cohorts over random events, whatever lies in which file.

use std::fmt;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use proptest::option::weighted;
use proptest::prelude::*;
use proptest::sample::select;

use super::books::{Book, books, id_text};
use super::export::{Layout, PLAIN};
use super::files::{layouts, same_files};
use super::law;
use super::pipeline::{Published, plain_ledger, run_with};
use super::reference::World;
use super::reference::calendar::{GRAINS, Grain};
use super::reference::usage::{Activity, COHORTS, Followed, USERS, Unit};
use super::table::compare;

/// Something a user did.
#[derive(Clone)]
pub struct Event {
    pub user: Option<i64>,
    pub customer: Option<i64>,
    pub event: Option<&'static str>,
    pub app: Option<&'static str>,
    /// Day and second of it in Tokyo.
    pub at: Option<(Date, i64)>,
    /// How often it was delivered.
    pub copies: u8,
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = |id: Option<i64>| id.map_or("-".to_owned(), |id| id.to_string());
        let at = self.at.map_or("-".to_owned(), |(day, second)| format!("{day} {second}s"));
        let (event, app) = (self.event.unwrap_or("-"), self.app.unwrap_or("-"));
        write!(f, "{at}: {} of {} {event} in {app}, {} times", id(self.user), id(self.customer), self.copies)
    }
}

/// Kinds of event that the tables of [`tables`] count where they do not count all.
pub const COUNTED: [&str; 2] = ["login", "export"];

/// Days before `as_of`, so that the same few people come again and again; some come after it.
type Drafted = (Option<i64>, Option<i64>, Option<&'static str>, Option<&'static str>, Option<(i64, i64)>, u8);

fn drafted() -> impl Strategy<Value = Drafted> {
    let ago = prop_oneof![6 => 0..40i64, 3 => 40..120i64, 1 => -4..0i64];
    let second = prop_oneof![2 => 0..86_400i64, 1 => Just(0), 1 => Just(86_399)];
    (
        weighted(0.95, 0..6i64),
        weighted(0.95, 1..9i64),
        weighted(0.9, select(&["login", "view", "export"][..])),
        weighted(0.8, select(&["web", "mobile"][..])),
        weighted(0.97, (ago, second)),
        1..=2u8,
    )
}

/// A book whose customers do something.
fn used_books() -> impl Strategy<Value = (Book, Vec<Event>)> {
    (books(), prop::collection::vec(drafted(), 0..=60)).prop_map(|(book, drafted)| {
        let as_of = book.as_of;
        let events = drafted.into_iter().map(|(user, customer, event, app, at, copies)| Event {
            user,
            customer,
            event,
            app,
            at: at.map(|(ago, second)| (as_of - ago.days(), second)),
            copies,
        });
        let events = events.collect();
        (book, events)
    })
}

fn write(book: &Book, events: &[Event], folder: &std::path::Path, layout: Layout) {
    let rows: Vec<&Event> = events.iter().flat_map(|e| (0..e.copies).map(move |_| e)).collect();
    let ids = |ids: Vec<Option<i64>>| -> ArrayRef {
        if book.numbered {
            Arc::new(Int64Array::from(ids))
        } else {
            Arc::new(ids.into_iter().map(|id| id.map(id_text)).collect::<StringArray>())
        }
    };
    let texts = |texts: Vec<Option<&str>>| -> ArrayRef { Arc::new(StringArray::from(texts)) };
    let tokyo = TimeZone::get("Asia/Tokyo").expect("a zone");
    let instant = |(day, second): (Date, i64)| {
        let start = day.to_zoned(tokyo.clone()).expect("a day");
        start.timestamp().as_microsecond() + second * 1_000_000
    };
    let at = rows.iter().map(|e| e.at.map(instant)).collect::<TimestampMicrosecondArray>().with_timezone("UTC");
    layout.write(
        &folder.join("events"),
        vec![
            ("user_id", ids(rows.iter().map(|e| e.user).collect())),
            ("customer_id", ids(rows.iter().map(|e| e.customer).collect())),
            ("event", texts(rows.iter().map(|e| e.event).collect())),
            ("app", texts(rows.iter().map(|e| e.app).collect())),
            ("at", Arc::new(at)),
        ],
    );
}

fn run(book: &Book, events: &[Event], tables: &str, layout: Layout) -> Result<Published, String> {
    run_with(book, tables, layout, |folder| write(book, events, folder, layout))
}

const WINDOWS: [i64; 4] = [1, 7, 28, 3];

/// Active users by app against paying customers, and of the kinds that count; cohorts of every sort.
fn tables(book: &Book) -> String {
    let grains: Vec<&str> = GRAINS.iter().map(|g| g.name()).collect();
    let mut text = plain_ledger("ledger", book);
    text.push_str(&format!(
        "  active: {{type: active_users, from: events, at: at, user: user_id, customer: customer_id, grains: [{}], windows: {WINDOWS:?}, \
         by: [app], eligible: {{ledger: ledger}}}}\n  counted: {{type: active_users, from: events, at: at, user: user_id, event: event, \
         events: [{}], grains: [week], windows: {WINDOWS:?}}}\n",
        grains.join(", "),
        COUNTED.join(", "),
    ));
    for (name, followed) in cohorts() {
        let (unit, returning) = (followed.unit.name(), if followed.or_after { "on_or_after" } else { "on" });
        text.push_str(&format!(
            "  {name}: {{type: usage_cohorts, from: events, at: at, user: user_id, customer: customer_id, unit: {unit}, grain: {}, \
             horizon: {}, returning: {returning}, min_size: {}}}\n",
            followed.grain.name(),
            followed.horizon,
            followed.min_size,
        ));
    }
    text
}

fn cohorts() -> Vec<(String, Followed)> {
    let horizons = [(Grain::Day, 30), (Grain::Week, 12), (Grain::Month, 5), (Grain::Quarter, 2)];
    let of = |(grain, horizon): (Grain, usize)| {
        [(Unit::User, false, 0), (Unit::User, true, 2), (Unit::Customer, false, 1), (Unit::Customer, true, 0)].map(
            |(unit, or_after, min_size)| {
                let kind = if or_after { "or_after" } else { "on" };
                (
                    format!("{}_{}_{kind}", unit.name(), grain.name()),
                    Followed { unit, grain, horizon, or_after, min_size },
                )
            },
        )
    };
    horizons.into_iter().flat_map(of).collect()
}

#[test]
fn active_users_and_their_cohorts_are_what_the_events_say() {
    law("usage", 96, used_books(), |(book, events)| {
        let published = run(book, events, &tables(book), PLAIN)?;
        let world = World::of(book);
        let all = Activity::of(book, events, &[]);
        compare("active", published.table("active"), all.active(&world, &GRAINS, &WINDOWS, true), &USERS)?;
        let counted: Vec<Event> = events.iter().map(|e| Event { customer: Some(0), app: None, ..e.clone() }).collect();
        let counted = Activity::of(book, &counted, &COUNTED).active(&world, &[Grain::Week], &WINDOWS, false);
        compare("counted", published.table("counted"), counted, &USERS[..4])?;
        cohorts()
            .iter()
            .try_for_each(|(name, followed)| compare(name, published.table(name), followed.rows(&all), &COHORTS))?;
        let attrition = &published.attrition["active"];
        let read: u64 = events.iter().map(|e| u64::from(e.copies)).sum();
        let told: u64 = attrition.iter().map(|(_, rows)| rows).sum();
        let used = attrition.iter().find(|(reason, _)| reason == "used").map_or(0, |(_, rows)| *rows);
        if told == read && used == all.rows {
            Ok(())
        } else {
            Err(format!("{read} events, {} of them usable, and the table says {attrition:?}", all.rows))
        }
    });
}

#[test]
fn events_that_are_held_say_the_same() {
    law("usage_held", 48, used_books(), |(book, events)| {
        let tables = tables(book);
        let held = format!("{tables}  held: {{type: sql, key: [n], query: SELECT COUNT(*) AS n FROM events}}\n");
        let (condensed, mut held) = (run(book, events, &tables, PLAIN)?, run(book, events, &held, PLAIN)?);
        if condensed.condensed != ["events"] || !held.condensed.is_empty() {
            return Err(format!("condensed are {:?} and {:?}", condensed.condensed, held.condensed));
        }
        held.attrition.remove("held");
        if condensed.attrition != held.attrition {
            return Err(format!("attrition is {:?} and {:?}", condensed.attrition, held.attrition));
        }
        same_files(&condensed, &held)
    });
}

#[test]
fn how_events_lie_in_files_changes_nothing() {
    law("usage_layouts", 48, (used_books(), layouts(), layouts()), |((book, events), one, other)| {
        let tables = tables(book);
        same_files(&run(book, events, &tables, *one)?, &run(book, events, &tables, *other)?)
    });
}
