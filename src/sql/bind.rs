//! Values in place of parameters, and the functions of the pipeline's calendar.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    CastKind, DataType, DollarQuotedString, ExactNumberInfo, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, Interval, LimitClause, ObjectName, OrderBy, OrderByExpr, OrderByKind, OrderByOptions,
    Statement, TypedString, UnaryOperator, Value, ValueWithSpan, VisitMut, VisitorMut,
};

use super::periods::Part;
use super::query::{Fault, Query};
use crate::spec::types::Date;

/// Digits of a number that a query computes with.
const DIGITS: u64 = 38;

/// A value that can take the place of a parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bindable {
    /// Whole number.
    Int(i64),
    /// Number with a fraction, in decimal digits; kept exact.
    Decimal(String),
    /// True or false.
    Bool(bool),
    /// Civil date.
    Date(jiff::civil::Date),
    /// Text.
    Text(String),
    /// Length of time in seconds.
    Duration(u64),
    /// Several values, for `IN (:name)`.
    List(Vec<Bindable>),
}

/// A query in which every parameter has its value.
#[derive(Clone, Debug)]
pub struct Bound {
    text: String,
    statement: Statement,
    ordered: bool,
}

impl Query {
    /// Puts values in place of parameters, and the calendar's functions in place of their names.
    ///
    /// # Errors
    /// A parameter without a value, a list where one value is meant, or a function used wrongly.
    pub fn bind(&self, params: &BTreeMap<String, Bindable>) -> Result<Bound, Fault> {
        let mut binder = Binder { query: self, params, fault: None };
        let mut statement = self.statement.clone();
        let _ = statement.visit(&mut binder);
        match binder.fault {
            Some(fault) => Err(fault),
            None => Bound::of(statement),
        }
    }
}

impl Bound {
    fn of(statement: Statement) -> Result<Self, Fault> {
        let text = statement.to_string();
        let again = Query::parse(&text).map(|query| query.statement);
        // What runs must be what was read: neither a value nor a quote may become syntax.
        if again.as_ref() != Ok(&statement) {
            return Err(Fault::new(
                None,
                "it cannot be written out again as it was read",
                "write it in plainer words, or bind its texts as parameters; please report it as a bug of tenure",
            ));
        }
        let Statement::Query(query) = &statement else {
            return Err(Fault::new(None, "it is no query", ""));
        };
        let ordered = query.order_by.is_some() || is_limited(query.limit_clause.as_ref()) || query.fetch.is_some();
        Ok(Self { text, statement, ordered })
    }

    /// The query as it runs.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it says in which order the rows come, or takes some of them.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        self.ordered
    }

    /// The same query with ties of its order decided by all of its `columns`, so that it is one order.
    ///
    /// # Errors
    /// When the query cannot be written out.
    pub fn without_ties(mut self, columns: usize) -> Result<Self, Fault> {
        if let Statement::Query(query) = &mut self.statement {
            let mut by = match query.order_by.take().map(|order| order.kind) {
                Some(OrderByKind::Expressions(by)) => by,
                // ORDER BY ALL decides every tie itself.
                Some(all @ OrderByKind::All(_)) => {
                    query.order_by = Some(OrderBy { kind: all, interpolate: None });
                    return Self::of(self.statement);
                }
                None => Vec::new(),
            };
            let is_all =
                |e: &OrderByExpr| matches!(&e.expr, Expr::Identifier(i) if i.value.eq_ignore_ascii_case("all"));
            if !(by.len() == 1 && by.iter().any(is_all)) {
                by.extend((1..=columns).map(|column| OrderByExpr {
                    expr: number(&column.to_string()),
                    options: OrderByOptions { asc: None, nulls_first: None },
                    with_fill: None,
                }));
            }
            query.order_by = Some(OrderBy { kind: OrderByKind::Expressions(by), interpolate: None });
        }
        Self::of(self.statement)
    }
}

fn is_limited(clause: Option<&LimitClause>) -> bool {
    match clause {
        Some(LimitClause::LimitOffset { limit, offset, .. }) => limit.is_some() || offset.is_some(),
        Some(LimitClause::OffsetCommaLimit { .. }) => true,
        None => false,
    }
}

struct Binder<'a> {
    query: &'a Query,
    params: &'a BTreeMap<String, Bindable>,
    fault: Option<Fault>,
}

