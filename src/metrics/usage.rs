//! Events of use as a metric looks at them: who did something that counts, on which day.

use jiff::civil;
use polars::prelude::*;

use crate::expr::calendar::{epoch_day, local_date};
use crate::expr::condense::Condense;
pub use crate::expr::uses::Unit;
use crate::expr::uses::Uses;
use crate::metrics::Inputs;
use crate::plan::resolver::Resolver;
use crate::schema::ColumnType;

/// The keys of a table that say what its events are.
pub struct UsageKeys<'a> {
    /// Source of events.
    pub from: &'a str,
    /// Column that says when.
    pub at: &'a str,
    /// Column of the user.
    pub user: Option<&'a str>,
    /// Column of the customer.
    pub customer: Option<&'a str>,
    /// Column of the kind of event.
    pub event: Option<&'a str>,
    /// The kinds that count.
    pub events: &'a [String],
    /// Columns to break down by.
    pub by: &'a [String],
}

/// Events of use, resolved.
pub struct Usage {
    from: String,
    at: String,
    /// Whether `at` is an instant rather than a day.
    at_instant: bool,
    zone: String,
    user: Option<String>,
    customer: Option<String>,
    /// The kind of event and the kinds that count; without it all do.
    event: Option<(String, Vec<String>)>,
    by: Vec<String>,
    as_of: civil::Date,
}

impl Usage {
    /// Checks the keys; `is_taken` tells names that a dimension cannot have.
    pub fn resolve(cx: &mut Resolver<'_>, keys: &UsageKeys<'_>, is_taken: impl Fn(&str) -> bool) -> Option<Self> {
        let ids = [ColumnType::String, ColumnType::Int];
        let source = cx.source("from", keys.from)?;
        let at = cx.column(&source, "at", keys.at, &[ColumnType::Timestamp, ColumnType::Date]);
        let user = cx.optional_column(&source, "user", keys.user, &ids);
        let customer = cx.optional_column(&source, "customer", keys.customer, &ids);
        let event = cx.optional_column(&source, "event", keys.event, &[ColumnType::String]);
        let mut sound = true;
        let event_help = match (keys.event, keys.events) {
            (None, [_, ..]) => Some(("events", "event", "name the column of the kind of event, or remove it")),
            (Some(_), []) => Some(("event", "events", "list the events that count, or remove it to count all")),
            _ => None,
        };
        if let Some((given, missing, help)) = event_help {
            cx.error(given, &format!("`{given}` has no effect without `{missing}`"), help);
            sound = false;
        }
        for (i, name) in keys.events.iter().enumerate() {
            if keys.events[..i].contains(name) {
                cx.error(&format!("events.{i}"), &format!("the event `{name}` is given twice"), "remove one");
                sound = false;
            }
        }
        for (i, name) in keys.by.iter().enumerate() {
            let path = format!("by.{i}");
            if keys.by[..i].contains(name) {
                cx.error(&path, &format!("the dimension `{name}` is given twice"), "remove one");
                sound = false;
            } else if is_taken(name) {
                let title = format!("`{name}` is a column of this table already");
                cx.error(&path, &title, "rename the column of the source with `from`");
                sound = false;
            }
            sound &= cx.column(&source, &path, name, &[ColumnType::String]).is_some();
        }
        let (at, user, customer, event) = (at?, user?, customer?, event?);
        sound.then(|| Self {
            from: keys.from.to_owned(),
            at_instant: source.type_of(&at) == Some(ColumnType::Timestamp),
            at,
            zone: cx.context().zone.clone(),
            user,
            customer,
            event: event.map(|column| (column, keys.events.to_vec())),
            by: keys.by.to_vec(),
            as_of: cx.context().as_of,
        })
    }

    /// Last day the results cover.
    pub fn as_of(&self) -> civil::Date {
        self.as_of
    }

    /// The dimensions, as the source calls them.
    pub fn by(&self) -> &[String] {
        &self.by
    }

    /// The dimensions, as frames of [`Self::rows`] call them.
    pub fn groups(&self) -> Vec<String> {
        self.uses(true).groups()
    }

    /// Who can be counted.
    pub fn units(&self) -> Vec<Unit> {
        let named = [(Unit::User, &self.user), (Unit::Customer, &self.customer)];
        named.into_iter().filter(|(_, column)| column.is_some()).map(|(unit, _)| unit).collect()
    }

    /// Name of the value that says which day an event counts on.
    fn day(&self) -> String {
        format!("#day:{}", self.at)
    }

    /// What is needed of the source: a row per day, user, customer and group.
    ///
    /// # Errors
    /// When Polars does not know the time zone, which is reported with the pipeline file before.
    pub fn condense(&self) -> PolarsResult<Condense> {
        let at = col(self.at.as_str());
        let day = if self.at_instant { local_date(at, &self.zone)? } else { at };
        let mut keys = vec![(self.day(), day)];
        keys.extend(self.event.as_ref().map(|(column, events)| (counts_as(column, events), counted(column, events))));
        for name in self.user.iter().chain(&self.customer).chain(&self.by) {
            if keys.iter().all(|(known, _)| known != name) {
                keys.push((name.clone(), col(name.as_str())));
            }
        }
        Ok(Condense { source: self.from.clone(), keys })
    }

    /// The uses of the source, by dimensions or without.
    pub fn uses(&self, by_group: bool) -> Uses<'_> {
        Uses {
            source: &self.from,
            day: self.day(),
            counts: self.event.as_ref().map(|(column, events)| counts_as(column, events)),
            user: self.user.as_deref(),
            customer: self.customer.as_deref(),
            by: if by_group { &self.by } else { &[] },
            last: epoch_day(self.as_of),
        }
    }

    /// As [`Uses::rows`] with all dimensions.
    ///
    /// # Errors
    /// When Polars refuses to build the plan.
    pub fn rows(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        Ok(self.uses(true).rows(inputs.condensed(&self.condense()?)?))
    }
}

/// The step with the rows of the source by what became of them.
pub const FATES: &str = "fates";

/// The step with the number of all who were ever active.
pub const EVERYBODY: &str = "everybody";

/// Name of the value that says whether an event is of a kind that counts.
fn counts_as(column: &str, events: &[String]) -> String {
    format!("#counts:{column}:{events:?}")
}

fn counted(column: &str, events: &[String]) -> Expr {
    let any = events.iter().map(|event| col(column).eq(lit(event.as_str()))).reduce(Expr::or);
    any.unwrap_or_else(|| lit(false)).fill_null(lit(false))
}
