#![doc = include_str!("sql.md")]

use std::collections::BTreeMap;

use indexmap::IndexMap;
use polars::prelude::*;
use schemars::{JsonSchema, Schema as JsonSchemaText, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::diag::Relation;
use crate::expr::dims::cols_of;
use crate::metrics::{Identity, Inputs, Metric};
use crate::plan::resolver::Resolver;
use crate::schema::{ColumnType, TableSchema};
use crate::spec::tree::{Kind, Node};
use crate::spec::types::{Date, Duration, Name, Percent};
use crate::sql::{Bindable, Bound, Fault, Frames, Known, Query, Shape, Table, shape};

/// The parameter that every query has: the last day that the results cover.
const AS_OF: &str = "as_of";

/// `type: sql`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// One SELECT over sources and tables, in the SQL of Polars; `:name` stands for a parameter.
    pub query: String,
    /// Values of the parameters; `:as_of` is always there.
    #[serde(default)]
    #[allow(dead_code, reason = "read from the tree, where a quoted text differs from a number")]
    params: IndexMap<String, ParamValue>,
    /// Columns that identify a row; the table is sorted by them. Default: the order of the query.
    #[serde(default)]
    pub key: Vec<String>,
    /// What is said about columns of the result, by name.
    #[serde(default)]
    pub columns: IndexMap<Name, ColumnNote>,
}

/// What is said about a column of the result.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ColumnNote {
    /// Type of the column where the query leaves it open: `float` for an exact number that is no amount.
    #[serde(default, rename = "type")]
    pub ty: Option<ColumnType>,
    /// Unit of the values, such as `customers` or `rate`.
    #[serde(default)]
    pub unit: Option<String>,
    /// What a value means.
    #[serde(default)]
    pub description: Option<String>,
}

/// The value of a parameter: a number, a bool, a date, a percentage, a duration, a text, or a list of them.
#[derive(Clone, Debug, Deserialize)]
struct ParamValue(#[allow(dead_code, reason = "only its shape counts")] serde_json::Value);

impl JsonSchema for ParamValue {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "SqlParamValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> JsonSchemaText {
        json_schema!({"description": "A number, a bool, a date, a percentage, a duration, a text, or a list of them."})
    }
}

/// A resolved query.
pub struct Sql {
    query: Bound,
    frames: Frames,
    shapes: Vec<Shape>,
    schema: TableSchema,
}

/// Checks the table as written.
pub fn resolve(cx: &mut Resolver<'_>) -> Option<Box<dyn Metric>> {
    let spec: Spec = cx.spec()?;
    let query = match Query::parse(&spec.query) {
        Ok(query) => query,
        Err(fault) => return refuse(cx, &fault),
    };
    let mut sound = true;
    for fault in query.faults() {
        refuse(cx, &fault);
        sound = false;
    }
    let params = params(cx, &query);
    let tables = tables(cx, &query);
    let (params, tables) = (params?, tables?);
    if !sound {
        return None;
    }
    let bound = match query.bind(&params) {
        Ok(bound) => bound,
        Err(fault) => return refuse(cx, &fault),
    };
    let context = cx.context();
    let frames = Frames { tables, scale: context.scale, calendar: context.calendar, zone: context.zone.clone() };
    let found = match frames.schema(&bound) {
        Ok(found) => found,
        Err(reason) => {
            let fault = Fault { at: named_in(&reason, &query), reason, help: None };
            return refuse(cx, &fault);
        }
    };
    let shapes = shapes(cx, &spec, &query, &found)?;
    let schema = schema(cx, &spec, &shapes)?;
    let bound = if spec.key.is_empty() && bound.is_ordered() {
        match bound.without_ties(shapes.len()) {
            Ok(bound) => bound,
            Err(fault) => return refuse(cx, &fault),
        }
    } else {
        bound
    };
    Some(Box::new(Sql { query: bound, frames, shapes, schema }))
}

/// Tells a fault at its place in the query.
fn refuse(cx: &mut Resolver<'_>, fault: &Fault) -> Option<Box<dyn Metric>> {
    let at = cx.place_in("query", fault.at.as_ref());
    cx.diags().sql_query(at, &fault.reason, fault.help.as_deref());
    None
}

/// The first word that a message of the planner quotes and that stands in the query.
fn named_in(reason: &str, query: &Query) -> Option<std::ops::Range<usize>> {
    let quoted = reason.split(['"', '`', '\'']).skip(1).step_by(2);
    quoted.into_iter().find_map(|word| query.find(word))
}

