//! A query as written: its tables, its parameters, and where each word stands.

use std::collections::BTreeSet;
use std::ops::{ControlFlow, Range};

use sqlparser::ast::{
    Cte, Expr, Ident, JoinConstraint, JoinOperator, LimitClause, ObjectName, Query as SqlQuery, Select, SelectItem,
    SetExpr, Statement, TableFactor, Value, ValueWithSpan, Visit, Visitor,
};
use sqlparser::dialect::GenericDialect;
use sqlparser::parser::{Parser, ParserOptions};
use sqlparser::tokenizer::{Location, Span, Token, Tokenizer};

use crate::checks::{MOST_OPERATORS, operators};

/// Why a query cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Where in the text of the query, in bytes; `None` where it concerns the query as a whole.
    pub at: Option<Range<usize>>,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub help: Option<String>,
}

impl Fault {
    pub(super) fn new(at: Option<Range<usize>>, reason: impl Into<String>, help: &str) -> Self {
        Self { at, reason: reason.into(), help: (!help.is_empty()).then(|| help.to_owned()) }
    }
}

/// A name in a query, and its place in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Word {
    /// The name.
    pub name: String,
    /// Where it stands, in bytes.
    pub at: Range<usize>,
}

/// A parsed query.
#[derive(Clone, Debug)]
pub struct Query {
    pub(super) text: String,
    pub(super) statement: Statement,
}

/// Names of the tables that the text of a query reads; none where it cannot be parsed.
#[must_use]
pub fn tables_read(text: &str) -> Vec<String> {
    Query::parse(text).map(|query| query.tables().into_iter().map(|word| word.name).collect()).unwrap_or_default()
}

/// The parser as Polars sets it up, so that both read a text alike.
fn statements(text: &str) -> Result<Vec<Statement>, String> {
    let options = ParserOptions { trailing_commas: true, ..ParserOptions::default() };
    let parser = Parser::new(&GenericDialect).with_options(options);
    let parsed = parser.try_with_sql(text).and_then(|mut parser| parser.parse_statements());
    parsed.map_err(|error| error.to_string())
}

impl Query {
    /// Reads a text that must be one `SELECT`.
    ///
    /// # Errors
    /// The first fault that keeps it from being one.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let depth = operators(text);
        if depth > MOST_OPERATORS {
            let reason = format!("it has {depth} operators, more than {MOST_OPERATORS}");
            return Err(Fault::new(None, reason, "list values with `IN (..)`, or split it into several tables"));
        }
        let mut all = statements(text).map_err(|message| syntax(text, &message))?;
        let one = "write one SELECT; it may begin with WITH";
        if all.len() > 1 {
            return Err(Fault::new(None, format!("it holds {} statements", all.len()), one));
        }
        let Some(statement) = all.pop() else {
            return Err(Fault::new(None, "it is empty", one));
        };
        let Statement::Query(query) = &statement else {
            let word = text.split_whitespace().next().unwrap_or_default();
            let at = text.find(word).map(|start| start..start + word.len());
            return Err(Fault::new(
                at,
                format!("`{}` is no query", word.to_uppercase()),
                "only SELECT is allowed: a query reads sources and tables, and changes nothing",
            ));
        };
        reads_only(&query.body)?;
        Ok(Self { text: text.to_owned(), statement })
    }

    /// The sources and tables it reads, each once, in the order of the text.
    #[must_use]
    pub fn tables(&self) -> Vec<Word> {
        let mut out: Vec<Word> = Vec::new();
        let seen = self.seen();
        for word in seen.relations {
            if !seen.ctes.iter().any(|cte| cte.name == word.name) && out.iter().all(|known| known.name != word.name) {
                out.push(word);
            }
        }
        out
    }

    /// Names that `WITH` introduces.
    #[must_use]
    pub fn ctes(&self) -> Vec<Word> {
        self.seen().ctes
    }

    /// The parameters `:name` it holds, without the colon, every occurrence.
    #[must_use]
    pub fn params(&self) -> Vec<Word> {
        self.seen().params
    }

    /// Whether it takes all columns of what it reads without naming them.
    #[must_use]
    pub fn takes_all(&self) -> bool {
        self.seen().all
    }

    /// Whether its outermost SELECT says in which order the rows come.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        matches!(&self.statement, Statement::Query(query) if query.order_by.is_some())
    }

    /// Every word of the text that could be the name of a column.
    #[must_use]
    pub fn words(&self) -> BTreeSet<String> {
        self.tokens().into_iter().map(|word| word.name).collect()
    }

    /// The first place of a word in the text.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Range<usize>> {
        self.tokens().into_iter().find(|word| word.name == name).map(|word| word.at)
    }

    fn tokens(&self) -> Vec<Word> {
        let tokens = Tokenizer::new(&GenericDialect, &self.text).tokenize_with_location().unwrap_or_default();
        tokens
            .into_iter()
            .filter_map(|token| match token.token {
                Token::Word(word) => Some(Word { at: range(&self.text, token.span), name: word.value }),
                _ => None,
            })
            .collect()
    }

    pub(super) fn seen(&self) -> Seen<'_> {
        let mut seen = Seen { text: &self.text, ..Seen::default() };
        let _ = self.statement.visit(&mut seen);
        seen
    }

    /// The place of an identifier.
    pub(super) fn at(&self, ident: &Ident) -> Range<usize> {
        range(&self.text, ident.span)
    }
}

