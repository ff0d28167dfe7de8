//! Explains rows of a table: the formula of every cell with values, the customers that add up to it,
//! their rows in the ledger and in the exports.
//!
//! Reads the data and computes the tables as a run does, and writes nothing.

mod look;
mod origin;
mod published;

use std::collections::BTreeSet;

use polars::prelude::*;

use crate::engine::EngineError;
use crate::engine::local::{guarded, stepped};
use crate::metrics::Inputs;
use crate::metrics::behind::{Adds, Behind, How, Row};
use crate::metrics::formula::{Formula, Number};
use crate::plan::{RunPlan, TablePlan};
use crate::schema::{Cell, Column as Described, ColumnType};
use crate::sources::{self, Condition};
use look::{grid, row_of, wanted};
pub use published::{Published, Standing};

/// A table, computed in memory.
pub struct Explainer<'a> {
    plan: &'a RunPlan,
    table: &'a TablePlan,
    inputs: Inputs,
    frame: DataFrame,
    /// Sources whose contract is broken, so that a run would publish nothing.
    pub rejected: Vec<String>,
}

/// The rows that a condition names.
#[derive(Debug)]
pub enum Found {
    /// None; the columns of the grain that the condition reads, with the values that there are.
    None(Vec<(String, Vec<Cell>)>),
    /// One: its position in the table, and what was taken for granted to find it.
    One(usize, Vec<(String, Cell)>),
    /// Several: their grain, and the columns in which they differ, with their values there.
    Several(Vec<Vec<(String, Cell)>>, Vec<(String, Vec<Cell>)>),
}

/// A row, explained.
#[derive(Debug)]
pub struct Explanation {
    /// Table and its type.
    pub table: (String, String),
    /// Currency of its amounts.
    pub currency: Option<String>,
    /// Columns that identify it.
    pub grain: Vec<(Described, Cell)>,
    /// The cells asked for, and those that their formulas lead to.
    pub cells: Vec<Explained>,
    /// The rows that add up to them.
    pub behind: Vec<Shown>,
    /// The rows of the exports.
    pub origins: Vec<Origin>,
}

/// A cell, explained.
#[derive(Debug)]
pub struct Explained {
    /// Its column.
    pub column: Described,
    /// Its value.
    pub value: Cell,
    /// Its formula, with what that reads: column, periods before, type and value.
    pub formula: Option<(Formula, Vec<Read>)>,
    /// Whether the formula gives the value; `None` where either is missing.
    pub holds: Option<bool>,
}

/// A value that a formula reads.
#[derive(Clone, Debug)]
pub struct Read {
    /// Column.
    pub column: String,
    /// So many periods before the row.
    pub back: u32,
    /// Type of the column.
    pub ty: ColumnType,
    /// Unit of the column.
    pub unit: String,
    /// The value; NULL where there is no such row.
    pub value: Cell,
}

/// Rows of some frame, as far as they are shown.
#[derive(Debug, Default)]
pub struct Grid {
    /// Columns with their types.
    pub columns: Vec<(String, ColumnType)>,
    /// Rows.
    pub rows: Vec<Vec<Cell>>,
    /// Rows there are.
    pub total: usize,
}

impl Grid {
    /// Leaves out columns without anything but NULL and amounts of zero, save these.
    fn spare(&mut self, save: &[&str]) {
        let says = |at: usize| {
            let (name, ty) = &self.columns[at];
            let nothing = |cell: &Cell| *cell == Cell::Null || (*ty == ColumnType::Money && *cell == Cell::Int(0));
            save.contains(&name.as_str()) || self.rows.iter().any(|row| row.get(at).is_some_and(|cell| !nothing(cell)))
        };
        let kept: Vec<usize> = (0..self.columns.len()).filter(|at| says(*at)).collect();
        self.columns = kept.iter().map(|at| self.columns[*at].clone()).collect();
        for row in &mut self.rows {
            *row = kept.iter().filter_map(|at| row.get(*at).cloned()).collect();
        }
    }
}

/// The rows behind a row, as far as they are shown.
#[derive(Debug)]
pub struct Shown {
    /// What a row is.
    pub title: String,
    /// Whether they are customers.
    pub of_customers: bool,
    /// The rows; none where they are only summed.
    pub rows: Grid,
    /// What they add up to.
    pub sums: Vec<Summed>,
    /// The rows of the ledger behind those shown: which, and the rows.
    pub ledger: Option<(String, String, Grid)>,
}

