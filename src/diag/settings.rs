//! Messages about the settings of tables, told by the metrics through the resolver.

use super::{Code, Diagnostic, Diagnostics, Span, did_you_mean, quote};

impl Diagnostics {
    /// A setting of a table cannot be used so; the metric says why and what to do.
    pub fn setting(&mut self, at: Span, title: &str, help: &str) {
        self.push(Diagnostic::error(Code::Setting, title).at(at).help(help));
    }

    /// A metric needs a column of another type than the one declared.
    pub fn declared_type(&mut self, at: Span, column: &str, source: &str, declared: &str, expected: &str) {
        let title = format!(
            "column {} of source {} is declared as {declared}, expected {expected}",
            quote(column),
            quote(source)
        );
        self.push(
            Diagnostic::error(Code::DeclaredType, title)
                .at(at)
                .help(format!("name another column, or declare {} with the expected type", quote(column))),
        );
    }

    /// A table is broken down by something that its ledger does not carry.
    pub fn unknown_dimension(&mut self, at: Span, name: &str, known: &[&str]) {
        let title = format!("the ledger has no dimension {}", quote(name));
        let mut message = Diagnostic::error(Code::UnknownDimension, title).at(at);
        match did_you_mean(name, known, "its dimensions") {
            Some(help) => message.help.push(help),
            None => message.help.push("add `dimensions: {from: .., columns: [..]}` to the ledger".to_owned()),
        }
        self.push(message);
    }

    /// Nothing says where the tables go.
    pub fn root_missing(&mut self, at: Span) {
        self.push(
            Diagnostic::error(Code::RootMissing, "no folder is given for the tables")
                .at(at)
                .help("add `root: ../out` at the top level or to the environment, or give `--root`"),
        );
    }
}
