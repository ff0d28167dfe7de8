//! Messages of group `T02` that concern the files of a source as a whole.

use super::{Code, Diagnostic, Diagnostics, Severity, Span, did_you_mean, plural, quote, quote_all};

impl Diagnostics {
    /// `column` is in some files of `source` and not in others: in `lacking` of `all`, `files` being
    /// the first of them.
    pub fn column_lacking(&mut self, at: Span, column: &str, source: &str, files: &[&str], lacking: usize, all: usize) {
        let title =
            format!("column {} of {} is missing in {lacking} of {}", quote(column), quote(source), plural(all, "file"));
        let mut message = Diagnostic::error(Code::ColumnLacking, title).at(at);
        let more = if lacking > files.len() { format!(" and {} more", lacking - files.len()) } else { String::new() };
        message.details.push(format!("{}{more}", quote_all(files)));
        self.push(message.help("write `optional: true` if these rows have no value"));
    }

    /// The folder names of `file` spell no `key`; `known` are those that they spell.
    pub fn no_partition(&mut self, at: Span, key: &str, source: &str, file: &str, known: &[&str]) {
        let title = format!("source {}: no folder of {} is named like `{key}=..`", quote(source), quote(file));
        let mut message = Diagnostic::error(Code::NoPartition, title).at(at);
        message.help.extend(did_you_mean(key, known, "the folders spell"));
        self.push(message.help("remove `hive` if the column is in the files"));
    }

    /// The value that the folders of `file` spell for `key` is not of type `ty`.
    pub fn partition_value(&mut self, at: Span, key: &str, source: &str, file: &str, value: &str, ty: &str) {
        let title = format!(
            "source {}: the folder `{key}={value}` of {} does not spell a value of type {ty}",
            quote(source),
            quote(file)
        );
        self.push(
            Diagnostic::error(Code::PartitionValue, title)
                .at(at)
                .help("declare the column `type: string`, or another type that fits every folder"),
        );
    }

    /// `column` is declared as a column of the files, and the folders spell it too.
    pub fn partition_collision(&mut self, at: Span, column: &str, source: &str) {
        let title = format!("column {} of {} is spelled by the folders as well", quote(column), quote(source));
        self.push(
            Diagnostic::error(Code::PartitionCollision, title)
                .at(at)
                .help("add `hive: true` to it, since other columns are read from the folders"),
        );
    }

    /// The files of `source` hold columns that are not declared; `severity` as `extra_columns` says.
    pub fn undeclared_columns(&mut self, at: Span, source: &str, columns: &[&str], severity: Severity) {
        let title = format!("source {} holds undeclared columns: {}", quote(source), quote_all(columns));
        let message = Diagnostic { severity, ..Diagnostic::error(Code::UndeclaredColumns, title) };
        self.push(message.at(at).help("declare them, or write `extra_columns: ignore`"));
    }
}