/// An equation between rows and a cell.
#[derive(Debug)]
pub struct Summed {
    /// The column, its type and unit.
    pub column: Described,
    /// How it follows from the rows.
    pub how: How,
    /// Rows that count.
    pub rows: usize,
    /// What they come to.
    pub value: Cell,
    /// Whether that is the cell.
    pub equal: bool,
}

/// Rows of an export behind customers.
#[derive(Debug)]
pub struct Origin {
    /// The source.
    pub source: String,
    /// The folder that the files are named below.
    pub folder: String,
    /// Its rows: file, row, what became of it, and its columns.
    pub rows: Grid,
    /// Columns of money that have one currency for all rows.
    pub currencies: Vec<(String, String)>,
}

/// Most rows of the ledger or of a source, per customer.
const PER_CUSTOMER: usize = 12;

impl<'a> Explainer<'a> {
    /// Loads the sources of a plan and computes its tables; the plan must hold `table` and what it reads.
    ///
    /// # Errors
    /// When a source cannot be read, or a query fails.
    pub fn load(plan: &'a RunPlan, table: &str) -> Result<Self, EngineError> {
        let mut inputs = Inputs::default();
        let mut rejected = Vec::new();
        for mut source in sources::load(&plan.sources, &wanted(plan), &mut sources::Silent)? {
            if source.rejected() {
                rejected.push(source.name.clone());
            }
            inputs.insert(source.name.as_str(), std::mem::take(&mut source.frame).lazy());
        }
        let mut last = None;
        for own in &plan.tables {
            let action = format!("computing table `{}`", own.name);
            let said = |message: String| EngineError::Query { action: action.clone(), message };
            let (stepped, _) = stepped(own, &inputs, None).map_err(said)?;
            let query = own.metric.query(&stepped).map_err(|e| said(e.to_string()))?;
            let frame = guarded(&[query]).map_err(said)?.pop().unwrap_or_default();
            inputs.insert(own.name.as_str(), frame.clone().lazy());
            if own.name == table {
                last = Some((own, frame));
            }
        }
        let (table, frame) = last.ok_or_else(|| EngineError::Query {
            action: "looking for the table".to_owned(),
            message: format!("the plan has no table `{table}`"),
        })?;
        Ok(Self { plan, table, inputs, frame, rejected })
    }

    /// Rows of the table.
    pub fn height(&self) -> usize {
        self.frame.height()
    }

    /// Finds the row that a condition names.
    ///
    /// Where several rows meet it and it leaves them open, the reporting currency and the grand total
    /// are taken for granted, and said.
    ///
    /// # Errors
    /// When the query fails.
    pub fn find(&self, condition: &Condition) -> Result<Found, EngineError> {
        self.search(condition).map_err(|e| self.failed("looking for the row", &e))
    }

    fn search(&self, condition: &Condition) -> PolarsResult<Found> {
        const AT: &str = "#at";
        let schema = &self.table.schema;
        let money: Vec<&str> =
            schema.columns.iter().filter(|c| c.ty == ColumnType::Money).map(|c| c.name.as_str()).collect();
        let rows = self.frame.clone().lazy().with_row_index(AT, None);
        let mut found = condition.filter(rows, &money, self.plan.context.scale).collect()?;
        let open = |name: &str| schema.get(name).is_some() && !condition.columns.iter().any(|c| c == name);
        let mut taken = Vec::new();
        let mut usual = Vec::new();
        if let Some(currency) = &self.plan.context.currency {
            usual.push(("currency", Cell::Text(currency.clone())));
        }
        usual.push(("is_total", Cell::Bool(true)));
        for (name, value) in usual.into_iter().filter(|(name, _)| open(name)) {
            if found.height() < 2 {
                break;
            }
            let narrowed = found.clone().lazy().filter(look::is(name, &value)).collect()?;
            if narrowed.height() > 0 && narrowed.height() < found.height() {
                found = narrowed;
                taken.push((name.to_owned(), value));
            }
        }
        let grain: Vec<String> = schema.grain.clone();
        match found.height() {
            1 => {
                let at = found.column(AT)?.u32()?.get(0).unwrap_or(0);
                Ok(Found::One(usize::try_from(at).unwrap_or(0), taken))
            }
            0 => {
                let read: Vec<String> = grain.into_iter().filter(|g| condition.columns.contains(g)).collect();
                Ok(Found::None(look::values(&self.frame, &read)?))
            }
            _ => {
                let rows = grid(
                    &found,
                    schema.columns.iter().filter(|c| grain.contains(&c.name)).map(|c| (c.name.clone(), c.ty)),
                )?;
                let named =
                    rows.rows.into_iter().map(|row| rows.columns.iter().map(|(n, _)| n.clone()).zip(row).collect());
                let mut differ = look::values(&found, &grain)?;
                differ.retain(|(_, values)| values.len() > 1);
                Ok(Found::Several(named.collect(), differ))
            }
        }
    }

