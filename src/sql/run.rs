//! A bound query over frames: planned by Polars, on names and types that the user knows.

use polars::prelude::*;
use polars::sql::SQLContext;

use super::bind::Bound;
use super::periods::Functions;
use crate::checks::canonical_type;
use crate::expr::calendar::Calendar;
use crate::schema::ColumnType;
use crate::sources::major_units;
use crate::spec::types::ZoneName;

/// A source or table, and its columns as far as a query may name them.
pub type Table = (String, Vec<(String, ColumnType)>);

/// The sources and tables that a query reads, and the calendar it counts on.
#[derive(Clone, Debug)]
pub struct Frames {
    /// Tables with the columns that the query may name.
    pub tables: Vec<Table>,
    /// Money is in units of 10^-scale.
    pub scale: u8,
    /// Where weeks and fiscal years begin.
    pub calendar: Calendar,
    /// IANA name of the zone in which instants become civil days.
    pub zone: String,
}

impl Frames {
    /// The plan of a query. Amounts are exact decimals of major units to it.
    ///
    /// # Errors
    /// What the planner says; on tables of the declared types, a mistake of the query.
    pub fn plan(&self, query: &Bound, frame: impl Fn(&str) -> PolarsResult<LazyFrame>) -> PolarsResult<LazyFrame> {
        let zone: ZoneName = self
            .zone
            .parse()
            .map_err(|_| polars_err!(InvalidOperation: "the time zone `{}` is not known", self.zone))?;
        let functions = Functions::new(self.calendar, zone.time_zone());
        let mut context = SQLContext::new().with_function_registry(std::sync::Arc::new(functions));
        for (name, columns) in &self.tables {
            let seen = columns.iter().map(|(column, ty)| match ty {
                ColumnType::Money => major_units(col(column.as_str()), self.scale),
                _ => col(column.as_str()),
            });
            context.register(name, frame(name)?.select(seen.collect::<Vec<_>>()));
        }
        context.execute(query.text())
    }

    /// What a query gives, found on tables without rows.
    ///
    /// # Errors
    /// The words of the planner about a mistake of the query.
    pub fn schema(&self, query: &Bound) -> Result<SchemaRef, String> {
        let empty = |name: &str| {
            let columns = self.tables.iter().find(|(table, _)| table == name).map(|(_, columns)| columns);
            let fields =
                columns.into_iter().flatten().map(|(c, ty)| Field::new(c.as_str().into(), canonical_type(*ty)));
            Ok(DataFrame::empty_with_schema(&fields.collect::<Schema>()).lazy())
        };
        // A schema alone does not tell whether the operands go together; a run over no rows does.
        let planned = self.plan(query, empty).and_then(LazyFrame::collect);
        planned.map(|frame| frame.schema().clone()).map_err(|error| reason(&error))
    }
}

/// The words of an engine error, without its class and in one paragraph.
fn reason(error: &PolarsError) -> String {
    let text = error.to_string();
    let text = text.split("\n\nResolved plan until failure").next().unwrap_or_default();
    text.lines().next().unwrap_or_default().trim().to_owned()
}