/// Sources and tables with the columns that the query may name.
fn tables(cx: &mut Resolver<'_>, query: &Query) -> Option<Vec<Table>> {
    let mut out: Vec<Table> = Vec::new();
    let mut relations = IndexMap::new();
    let mut sound = true;
    for cte in query.ctes() {
        if cx.relations().contains(&cte.name) {
            let at = cx.place_in("query", Some(&cte.at));
            let help = "give the query that WITH defines another name";
            cx.diags().sql_query(at, &format!("`{}` is a source or table already", cte.name), Some(help));
            sound = false;
        }
    }
    for word in query.tables() {
        match cx.relation(&word.name) {
            Some(Some(found)) => {
                relations.insert(word.name.clone(), found.is_source);
                out.push((word.name, found.columns));
            }
            // The table itself is wrong, which has been reported.
            Some(None) => sound = false,
            None => {
                let at = cx.place_in("query", Some(&word.at));
                let known = cx.relations();
                let known: Vec<&str> = known.iter().map(String::as_str).collect();
                cx.diags().unknown_input(at, &word.name, &known);
                sound = false;
            }
        }
    }
    if !sound {
        return None;
    }
    if out.is_empty() {
        let fault = Fault {
            at: None,
            reason: "it reads no source and no table".to_owned(),
            help: Some("name one behind FROM".to_owned()),
        };
        refuse(cx, &fault);
        return None;
    }
    let names = |columns: &[(String, ColumnType)]| columns.iter().map(|(name, _)| name.clone()).collect();
    let known: Vec<Known> = out.iter().map(|(n, columns)| Known { name: n.clone(), columns: names(columns) }).collect();
    for strange in query.strange_columns(&known) {
        let at = cx.place_in("query", Some(&strange.word.at));
        let columns: Vec<&str> = strange.known.iter().map(String::as_str).collect();
        match strange.table.as_ref().and_then(|table| Some((relations.get(table)?, table))) {
            Some((true, table)) => {
                cx.diags().unknown_column(at, &strange.word.name, Relation::Source(table), &columns);
            }
            Some((false, table)) => {
                cx.diags().unknown_column(at, &strange.word.name, Relation::Table(table), &columns);
            }
            None => cx.diags().unknown_column(at, &strange.word.name, Relation::Query, &columns),
        }
        sound = false;
    }
    let words = query.words();
    for (name, columns) in &mut out {
        if !query.takes_all() {
            let first = columns.first().cloned();
            columns.retain(|(column, _)| words.contains(column));
            // A frame without columns has no rows that could be counted.
            if columns.is_empty() {
                columns.extend(first);
            }
        }
        cx.reads(name, columns.iter().map(|(column, _)| column.clone()));
    }
    sound.then_some(out)
}

/// The values of the parameters; every one is used, and every one that is used is there.
fn params(cx: &mut Resolver<'_>, query: &Query) -> Option<BTreeMap<String, Bindable>> {
    let mut out = BTreeMap::from([(AS_OF.to_owned(), Bindable::Date(cx.context().as_of))]);
    let used = query.params();
    let mut sound = true;
    let entries = cx.node("params").map(Node::entries).unwrap_or_default();
    for entry in entries.iter().filter(|entry| !entry.is_note()) {
        let path = format!("params.{}", entry.key);
        if entry.key == AS_OF {
            cx.error(&path, "`as_of` is always bound, to the date of the run", "remove it, or choose another name");
            sound = false;
            continue;
        }
        if used.iter().all(|word| word.name != entry.key) {
            let at = cx.key_place(&path);
            cx.diags().idle_param(at, &entry.key);
            sound = false;
        }
        if let Some(value) = bindable(&entry.value) {
            out.insert(entry.key.clone(), value);
        } else {
            cx.error(
                &path,
                &format!("parameter `{}` has no value that a query can take", entry.key),
                "write a number, a bool, a date, a percentage, a duration, a text, or a list of one of them",
            );
            sound = false;
        }
    }
    let mut told = Vec::new();
    for word in used {
        if entries.iter().all(|e| e.key != word.name) && word.name != AS_OF && !told.contains(&word.name) {
            let at = cx.place_in("query", Some(&word.at));
            let known: Vec<&str> = entries.iter().map(|e| e.key.as_str()).chain([AS_OF]).collect();
            cx.diags().unbound_param(at, &word.name, &known);
            told.push(word.name);
            sound = false;
        }
    }
    sound.then_some(out)
}

/// A value as it is written: quoted it is a text, else whatever it looks like.
fn bindable(node: &Node) -> Option<Bindable> {
    match &node.kind {
        Kind::Null | Kind::Map(_) => None,
        Kind::Seq(items) => {
            let items: Option<Vec<Bindable>> = items.iter().map(bindable).collect();
            let nested = |items: &Vec<Bindable>| items.iter().any(|item| matches!(item, Bindable::List(_)));
            items.filter(|items| !items.is_empty() && !nested(items)).map(Bindable::List)
        }
        Kind::Scalar { text, plain: false } => Some(Bindable::Text(text.clone())),
        Kind::Scalar { text, plain: true } => Some(read(text)),
    }
}

fn read(text: &str) -> Bindable {
    if let Ok(whole) = text.parse() {
        return Bindable::Int(whole);
    }
    let digits = text.strip_prefix('-').unwrap_or(text);
    let is_decimal = digits.split_once('.').is_some_and(|(whole, fraction)| {
        let all = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
        all(whole) && all(fraction) && digits.len() < 38
    });
    if is_decimal {
        return Bindable::Decimal(text.to_owned());
    }
    if let Ok(value) = text.parse() {
        return Bindable::Bool(value);
    }
    if let Ok(Date(date)) = text.parse() {
        return Bindable::Date(date);
    }
    if let Ok(percent) = text.parse::<Percent>() {
        let millionths = percent.millionths();
        return Bindable::Decimal(format!("{}.{:06}", millionths / 1_000_000, millionths % 1_000_000));
    }
    match text.parse::<Duration>() {
        Ok(duration) => Bindable::Duration(duration.seconds()),
        Err(_) => Bindable::Text(text.to_owned()),
    }
}