    fn failed(&self, action: &str, error: &PolarsError) -> EngineError {
        EngineError::Query { action: format!("{action} of table `{}`", self.table.name), message: error.to_string() }
    }

    /// Explains the row at a position: the given columns, or all. At most `limit` customers are shown.
    ///
    /// # Errors
    /// When a query fails, or a source cannot be read again.
    pub fn explain(&self, at: usize, columns: &[String], limit: usize) -> Result<Explanation, EngineError> {
        let mut explanation = self.cells(at, columns, limit)?;
        explanation.origins = origin::origins(self, &explanation, limit)?;
        Ok(explanation)
    }

    /// As [`Explainer::explain`], without the rows of the exports.
    ///
    /// # Errors
    /// When a query fails.
    pub fn cells(&self, at: usize, columns: &[String], limit: usize) -> Result<Explanation, EngineError> {
        self.looked_at(at, columns, limit).map_err(|e| self.failed("explaining a row", &e))
    }

    fn looked_at(&self, at: usize, columns: &[String], limit: usize) -> PolarsResult<Explanation> {
        let schema = &self.table.schema;
        let row = row_of(&self.frame, schema, at)?;
        let formulas: Vec<Formula> = self.table.metric.formulas().into_iter().filter(|f| applies(f, &row)).collect();
        let asked: Vec<String> = if columns.is_empty() {
            // A flag that is set says nothing, nor does a NULL that no formula explains.
            let says = |c: &&Described| match row.0.get(&c.name) {
                Some(Cell::Bool(true)) => false,
                Some(Cell::Null) => formulas.iter().any(|f| f.column == c.name),
                _ => !schema.grain.contains(&c.name),
            };
            schema.columns.iter().filter(says).map(|c| c.name.clone()).collect()
        } else {
            columns.to_vec()
        };
        let led_to = closure(&asked, &formulas);
        let earlier = look::Earlier::new(&self.frame, schema, &row)?;
        let shown = led_to.iter().filter(|c| asked.contains(c) || formulas.iter().any(|f| f.column == **c));
        let mut cells = Vec::new();
        for described in shown.filter_map(|name| schema.get(name)) {
            let value = row.0.get(&described.name).cloned().unwrap_or(Cell::Null);
            let formula = formulas.iter().find(|f| f.column == described.name);
            let look = |name: &str, back: u32| number(&earlier.value(&row, name, back));
            let holds = formula.and_then(|f| f.term.value(&look)).and_then(|n| holds(n, &value));
            let formula = formula.map(|f| {
                let reads = f.term.reads().into_iter().filter_map(|(name, back)| {
                    let read = schema.get(&name)?;
                    let value = earlier.value(&row, &name, back);
                    Some(Read { column: name, back, ty: read.ty, unit: read.unit.clone(), value })
                });
                (f.clone(), reads.collect())
            });
            cells.push(Explained { column: described.clone(), value, formula, holds });
        }
        let output = self.frame.clone().lazy();
        let mut behind = Vec::new();
        for set in self.table.metric.behind(&self.inputs, &output, &row, columns)? {
            let of_asked: Vec<&Adds> =
                set.adds.iter().filter(|a| columns.is_empty() || led_to.contains(&a.column)).collect();
            if of_asked.is_empty() && !set.adds.is_empty() {
                continue;
            }
            let directly = set.adds.iter().any(|a| columns.contains(&a.column));
            let listed = !set.brief || directly;
            behind.push(self.set(&set, &of_asked, &row, (listed, !columns.is_empty()), limit)?);
        }
        let grain = schema.grain.iter().filter_map(|g| Some((schema.get(g)?.clone(), row.0.get(g)?.clone())));
        Ok(Explanation {
            table: (self.table.name.clone(), self.table.ty.clone()),
            currency: row.text("currency").map(str::to_owned),
            grain: grain.collect(),
            cells,
            behind,
            origins: Vec::new(),
        })
    }