/// Refuses bodies that write.
fn reads_only(body: &SetExpr) -> Result<(), Fault> {
    match body {
        SetExpr::Select(_) | SetExpr::Values(_) | SetExpr::Table(_) => Ok(()),
        SetExpr::Query(query) => reads_only(&query.body),
        SetExpr::SetOperation { left, right, .. } => reads_only(left).and_then(|()| reads_only(right)),
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => Err(Fault::new(
            None,
            "it changes data",
            "only SELECT is allowed: a query reads sources and tables, and changes nothing",
        )),
    }
}

/// What a walk through a query meets.
#[derive(Default)]
pub(super) struct Seen<'a> {
    text: &'a str,
    relations: Vec<Word>,
    ctes: Vec<Word>,
    params: Vec<Word>,
    all: bool,
    /// Names given with `AS`, to columns, tables and queries.
    pub(super) aliases: BTreeSet<String>,
    /// Alias and table of every table that is read; without an alias, the table itself.
    pub(super) tables: Vec<(String, String)>,
    /// Columns as they are named, with the table in front where there is one.
    pub(super) columns: Vec<(Option<Ident>, Ident)>,
    /// What is not allowed.
    pub(super) faults: Vec<Fault>,
    depth: usize,
}

impl Seen<'_> {
    fn word(&self, ident: &Ident) -> Word {
        Word { name: ident.value.clone(), at: range(self.text, ident.span) }
    }

    fn fault(&mut self, at: Option<Range<usize>>, reason: impl Into<String>, help: &str) {
        self.faults.push(Fault::new(at, reason, help));
    }

    fn cte(&mut self, cte: &Cte) {
        self.ctes.push(self.word(&cte.alias.name));
        self.aliases.insert(cte.alias.name.value.clone());
        self.aliases.extend(cte.alias.columns.iter().map(|column| column.name.value.clone()));
    }
}

