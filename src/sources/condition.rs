//! SQL conditions on one row: `filters:` and `checks:`.

use std::collections::BTreeMap;

use polars::prelude::*;
use polars::sql::sql_expr;

use crate::checks::{MOST_OPERATORS, canonical_type, operators};
use crate::schema::ColumnType;

/// A SQL condition on the declared columns, known to be boolean and to look at one row only.
#[derive(Clone, Debug)]
pub struct Condition {
    /// Its name in the pipeline.
    pub name: String,
    /// As written.
    pub sql: String,
    /// The columns it reads.
    pub columns: Vec<String>,
    /// Those of which it asks more than whether there is a value.
    compared: Vec<String>,
    expr: Expr,
}

/// Why a text is not a condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConditionFault {
    /// It is no SQL expression, or its types do not go together; the parser's words.
    Invalid(String),
    /// It reads a column that is not declared.
    UnknownColumn(String),
    /// It looks at several rows: an aggregate, a window, a subquery.
    SeveralRows,
    /// It joins so many expressions that reading it could use up the stack.
    TooDeep(usize),
    /// It gives a value of this type.
    NotBool(String),
}

impl Condition {
    /// Reads `sql` over columns of these names and types. Amounts of money are seen in major units.
    ///
    /// # Errors
    ///
    /// The first fault that keeps it from being a condition on one row.
    pub fn parse(name: &str, sql: &str, columns: &[(&str, ColumnType)]) -> Result<Self, ConditionFault> {
        Self::read(name, sql, columns, false)
    }

    /// Reads `sql` as a condition on totals of all rows, such as `sum(amount) > 0`.
    ///
    /// # Errors
    ///
    /// The first fault that keeps it from being one.
    pub fn parse_totals(name: &str, sql: &str, columns: &[(&str, ColumnType)]) -> Result<Self, ConditionFault> {
        Self::read(name, sql, columns, true)
    }

    fn read(name: &str, sql: &str, columns: &[(&str, ColumnType)], totals: bool) -> Result<Self, ConditionFault> {
        let depth = operators(sql);
        if depth > MOST_OPERATORS {
            return Err(ConditionFault::TooDeep(depth));
        }
        let expr = sql_expr(sql).map_err(|e| ConditionFault::Invalid(reason(&e)))?;
        let mut read: Vec<String> = Vec::new();
        for part in &expr {
            match part {
                Expr::Column(column) => {
                    let column = column.as_str();
                    if columns.iter().all(|(known, _)| *known != column) {
                        return Err(ConditionFault::UnknownColumn(column.to_owned()));
                    }
                    if read.iter().all(|known| known != column) {
                        read.push(column.to_owned());
                    }
                }
                Expr::Agg(_) | Expr::Len if totals => {}
                // Lists of literals are aggregates to the engine.
                Expr::Agg(_) if part.into_iter().all(|inner| !matches!(inner, Expr::Column(_) | Expr::Len)) => {}
                Expr::Agg(_)
                | Expr::Over { .. }
                | Expr::Len
                | Expr::Filter { .. }
                | Expr::Sort { .. }
                | Expr::SortBy { .. }
                | Expr::Slice { .. }
                | Expr::Gather { .. }
                | Expr::Explode { .. }
                | Expr::SubPlan(..)
                | Expr::Selector(_) => return Err(ConditionFault::SeveralRows),
                _ => {}
            }
        }
        let schema: Schema = columns.iter().map(|(name, ty)| Field::new((*name).into(), seen_type(*ty))).collect();
        // A schema alone does not tell whether the operands go together; a run over no rows does.
        let found = DataFrame::empty_with_schema(&schema)
            .lazy()
            .select([expr.clone().alias("condition")])
            .collect()
            .map_err(|e| ConditionFault::Invalid(reason(&e)))?;
        match found.column("condition").map(Column::dtype) {
            Ok(DataType::Boolean) => {}
            Ok(other) => return Err(ConditionFault::NotBool(other.to_string())),
            Err(error) => return Err(ConditionFault::Invalid(reason(&error))),
        }
        // Over no rows a total is one value, anything else none.
        if totals && found.height() != 1 {
            return Err(ConditionFault::SeveralRows);
        }
        let compared = compared(&expr);
        let expr = with_few_compared(expr);
        Ok(Self { name: name.to_owned(), sql: sql.to_owned(), columns: read, compared, expr })
    }

    /// Whether it compares or computes with a column, rather than ask whether there is a value.
    pub(super) fn compares(&self, column: &str) -> bool {
        self.compared.iter().any(|compared| compared == column)
    }

