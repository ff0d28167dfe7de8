//! Messages about the queries of `sql` tables.

use super::{Code, Diagnostic, Diagnostics, Span, did_you_mean, quote};

impl Diagnostics {
    /// The query of a table cannot be used.
    pub fn sql_query(&mut self, at: Span, reason: &str, help: Option<&str>) {
        let mut message = Diagnostic::error(Code::SqlQuery, format!("the query cannot be used: {reason}")).at(at);
        message.help.extend(help.map(str::to_owned));
        self.push(message);
    }

    /// A column of the result of a query has no published form.
    pub fn sql_result(&mut self, at: Span, column: &str, reason: &str, help: &str) {
        let title = format!("column {} of the result cannot be published: {reason}", quote(column));
        self.push(Diagnostic::error(Code::SqlResult, title).at(at).help(help));
    }

    /// A query holds `:name`, and the table binds no such parameter.
    pub fn unbound_param(&mut self, at: Span, name: &str, known: &[&str]) {
        let title = format!("the query uses `:{name}`, which is not under `params`");
        let mut message = Diagnostic::error(Code::UnboundParam, title).at(at);
        message.help.extend(did_you_mean(name, known, "bound are"));
        message.help.push(format!("bind a value: `params: {{{name}: ..}}`, which may be `${{..}}` of the pipeline"));
        self.push(message);
    }

    /// A table binds a parameter that its query does not hold.
    pub fn idle_param(&mut self, at: Span, name: &str) {
        let title = format!("the query does not use the parameter {}", quote(name));
        self.push(
            Diagnostic::error(Code::IdleParam, title).at(at).help(format!("write `:{name}` in it, or remove it")),
        );
    }
}