    /// One set of rows behind a row; `narrow` leaves out rows that are not behind the asked cells.
    fn set(
        &self,
        set: &Behind,
        adds: &[&Adds],
        row: &Row,
        (listed, narrow): (bool, bool),
        limit: usize,
    ) -> PolarsResult<Shown> {
        let mut all = look::collect(set.rows.clone())?;
        let mut sums = Vec::new();
        for add in adds {
            let Some(column) = self.table.schema.get(&add.column) else { continue };
            let value = row.0.get(&add.column).cloned().unwrap_or(Cell::Null);
            if let Some(summed) = look::summed(&all, add, column, &value)? {
                sums.push(summed);
            }
        }
        let of_customers = all.column("customer_id").is_ok();
        if narrow && !adds.is_empty() && adds.iter().all(|a| a.how == How::Sum) {
            let counts = adds.iter().map(|a| col(a.of.as_str()).neq(lit(0))).reduce(Expr::or);
            all = all.lazy().filter(counts.unwrap_or_else(|| lit(true))).collect()?;
        }
        let total = all.height();
        let picked = match set.size {
            Some(size) => {
                let largest = col(size).cast(DataType::Float64).abs();
                let mut keys = vec![largest];
                if of_customers {
                    keys.push(col("customer_id"));
                }
                let mut descending = vec![false; keys.len()];
                descending[0] = true;
                let order = SortMultipleOptions::default().with_order_descending_multi(descending);
                all.lazy().sort_by_exprs(keys, order).limit(u32::try_from(limit).unwrap_or(u32::MAX)).collect()?
            }
            // In the order of time the latest say most.
            None => all.tail(Some(limit.max(PER_CUSTOMER))),
        };
        let mut rows = if listed { grid(&picked, set.shown.iter().cloned())? } else { Grid::default() };
        rows.total = total;
        let ledger = match &set.ledger {
            Some(ledger) if listed && of_customers && picked.height() > 0 => {
                let customers = picked.column("customer_id")?.as_materialized_series().unique()?;
                let held = col("customer_id").is_in(lit(customers).implode(true), false);
                let currency = col("currency").eq(lit(row.text("currency").unwrap_or_default().to_owned()));
                let found =
                    self.inputs.get(&ledger.table)?.filter(held.and(currency).and(ledger.rows.clone())).collect()?;
                let columns =
                    self.plan.tables.iter().find(|t| t.name == ledger.table).map(|t| t.schema.columns.clone());
                let columns =
                    columns.unwrap_or_default().into_iter().filter(|c| c.name != "currency" && c.name != "sequence");
                let mut rows = grid(&found.head(Some(limit * PER_CUSTOMER)), columns.map(|c| (c.name, c.ty)))?;
                rows.total = found.height();
                rows.spare(&["mrr_before", "mrr_delta", "mrr_after"]);
                Some((ledger.table.clone(), ledger.words.clone(), rows))
            }
            _ => None,
        };
        Ok(Shown { title: set.title.clone(), of_customers, rows, sums, ledger })
    }
}

/// Whether a formula holds for a row.
fn applies(formula: &Formula, row: &Row) -> bool {
    match &formula.only {
        None => true,
        Some((column, values)) => row.text(column).is_some_and(|value| values.iter().any(|v| v == value)),
    }
}

/// The columns, and those that their formulas lead to, in that order.
fn closure(asked: &[String], formulas: &[Formula]) -> Vec<String> {
    let mut out: Vec<String> = asked.to_vec();
    let mut known: BTreeSet<String> = asked.iter().cloned().collect();
    let mut at = 0;
    while at < out.len() {
        let reads: Vec<String> = formulas
            .iter()
            .filter(|f| f.column == out[at])
            .flat_map(|f| f.term.columns().into_iter().map(str::to_owned))
            .collect();
        out.extend(reads.into_iter().filter(|c| known.insert(c.clone())));
        at += 1;
    }
    out
}

/// A cell as a number in a formula.
pub fn number(value: &Cell) -> Option<Number> {
    match value {
        Cell::Int(n) => Some(Number::Whole(i128::from(*n))),
        Cell::Float(f) => Some(Number::Float(*f)),
        _ => None,
    }
}

/// Whether a number is the value of a cell; `None` where the cell is NULL.
pub fn holds(number: Number, value: &Cell) -> Option<bool> {
    match value {
        Cell::Int(n) => Some(number.is_whole(*n)),
        Cell::Float(f) => Some(number.is_float(*f)),
        _ => None,
    }
}