impl Binder<'_> {
    fn refuse(&mut self, fault: Fault) -> ControlFlow<()> {
        self.fault = Some(fault);
        ControlFlow::Break(())
    }

    /// The value of a placeholder such as `:floor`.
    fn value(&self, expr: &Expr) -> Option<(String, Option<&Bindable>)> {
        match expr {
            Expr::Value(ValueWithSpan { value: Value::Placeholder(text), .. }) => {
                let name = text.trim_start_matches(':').to_owned();
                let value = self.params.get(&name);
                Some((name, value))
            }
            _ => None,
        }
    }

    /// Where a parameter is first used.
    fn place(&self, name: &str) -> Option<std::ops::Range<usize>> {
        self.query.params().into_iter().find(|word| word.name == name).map(|word| word.at)
    }

    fn function(&mut self, function: &mut Function) -> Result<(), Fault> {
        let name = function.name.to_string().to_ascii_lowercase();
        let at = function.name.0.last().and_then(|part| part.as_ident()).map(|ident| self.query.at(ident));
        let part = match name.as_str() {
            "month_start" => Part::Month,
            "month_end" => Part::MonthEnd,
            "date_trunc" => {
                let help = "write `date_trunc('month', day)`";
                let FunctionArguments::List(list) = &mut function.args else {
                    return Err(Fault::new(at, "`date_trunc` takes a unit and a date", help));
                };
                let [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(unit))), _] = &list.args[..] else {
                    return Err(Fault::new(at, "`date_trunc` takes a unit and a date", help));
                };
                let unit = match &unit.value {
                    Value::SingleQuotedString(unit) => unit.to_ascii_lowercase(),
                    _ => return Err(Fault::new(at, "the unit of `date_trunc` is no text", help)),
                };
                let Some(part) = Part::of_unit(&unit) else {
                    return Err(Fault::new(
                        at,
                        format!("`date_trunc` has no unit `{unit}`"),
                        "units are day, week, month, quarter and year",
                    ));
                };
                list.args.remove(0);
                part
            }
            _ => return Ok(()),
        };
        match &function.args {
            FunctionArguments::List(list) if list.args.len() == 1 => {}
            _ => return Err(Fault::new(at, format!("`{name}` takes one date"), "")),
        }
        function.name = ObjectName::from(vec![Ident::new(part.function())]);
        Ok(())
    }
}