/// The columns of the result in a form that may be published.
fn shapes(cx: &mut Resolver<'_>, spec: &Spec, query: &Query, found: &Schema) -> Option<Vec<Shape>> {
    let mut sound = true;
    let known: Vec<&str> = found.iter_names().map(PlSmallStr::as_str).collect();
    for name in spec.columns.keys() {
        if !known.contains(&name.as_str()) {
            let at = cx.key_place(&format!("columns.{name}"));
            cx.diags().unknown_column(at, name.as_str(), Relation::Query, &known);
            sound = false;
        }
    }
    let mut folded: Vec<String> = Vec::new();
    for name in &known {
        if let Err(refusal) = name.parse::<Name>() {
            let at = cx.place_in("query", query.find(name).as_ref());
            let help = refusal.help.first().map_or("give it a name with AS", String::as_str).to_owned();
            cx.diags().sql_result(at, name, &refusal.title, &help);
            sound = false;
        }
        let lower = name.to_lowercase();
        if folded.contains(&lower) {
            let at = cx.place_in("query", query.find(name).as_ref());
            cx.diags().sql_result(at, name, "another column has the same name", "give it a name of its own with AS");
            sound = false;
        }
        folded.push(lower);
    }
    let asked: Vec<(String, ColumnType)> =
        spec.columns.iter().filter_map(|(name, note)| Some((name.to_string(), note.ty?))).collect();
    let shapes = match shape(found, cx.context().scale, &asked) {
        Ok(shapes) => shapes,
        Err(unfit) => {
            for unfit in unfit {
                let at = cx.place_in("query", query.find(&unfit.column).as_ref());
                cx.diags().sql_result(at, &unfit.column, &unfit.reason, &unfit.help);
            }
            return None;
        }
    };
    let of = |ty: ColumnType| shapes.iter().find(|shape| shape.ty == ty);
    if let (Some(money), None) = (of(ColumnType::Money), of(ColumnType::Currency)) {
        let at = cx.place_in("query", query.find(&money.name).as_ref());
        cx.diags().sql_result(
            at,
            &money.name,
            "it is an amount, and no column says its currency",
            "select `currency` beside it; for an exact number that is no amount say `columns: {..: {type: float}}`",
        );
        sound = false;
    }
    sound.then_some(shapes)
}

fn schema(cx: &mut Resolver<'_>, spec: &Spec, shapes: &[Shape]) -> Option<TableSchema> {
    let mut sound = true;
    let known: Vec<&str> = shapes.iter().map(|shape| shape.name.as_str()).collect();
    for (i, name) in spec.key.iter().enumerate() {
        if !known.contains(&name.as_str()) {
            let at = cx.place_in(&format!("key.{i}"), None);
            cx.diags().unknown_column(at, name, Relation::Query, &known);
            sound = false;
        } else if spec.key[..i].contains(name) {
            cx.error(&format!("key.{i}"), &format!("the column `{name}` is given twice"), "remove one");
            sound = false;
        }
    }
    let mut out = TableSchema::with_grain(spec.key.clone());
    for shape in shapes {
        let note = spec.columns.get(shape.name.as_str()).cloned().unwrap_or_default();
        let (unit, meaning) = (note.unit.unwrap_or_default(), note.description.unwrap_or_default());
        out = out.nullable(shape.name.as_str(), shape.ty, &unit, meaning);
    }
    sound.then_some(out)
}

impl Metric for Sql {
    fn output(&self) -> TableSchema {
        self.schema.clone()
    }

    fn query(&self, inputs: &Inputs) -> PolarsResult<LazyFrame> {
        let planned = self.frames.plan(&self.query, |name| inputs.get(name))?;
        let out = planned.select(self.shapes.iter().map(|shape| shape.expr.clone()).collect::<Vec<_>>());
        let key = &self.schema.grain;
        if key.is_empty() && self.query.is_ordered() {
            return Ok(out);
        }
        // All columns behind the key, so that even rows that break it come in one order.
        let rest = self.schema.names().filter(|name| !key.iter().any(|k| k == name)).map(str::to_owned);
        let by: Vec<String> = key.iter().cloned().chain(rest).collect();
        Ok(crate::expr::dims::sort_on(out, &by))
    }

    fn identities(&self, _inputs: &Inputs, output: &LazyFrame) -> PolarsResult<Vec<Identity>> {
        if self.schema.grain.is_empty() {
            return Ok(Vec::new());
        }
        Ok(vec![Identity {
            name: "key_is_unique",
            meaning: "no two rows have the same key",
            broken: output
                .clone()
                .group_by(cols_of(&self.schema.grain))
                .agg([len().cast(DataType::Int64).alias("rows")])
                .filter(col("rows").gt(lit(1))),
        }])
    }
}
