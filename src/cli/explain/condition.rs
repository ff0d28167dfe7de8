//! Reads `--where`: a SQL condition in which days need no quotes and `month` means the period.

use crate::diag::nearest;
use crate::report::Trouble;
use crate::schema::{ColumnType, TableSchema};
use crate::sources::{Condition, ConditionFault};

/// Words that mean the period of a row, or its cohort, where the table has no column of that name.
const PERIODS: [&str; 6] = ["month", "day", "week", "quarter", "year", "period"];

/// The condition on the columns of a table.
pub(super) fn read(text: &str, schema: &TableSchema) -> Result<Condition, Trouble> {
    if text.trim().is_empty() {
        return Err(Trouble::error("`--where` is empty").help(grain_help(schema)));
    }
    let sql = rewritten(text, schema)?;
    let columns: Vec<(&str, ColumnType)> = schema.columns.iter().map(|c| (c.name.as_str(), c.ty)).collect();
    Condition::parse("where", &sql, &columns).map_err(|fault| match fault {
        ConditionFault::Invalid(why) => {
            Trouble::error(&format!("`--where` is no condition: {why}")).help(grain_help(schema))
        }
        ConditionFault::UnknownColumn(name) => {
            let trouble = Trouble::error(&format!("`--where`: the table has no column `{name}`"));
            let names: Vec<&str> = schema.names().collect();
            match nearest(&name, &names) {
                Some(near) => trouble.help(format!("did you mean `{near}`?")),
                None => trouble
                    .help(format!("a text stands in single quotes: '{name}'"))
                    .help(format!("columns that identify a row: {}", schema.grain.join(", "))),
            }
        }
        ConditionFault::TooDeep(operators) => {
            Trouble::error(&format!("`--where` has {operators} operators, too many to read")).help(grain_help(schema))
        }
        ConditionFault::SeveralRows => {
            Trouble::error("`--where` looks at several rows at once").help(grain_help(schema))
        }
        ConditionFault::NotBool(ty) => {
            Trouble::error(&format!("`--where` gives {ty}, expected true or false")).help(grain_help(schema))
        }
    })
}

fn grain_help(schema: &TableSchema) -> String {
    format!("name one row by {}, for example \"{}\"", schema.grain.join(", "), example(schema))
}

/// A condition as it could be meant.
fn example(schema: &TableSchema) -> String {
    let first = schema.grain.iter().find_map(|name| schema.get(name).filter(|c| c.ty == ColumnType::Date));
    let column = first.map_or_else(|| schema.grain.first().map_or("column", String::as_str), |c| c.name.as_str());
    if first.is_some() { format!("{column} = 2026-03-01") } else { format!("{column} = 'value'") }
}

/// What a piece of the text is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A text in single quotes.
    Quoted,
    /// A name in double quotes or backticks.
    Name,
    /// A word: a column, a keyword, a function.
    Word,
    /// A day, or a month such as 2026-03.
    Day,
    /// Anything else, one character or a number.
    Other,
}

/// The text as SQL: days and months as date literals, words for the period as its column.
fn rewritten(text: &str, schema: &TableSchema) -> Result<String, Trouble> {
    let mut out = String::new();
    // The column that was named last: a text compared with a day is one.
    let mut last: Option<ColumnType> = None;
    let mut dated = false;
    let mut rest = text;
    while let Some((kind, piece, after)) = next(rest) {
        rest = after;
        match kind {
            Kind::Day => out.push_str(&day(piece)?),
            Kind::Quoted if last == Some(ColumnType::Date) && !dated => {
                let inner = piece.trim_matches('\'');
                out.push_str(&if is_day(inner) { day(inner)? } else { piece.to_owned() });
            }
            Kind::Word => {
                let called = after.trim_start().starts_with('(');
                let column = if called { None } else { column_of(piece, schema) };
                if let Some(column) = column {
                    last = Some(column.1);
                    out.push_str(column.0);
                } else {
                    out.push_str(piece);
                }
            }
            Kind::Name => {
                last = schema.get(piece.trim_matches(['"', '`'])).map(|c| c.ty);
                out.push_str(piece);
            }
            Kind::Quoted | Kind::Other => out.push_str(if piece == "==" { "=" } else { piece }),
        }
        if !piece.trim().is_empty() {
            // `DATE '2026-03-01'` and `DATE('2026-03-01', ..)` are dates already.
            dated = kind == Kind::Word && piece.eq_ignore_ascii_case("date") || dated && piece == "(";
        }
    }
    Ok(out)
}

/// The column that a word names, with its type.
fn column_of<'a>(word: &'a str, schema: &'a TableSchema) -> Option<(&'a str, ColumnType)> {
    if let Some(column) = schema.get(word) {
        return Some((column.name.as_str(), column.ty));
    }
    let period = PERIODS.iter().any(|p| word.eq_ignore_ascii_case(p));
    let dates = schema.grain.iter().filter_map(|g| schema.get(g)).filter(|c| c.ty == ColumnType::Date);
    dates.take(1).find(|_| period).map(|c| (c.name.as_str(), c.ty))
}

fn day(text: &str) -> Result<String, Trouble> {
    let whole = if text.len() == 7 { format!("{text}-01") } else { text.to_owned() };
    match whole.parse::<jiff::civil::Date>() {
        Ok(day) => Ok(format!("DATE('{day}', '%Y-%m-%d')")),
        Err(_) => Err(Trouble::error(&format!("`--where`: `{text}` is no day of the calendar"))),
    }
}