    /// The rows for which it holds; `money` names the columns of whole units of 10^-`scale`.
    pub fn filter(&self, rows: LazyFrame, money: &[&str], scale: u8) -> LazyFrame {
        const HOLDS: &str = "#holds";
        let units = |name: &str| format!("#units:{name}");
        let amounts: Vec<&str> = money.iter().copied().filter(|m| self.columns.iter().any(|c| c == m)).collect();
        let shown: Vec<Expr> =
            amounts.iter().flat_map(|m| [col(*m).alias(units(m)), seen(col(*m), scale).alias(*m)]).collect();
        let hidden: Vec<Expr> = amounts.iter().map(|m| col(units(m)).alias(*m)).collect();
        let helpers = amounts.iter().map(|m| units(m)).chain([HOLDS.to_owned()]);
        rows.with_columns(shown)
            .with_columns([self.expr.clone().alias(HOLDS)])
            .with_columns(hidden)
            .filter(col(HOLDS))
            .drop(by_name(helpers, true, false))
    }

    /// The condition as an expression over columns in which money is decimal, see [`seen`].
    pub(super) fn expr(&self) -> Expr {
        self.expr.clone()
    }
}

/// The columns of which an expression asks more than whether there is a value.
fn compared(expr: &Expr) -> Vec<String> {
    // Every mention of a column, but those right below a test for NULL.
    let mut mentions: BTreeMap<&str, isize> = BTreeMap::new();
    for part in expr {
        match part {
            Expr::Column(column) => *mentions.entry(column).or_default() += 1,
            Expr::Function {
                input,
                function: FunctionExpr::Boolean(BooleanFunction::IsNull | BooleanFunction::IsNotNull),
            } => {
                if let [Expr::Column(column)] = input.as_slice() {
                    *mentions.entry(column).or_default() -= 1;
                }
            }
            _ => {}
        }
    }
    mentions.into_iter().filter(|(_, mentions)| *mentions > 0).map(|(column, _)| column.to_owned()).collect()
}

/// `x IN ('a', 'b')` as comparisons: the engine makes a set of a list for every batch, which costs more than a few of them.
fn with_few_compared(expr: Expr) -> Expr {
    const FEW: usize = 8;
    expr.map_expr(|part| {
        let Expr::Function { input, function: FunctionExpr::Boolean(BooleanFunction::IsIn { nulls_equal: false }) } =
            &part
        else {
            return part;
        };
        let [of, Expr::Agg(AggExpr::Implode { input: list, .. })] = input.as_slice() else { return part };
        let Expr::Literal(LiteralValue::Series(list)) = &**list else { return part };
        let Ok(texts) = list.str() else { return part };
        if texts.len() > FEW || texts.has_nulls() {
            return part;
        }
        let is = texts.iter().flatten().map(|text| of.clone().eq(lit(text)));
        is.reduce(Expr::or).unwrap_or(part)
    })
}

/// The type a condition sees: canonical, but money as a decimal number of major units.
fn seen_type(ty: ColumnType) -> DataType {
    match ty {
        ColumnType::Money => DataType::Decimal(38, 8),
        _ => canonical_type(ty),
    }
}

/// A money column, in units of 10^-`scale`, as conditions see it: an exact decimal of major units.
pub(crate) fn seen(money: Expr, scale: u8) -> Expr {
    let decimal = DataType::Decimal(38, usize::from(scale));
    money.cast(decimal.clone()) / lit(10_i64.pow(u32::from(scale))).cast(decimal)
}