impl Visitor for Seen<'_> {
    type Break = ();

    fn pre_visit_query(&mut self, query: &SqlQuery) -> ControlFlow<()> {
        query.with.iter().flat_map(|with| &with.cte_tables).for_each(|cte| self.cte(cte));
        let limited = query.fetch.is_some()
            || matches!(
                &query.limit_clause,
                Some(LimitClause::LimitOffset { limit, offset, .. }) if limit.is_some() || offset.is_some()
            )
            || matches!(&query.limit_clause, Some(LimitClause::OffsetCommaLimit { .. }));
        if limited && query.order_by.is_none() && self.depth > 0 {
            self.fault(
                None,
                "a LIMIT in a subquery has no ORDER BY, so that any rows may come",
                "add ORDER BY over columns that tell every two rows apart",
            );
        }
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _query: &SqlQuery) -> ControlFlow<()> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        for item in &select.projection {
            match item {
                SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(..) => self.all = true,
                SelectItem::ExprWithAlias { alias, .. } => drop(self.aliases.insert(alias.value.clone())),
                SelectItem::ExprWithAliases { aliases, .. } => {
                    self.aliases.extend(aliases.iter().map(|alias| alias.value.clone()));
                }
                SelectItem::UnnamedExpr(_) => {}
            }
        }
        if select.into.is_some() {
            self.fault(None, "SELECT INTO writes", "remove INTO; the table is published under its own name");
        }
        let joins = select.from.iter().flat_map(|from| &from.joins);
        self.all |= joins.into_iter().any(|join| is_natural(&join.join_operator));
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        let alias = match factor {
            TableFactor::Table { name, alias, args, .. } => {
                if args.is_some() {
                    let at = last(name).map(|ident| range(self.text, ident.span));
                    self.fault(
                        at,
                        format!("`{name}` is called like a function to read from"),
                        "a query reads sources and tables of the pipeline; declare a file under `sources`",
                    );
                } else if let Some(ident) = last(name) {
                    let seen_as = alias.as_ref().map_or(&ident.value, |alias| &alias.name.value);
                    self.tables.push((seen_as.clone(), ident.value.clone()));
                }
                alias
            }
            TableFactor::Derived { alias, .. }
            | TableFactor::NestedJoin { alias, .. }
            | TableFactor::UNNEST { alias, .. } => alias,
            _ => {
                self.fault(
                    None,
                    format!("`{factor}` cannot be read from"),
                    "a query reads sources and tables of the pipeline",
                );
                &None
            }
        };
        if let Some(alias) = alias {
            self.aliases.insert(alias.name.value.clone());
            self.aliases.extend(alias.columns.iter().map(|column| column.name.value.clone()));
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, relation: &ObjectName) -> ControlFlow<()> {
        if let Some(ident) = last(relation) {
            // `schema.table` names nothing here; it is told as it is written.
            let name = if relation.0.len() > 1 { relation.to_string() } else { ident.value.clone() };
            self.relations.push(Word { name, at: range(self.text, ident.span) });
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(ident) => self.columns.push((None, ident.clone())),
            Expr::CompoundIdentifier(idents) => {
                if let [table, column] = &idents[..] {
                    self.columns.push((Some(table.clone()), column.clone()));
                }
            }
            Expr::Function(function) => {
                let at = last(&function.name).map(|ident| range(self.text, ident.span));
                match function.name.to_string().to_ascii_lowercase().as_str() {
                    "columns" => self.all = true,
                    "now" | "current_date" | "current_timestamp" | "current_time" | "localtime" | "localtimestamp"
                    | "today" | "getdate" => self.fault(
                        at,
                        format!("`{}` asks the clock", function.name),
                        "write `:as_of`, the last day that the results cover: a result never depends on the clock",
                    ),
                    _ => {}
                }
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_value(&mut self, value: &ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(text) = &value.value {
            let at = range(self.text, value.span);
            match text.strip_prefix(':').filter(|name| !name.is_empty()) {
                Some(name) => {
                    // The parser gives the place of the colon alone.
                    let at = at.start..(at.start + text.len()).min(self.text.len());
                    self.params.push(Word { name: name.to_owned(), at });
                }
                None => self.fault(Some(at), format!("`{text}` is no parameter"), "write `:name`"),
            }
        }
        ControlFlow::Continue(())
    }
}

fn is_natural(join: &JoinOperator) -> bool {
    let (JoinOperator::Join(constraint)
    | JoinOperator::Inner(constraint)
    | JoinOperator::Left(constraint)
    | JoinOperator::LeftOuter(constraint)
    | JoinOperator::Right(constraint)
    | JoinOperator::RightOuter(constraint)
    | JoinOperator::FullOuter(constraint)
    | JoinOperator::Semi(constraint)
    | JoinOperator::LeftSemi(constraint)
    | JoinOperator::RightSemi(constraint)
    | JoinOperator::Anti(constraint)
    | JoinOperator::LeftAnti(constraint)
    | JoinOperator::RightAnti(constraint)) = join
    else {
        return false;
    };
    matches!(constraint, JoinConstraint::Natural)
}

fn last(name: &ObjectName) -> Option<&Ident> {
    name.0.last().and_then(|part| part.as_ident())
}

/// A fault from the words of the parser, which end with `at Line: 1, Column: 8`.
fn syntax(text: &str, message: &str) -> Fault {
    let message = message.strip_prefix("sql parser error: ").unwrap_or(message);
    let (reason, place) = match message.rsplit_once(" at Line: ") {
        Some((reason, place)) => (reason, Some(place)),
        None => (message, None),
    };
    let location = place.and_then(|place| {
        let (line, column) = place.split_once(", Column: ")?;
        Some(Location { line: line.trim().parse().ok()?, column: column.trim().parse().ok()? })
    });
    let at = location.map(|location| {
        let start = offset(text, location);
        let word = text[start..].find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(text.len() - start);
        start..start + word.max(text[start..].chars().next().map_or(0, char::len_utf8))
    });
    let mut reason = reason.trim().replace("Expected: ", "expected ");
    if let Some((before, found)) = reason.clone().rsplit_once(", found: ") {
        let found = if found == "EOF" { "the end of the query".to_owned() } else { format!("`{found}`") };
        reason = format!("{before}, found {found}");
    }
    Fault::new(at, reason, "")
}

fn range(text: &str, span: Span) -> Range<usize> {
    let start = offset(text, span.start);
    start..offset(text, span.end).max(start)
}

/// The byte at a line and a column, both from 1; a column counts characters.
fn offset(text: &str, location: Location) -> usize {
    let line = usize::try_from(location.line.saturating_sub(1)).unwrap_or(usize::MAX);
    let column = usize::try_from(location.column.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut start = 0;
    for (index, part) in text.split_inclusive('\n').enumerate() {
        if index == line {
            let inside = part.char_indices().nth(column).map_or(part.trim_end_matches('\n').len(), |(at, _)| at);
            return start + inside;
        }
        start += part.len();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(words: Vec<Word>) -> Vec<String> {
        words.into_iter().map(|word| word.name).collect()
    }

    #[test]
    fn tables_are_what_is_read_and_not_defined_in_the_query() {
        let text = "WITH big AS (SELECT * FROM ledger WHERE mrr_after > 5)\n\
                    SELECT b.customer_id, (SELECT MAX(mrr) FROM movements) AS top\n\
                    FROM big AS b JOIN customers c ON b.customer_id = c.customer_id\n\
                    WHERE b.customer_id IN (SELECT customer_id FROM ledger)";
        let query = Query::parse(text).unwrap();
        let mut tables = names(query.tables());
        tables.sort();
        assert_eq!(tables, ["customers", "ledger", "movements"]);
        assert_eq!(names(query.ctes()), ["big"]);
        assert!(query.takes_all() && !query.is_ordered());
        let ledger = query.tables().into_iter().find(|word| word.name == "ledger").unwrap();
        assert_eq!(&text[ledger.at], "ledger");
    }

    #[test]
    fn parameters_are_not_looked_for_in_texts_and_comments() {
        let text =
            "SELECT ':a' AS x, \"b:c\" /* :d */ FROM t -- :e\nWHERE d >= :as_of AND n = :floor AND y::date < :as_of";
        let query = Query::parse(text).unwrap();
        assert_eq!(names(query.params()), ["as_of", "floor", "as_of"]);
        let shown: Vec<&str> = query.params().iter().map(|word| &text[word.at.clone()]).collect();
        assert_eq!(shown, [":as_of", ":floor", ":as_of"]);
    }

    #[test]
    fn only_one_select_passes() {
        for (text, reason) in [
            ("", "it is empty"),
            ("SELECT 1; SELECT 2", "it holds 2 statements"),
            ("DROP TABLE ledger", "`DROP` is no query"),
            ("create table x as select 1", "`CREATE` is no query"),
            ("EXPLAIN SELECT 1", "`EXPLAIN` is no query"),
            ("DELETE FROM ledger", "`DELETE` is no query"),
            ("INSERT INTO ledger SELECT 1", "`INSERT` is no query"),
        ] {
            assert_eq!(Query::parse(text).unwrap_err().reason, reason, "{text}");
        }
    }

    #[test]
    fn a_syntax_error_is_shown_at_its_word() {
        let text = "SELECT a\nFORM ledger WHERE";
        let fault = Query::parse(text).unwrap_err();
        assert_eq!(fault.reason, "expected end of statement, found `ledger`");
        assert_eq!(&text[fault.at.unwrap()], "ledger");
        let fault = Query::parse("SELECT a FROM t WHERE").unwrap_err();
        assert_eq!(fault.reason, "expected an expression, found the end of the query");
    }

    #[test]
    fn files_and_the_clock_are_out_of_reach() {
        for text in [
            "SELECT * FROM read_parquet('x.parquet')",
            "SELECT * FROM a JOIN read_csv('/etc/passwd') ON true",
            "WITH x AS (SELECT * FROM read_parquet('x')) SELECT * FROM x",
            "SELECT CURRENT_DATE FROM t",
            "SELECT a FROM t WHERE d < NOW()",
            "SELECT a FROM (SELECT a FROM t LIMIT 3) AS u",
            "SELECT a INTO b FROM t",
        ] {
            let query = Query::parse(text).unwrap();
            assert_eq!(query.seen().faults.len(), 1, "{text}: {:?}", query.seen().faults);
        }
    }
}