/// Whether a text is written as a day, 2026-03-01, or as a month, 2026-03.
fn is_day(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00" || shape == "0000-00"
}

/// The first piece of a text, and what follows it.
fn next(text: &str) -> Option<(Kind, &str, &str)> {
    let first = text.chars().next()?;
    let split = |kind, at: usize| Some((kind, &text[..at], &text[at..]));
    if matches!(first, '\'' | '"' | '`') {
        let kind = if first == '\'' { Kind::Quoted } else { Kind::Name };
        return split(kind, end_of_quoted(text, first));
    }
    let word = |c: char| c.is_alphanumeric() || c == '_';
    if first.is_ascii_digit() {
        for length in [10, 7] {
            let whole = text.get(..length).filter(|t| is_day(t));
            let ends = text.get(length..).is_some_and(|r| !r.starts_with(|c: char| word(c) || c == '-'));
            if whole.is_some() && ends {
                return split(Kind::Day, length);
            }
        }
        return split(Kind::Other, text.find(|c: char| !word(c) && c != '.').unwrap_or(text.len()));
    }
    if word(first) {
        return split(Kind::Word, text.find(|c| !word(c)).unwrap_or(text.len()));
    }
    if text.starts_with("==") {
        return split(Kind::Other, 2);
    }
    split(Kind::Other, first.len_utf8())
}

/// Where a quoted piece ends; a doubled quote does not end it.
fn end_of_quoted(text: &str, quote: char) -> usize {
    let mut at = 1;
    loop {
        match text[at..].find(quote) {
            None => return text.len(),
            Some(found) if text[at + found + 1..].starts_with(quote) => at += found + 2,
            Some(found) => return at + found + 1,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> TableSchema {
        TableSchema::with_grain(["period_start", "currency", "is_total", "segment"])
            .column("period_start", ColumnType::Date, "", "")
            .column("currency", ColumnType::Currency, "", "")
            .column("is_total", ColumnType::Bool, "", "")
            .nullable("segment", ColumnType::String, "", "")
            .column("closing_mrr", ColumnType::Money, "", "")
    }

    #[test]
    fn days_need_no_quotes_and_months_are_periods() {
        for (text, sql) in [
            (
                "month = 2026-03-01 and segment = 'smb'",
                "period_start = DATE('2026-03-01', '%Y-%m-%d') and segment = 'smb'",
            ),
            ("month=2026-03", "period_start=DATE('2026-03-01', '%Y-%m-%d')"),
            ("period_start = '2026-03-01'", "period_start = DATE('2026-03-01', '%Y-%m-%d')"),
            ("period_start = DATE '2026-03-01'", "period_start = DATE '2026-03-01'"),
            (
                "period_start in ('2026-03', 2026-04-01)",
                "period_start in (DATE('2026-03-01', '%Y-%m-%d'), DATE('2026-04-01', '%Y-%m-%d'))",
            ),
            // What stands in quotes is a text, whatever it looks like.
            ("segment = '2026-03-01'", "segment = '2026-03-01'"),
            ("segment = 'month = 2026-03-01'", "segment = 'month = 2026-03-01'"),
            ("segment = 'o''hara 2026-03-01'", "segment = 'o''hara 2026-03-01'"),
            ("\"month\" = 1", "\"month\" = 1"),
            ("year(period_start) == 2026", "year(period_start) = 2026"),
            ("closing_mrr > 2026-03-01x", "closing_mrr > 2026-03-01x"),
            ("closing_mrr > 1200.50", "closing_mrr > 1200.50"),
            ("segment = 'open", "segment = 'open"),
            ("segment = 'ü' AND é = 1", "segment = 'ü' AND é = 1"),
        ] {
            assert_eq!(rewritten(text, &schema()).unwrap(), sql, "{text}");
        }
    }

    #[test]
    fn a_column_of_that_name_wins() {
        let own = schema().column("month", ColumnType::Int, "", "");
        assert_eq!(rewritten("month = 3", &own).unwrap(), "month = 3");
        let cohorts = TableSchema::with_grain(["currency", "cohort"])
            .column("currency", ColumnType::Currency, "", "")
            .nullable("cohort", ColumnType::Date, "", "");
        assert_eq!(rewritten("Month = 2026-03", &cohorts).unwrap(), "cohort = DATE('2026-03-01', '%Y-%m-%d')");
    }

    #[test]
    fn conditions_are_read_or_refused_with_the_next_step() {
        let condition = read("month = 2026-03-01 and segment = 'smb' and closing_mrr > 100", &schema()).unwrap();
        assert_eq!(condition.columns, ["period_start", "segment", "closing_mrr"]);
        for (text, title, help) in [
            ("  ", "`--where` is empty", "period_start = 2026-03-01"),
            ("segmnt = 'smb'", "the table has no column `segmnt`", "did you mean `segment`?"),
            ("segment = smb", "the table has no column `smb`", "'smb'"),
            ("month = 2026-02-30", "`2026-02-30` is no day of the calendar", ""),
            ("closing_mrr + 1", "expected true or false", "name one row by"),
            ("sum(closing_mrr) > 1", "several rows at once", "name one row by"),
            ("segment =", "is no condition", "name one row by"),
            ("segment = 'open", "is no condition", "name one row by"),
        ] {
            let trouble = read(text, &schema()).unwrap_err();
            assert!(trouble.title.contains(title), "{text}: {}", trouble.title);
            assert!(trouble.help.join("\n").contains(help), "{text}: {:?}", trouble.help);
        }
    }
}