/// The words of an engine error, without its class and in one paragraph.
fn reason(error: &PolarsError) -> String {
    let text = error.to_string();
    let text = text.split("\n\nResolved plan until failure").next().unwrap_or_default();
    text.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(sql: &str) -> Result<Vec<String>, ConditionFault> {
        let columns = [
            ("name", ColumnType::String),
            ("start", ColumnType::Date),
            ("end", ColumnType::Date),
            ("amount", ColumnType::Money),
            ("live", ColumnType::Bool),
            ("at", ColumnType::Timestamp),
        ];
        Condition::parse("c", sql, &columns).map(|c| c.columns)
    }

    #[test]
    fn conditions_on_one_row_are_read() {
        for (sql, columns) in [
            ("start IS NULL OR start < \"end\"", vec!["start", "end"]),
            ("live", vec!["live"]),
            ("amount >= 0 AND amount < 99.5", vec!["amount"]),
            ("name IN ('a', 'b') AND NOT live", vec!["name", "live"]),
            ("name LIKE 'acme%'", vec!["name"]),
            ("start >= DATE '2020-01-01'", vec!["start"]),
        ] {
            let mut got = parse(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"));
            let mut want: Vec<String> = columns.into_iter().map(str::to_owned).collect();
            got.sort();
            want.sort();
            assert_eq!(got, want, "{sql}");
        }
    }

    #[test]
    fn whether_there_is_a_value_is_no_comparison() {
        let columns = [("amount", ColumnType::Money), ("list", ColumnType::Money), ("live", ColumnType::Bool)];
        for (sql, expected) in [
            ("amount IS NOT NULL AND NOT live", [false, false, true]),
            ("amount IS NULL OR amount > 0", [true, false, false]),
            ("coalesce(amount, list) IS NOT NULL", [true, true, false]),
            ("amount IS NOT NULL OR list IS NULL", [false, false, false]),
        ] {
            let condition = Condition::parse("c", sql, &columns).unwrap();
            assert_eq!(columns.map(|(name, _)| condition.compares(name)), expected, "{sql}");
        }
    }

    #[test]
    fn a_few_texts_are_compared_and_mean_the_same() {
        let rows = df!("name" => [Some("a"), Some("b"), None, Some("c")]).unwrap();
        for sql in [
            "name IN ('a', 'c')",
            "name NOT IN ('a', 'c')",
            "NOT (name IN ('b')) OR name IS NULL",
            "name IN ('a', NULL)",
            "name IN ('a', 'b', 'd', 'e', 'f', 'g', 'h', 'i', 'j')",
        ] {
            let condition = Condition::parse("c", sql, &[("name", ColumnType::String)]).unwrap();
            let is_set = format!("{:?}", condition.expr).contains("is_in");
            assert_eq!(is_set, sql.contains("NULL)") || sql.contains("'j'"), "{sql}");
            let both = [condition.expr(), sql_expr(sql).unwrap()];
            let both = both.map(|e| rows.clone().lazy().select([e.alias("is")]).collect().unwrap());
            assert!(both[0].equals_missing(&both[1]), "{sql}: {both:?}");
        }
    }

    #[test]
    fn everything_else_is_refused() {
        use ConditionFault as F;
        assert_eq!(parse("nam = 'a'"), Err(F::UnknownColumn("nam".into())));
        assert_eq!(parse("SUM(amount) > 3"), Err(F::SeveralRows));
        assert_eq!(parse("COUNT(*) > 3"), Err(F::SeveralRows));
        assert!(matches!(parse("amount + 1"), Err(F::NotBool(_))));
        assert!(matches!(parse("amount >"), Err(F::Invalid(_))));
        assert!(matches!(parse("live; DROP TABLE x"), Err(F::Invalid(_))));
        assert!(matches!(parse("name > start"), Err(F::Invalid(_))));
    }

    #[test]
    fn conditions_on_totals_are_told_from_conditions_on_rows() {
        use ConditionFault as F;
        let columns = [("amount", ColumnType::Money), ("name", ColumnType::String)];
        let parse = |sql: &str| Condition::parse_totals("c", sql, &columns).map(|c| c.columns);
        assert_eq!(parse("sum(amount) > 0"), Ok(vec!["amount".to_owned()]));
        assert_eq!(parse("count(*) > 3"), Ok(vec![]));
        assert_eq!(parse("count(DISTINCT name) >= 2 AND max(amount) < 10.5").map(|c| c.len()), Ok(2));
        assert_eq!(parse("amount > 0"), Err(F::SeveralRows));
        assert_eq!(parse("sum(amount) > amount"), Err(F::SeveralRows));
        assert_eq!(parse("sum(amount) OVER (PARTITION BY name) > 0"), Err(F::SeveralRows));
        assert!(matches!(parse("sum(amount)"), Err(F::NotBool(_))));
    }

    #[test]
    fn what_would_use_up_the_stack_is_not_read() {
        let long = |n: usize| vec!["live"; n].join(" AND ");
        assert!(parse(&long(MOST_OPERATORS)).is_ok());
        assert_eq!(parse(&long(100_000)), Err(ConditionFault::TooDeep(99_999)));
        assert_eq!(parse(&format!("amount {}> 0", "+ 1 ".repeat(5_000))), Err(ConditionFault::TooDeep(5_001)));
        assert!(matches!(
            parse(&format!("{}live{}", "(".repeat(5_000), ")".repeat(5_000))),
            Err(ConditionFault::Invalid(_))
        ));
        let many: Vec<String> = (0..20_000).map(|n| format!("'{n}'")).collect();
        assert!(parse(&format!("name IN ({})", many.join(", "))).is_ok());
    }

    #[test]
    fn money_is_seen_exactly_in_major_units() {
        let got = df!("m" => [Some(i64::MAX), Some(-1), Some(19_990_000), None])
            .unwrap()
            .lazy()
            .select([seen(col("m"), 6).cast(DataType::String).alias("m")])
            .collect()
            .unwrap();
        let got: Vec<_> = got.column("m").unwrap().str().unwrap().iter().collect();
        assert_eq!(got, [Some("9223372036854.775807"), Some("-0.000001"), Some("19.990000"), None]);
    }
}