impl VisitorMut for Binder<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::InList { list, .. } = expr {
            let mut items = Vec::new();
            for item in list.drain(..) {
                match self.value(&item) {
                    Some((_, Some(Bindable::List(values)))) => items.extend(values.iter().map(literal)),
                    _ => items.push(item),
                }
            }
            *list = items;
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let value = match self.value(expr) {
            Some((name, None)) => {
                let at = self.place(&name);
                return self.refuse(Fault::new(at, format!("parameter `:{name}` has no value"), ""));
            }
            Some((name, Some(Bindable::List(_)))) => {
                let at = self.place(&name);
                return self.refuse(Fault::new(
                    at,
                    format!("parameter `:{name}` is a list where one value is meant"),
                    &format!("write `IN (:{name})`"),
                ));
            }
            Some((_, Some(value))) => Some(literal(value)),
            None => None,
        };
        if let Some(value) = value {
            *expr = value;
            return ControlFlow::Continue(());
        }
        match expr {
            // A text with quotes in it is written between dollars, where no sign has a meaning.
            Expr::Value(ValueWithSpan { value: value @ Value::SingleQuotedString(_), .. }) => {
                if let Value::SingleQuotedString(text) = value
                    && text.contains(['\'', '\\'])
                {
                    *value = dollar_quoted(text);
                }
            }
            Expr::TypedString(TypedString { data_type: DataType::Date, value: written, .. }) => {
                let day = match &written.value {
                    Value::SingleQuotedString(text) => text.parse::<Date>().ok(),
                    _ => None,
                };
                let Some(Date(day)) = day else {
                    let reason = format!("{expr} is no date");
                    return self.refuse(Fault::new(None, reason, "write `DATE '2026-03-31'`"));
                };
                *expr = literal(&Bindable::Date(day));
            }
            Expr::Function(function) => {
                if let Err(fault) = self.function(function) {
                    return self.refuse(fault);
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}

fn plain(value: Value) -> Expr {
    Expr::Value(value.with_empty_span())
}

fn number(digits: &str) -> Expr {
    plain(Value::Number(digits.to_owned(), false))
}

fn cast(value: Value, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(plain(value)), data_type, array: false, format: None }
}

/// A text between dollars with a tag that it does not hold.
fn dollar_quoted(text: &str) -> Value {
    let mut tag = "t".to_owned();
    while text.contains(&format!("${tag}")) {
        tag.push('t');
    }
    Value::DollarQuotedString(DollarQuotedString { value: text.to_owned(), tag: Some(tag) })
}

fn literal(value: &Bindable) -> Expr {
    match value {
        Bindable::Int(whole) => {
            let digits = number(&whole.unsigned_abs().to_string());
            if *whole < 0 { Expr::UnaryOp { op: UnaryOperator::Minus, expr: Box::new(digits) } } else { digits }
        }
        Bindable::Decimal(digits) => {
            let places = digits.split_once('.').map_or(0, |(_, fraction)| fraction.len());
            let info = ExactNumberInfo::PrecisionAndScale(DIGITS, i64::try_from(places).unwrap_or(0));
            cast(Value::SingleQuotedString(digits.clone()), DataType::Decimal(info))
        }
        Bindable::Bool(value) => plain(Value::Boolean(*value)),
        // Days since 1970-01-01: to Polars a text is no date any more.
        Bindable::Date(date) => {
            let days = literal(&Bindable::Int(i64::from(crate::expr::calendar::epoch_day(*date))));
            Expr::Cast {
                kind: CastKind::Cast,
                expr: Box::new(days),
                data_type: DataType::Date,
                array: false,
                format: None,
            }
        }
        Bindable::Text(text) if text.contains(['\'', '\\']) => plain(dollar_quoted(text)),
        Bindable::Text(text) => plain(Value::SingleQuotedString(text.clone())),
        Bindable::Duration(seconds) => Expr::Interval(Interval {
            value: Box::new(plain(Value::SingleQuotedString(format!("{seconds} seconds")))),
            leading_field: None,
            leading_precision: None,
            last_field: None,
            fractional_seconds_precision: None,
        }),
        // Told where it is met; a list has no literal of its own.
        Bindable::List(_) => plain(Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bound(text: &str, params: &[(&str, Bindable)]) -> Result<String, String> {
        let params = params.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        let bound = Query::parse(text).unwrap().bind(&params);
        bound.map(|bound| bound.text().to_owned()).map_err(|fault| fault.reason)
    }

    #[test]
    fn values_become_literals_of_their_type() {
        let date = jiff::civil::date(2026, 3, 31);
        for (value, written) in [
            (Bindable::Int(100_000), "100000"),
            (Bindable::Int(-5), "-5"),
            (Bindable::Decimal("99.95".into()), "CAST('99.95' AS DECIMAL(38,2))"),
            (Bindable::Bool(true), "true"),
            (Bindable::Date(date), "CAST(20543 AS DATE)"),
            (Bindable::Text("smb".into()), "'smb'"),
            (Bindable::Duration(7_776_000), "INTERVAL '7776000 seconds'"),
        ] {
            assert_eq!(
                bound("SELECT a FROM t WHERE a = :x", &[("x", value)]).unwrap(),
                format!("SELECT a FROM t WHERE a = {written}")
            );
        }
        let list = Bindable::List(vec![Bindable::Text("a".into()), Bindable::Text("b".into())]);
        assert_eq!(
            bound("SELECT a FROM t WHERE a IN (:x, 'c')", &[("x", list.clone())]).unwrap(),
            "SELECT a FROM t WHERE a IN ('a', 'b', 'c')"
        );
        assert!(bound("SELECT a FROM t WHERE a = :x", &[("x", list)]).unwrap_err().contains("is a list"));
    }

    #[test]
    fn a_value_is_never_syntax() {
        for evil in
            ["' OR 1 = 1 --", "''", "\\' OR ''='", "$t$ x", "a\\", "$$", "'); DROP TABLE t; --", "--", "/*", "\\"]
        {
            let text = bound("SELECT a FROM t WHERE a = :x", &[("x", Bindable::Text(evil.into()))]).unwrap();
            let Statement::Query(query) = Query::parse(&text).unwrap().statement else { panic!("{text}") };
            let select = query.body.as_select().unwrap().clone();
            let Some(Expr::BinaryOp { right, .. }) = select.selection else { panic!("{text}") };
            let Expr::Value(value) = *right else { panic!("{text}") };
            let read = match value.value {
                Value::SingleQuotedString(text) => text,
                Value::DollarQuotedString(text) => text.value,
                other => panic!("{other:?}"),
            };
            assert_eq!(read, evil);
        }
    }

    #[test]
    fn texts_of_the_query_stay_what_they_are() {
        let text = "SELECT 'it''s :x' AS a, \"odd name\" FROM t";
        assert_eq!(bound(text, &[]).unwrap(), "SELECT $t$it's :x$t$ AS a, \"odd name\" FROM t");
    }

    #[test]
    fn calendar_functions_are_known_by_their_unit() {
        assert_eq!(
            bound("SELECT date_trunc('Quarter', d), MONTH_END(d) FROM t", &[]).unwrap(),
            "SELECT tenure_quarter_start(d), tenure_month_end(d) FROM t"
        );
        for (text, reason) in [
            ("SELECT date_trunc('hour', d) FROM t", "`date_trunc` has no unit `hour`"),
            ("SELECT date_trunc(d) FROM t", "`date_trunc` takes a unit and a date"),
            ("SELECT month_start(d, 1) FROM t", "`month_start` takes one date"),
        ] {
            assert_eq!(bound(text, &[]).unwrap_err(), reason);
        }
    }

    #[test]
    fn ties_are_decided_by_all_columns() {
        let order = |text: &str| {
            let bound = Query::parse(text).unwrap().bind(&BTreeMap::new()).unwrap();
            bound.without_ties(2).unwrap().text().to_owned()
        };
        assert_eq!(
            order("SELECT a, b FROM t ORDER BY b DESC LIMIT 3"),
            "SELECT a, b FROM t ORDER BY b DESC, 1, 2 LIMIT 3"
        );
        assert_eq!(order("SELECT a, b FROM t LIMIT 3"), "SELECT a, b FROM t ORDER BY 1, 2 LIMIT 3");
        assert_eq!(order("SELECT a, b FROM t ORDER BY ALL"), "SELECT a, b FROM t ORDER BY ALL");
    }
}
