//! Messages of group `T03`: tables, how they depend on each other, and what a run asks for.

use super::{Code, Diagnostic, Diagnostics, Span, did_you_mean, quote, quote_all};

impl Diagnostics {
    /// `from: name` is neither a source nor a table.
    pub fn unknown_input(&mut self, at: Span, name: &str, known: &[&str]) {
        let title = format!("no source or table is named {}", quote(name));
        let mut message = Diagnostic::error(Code::UnknownInput, title).at(at);
        message.help.extend(did_you_mean(name, known, "sources and tables"));
        self.push(message);
    }

    /// Tables read from each other; `path` lists them in order, the first not repeated.
    pub fn cycle(&mut self, at: Span, path: &[&str]) {
        let circle: Vec<_> = path.iter().chain(path.first()).copied().collect();
        let title = format!("tables read from each other: {}", quote(&circle.join(" -> ")));
        self.push(
            Diagnostic::error(Code::Cycle, title)
                .at(at)
                .help(format!("let one of {} read from a source instead", quote_all(path))),
        );
    }

    /// Two tables publish to one `path`.
    pub fn duplicate_output(&mut self, at: Span, path: &str, first: Span) {
        let title = format!("two tables publish to {}", quote(path));
        self.push(
            Diagnostic::error(Code::DuplicateOutput, title)
                .at(at)
                .also(first, "already published here")
                .help("give one of them another name or path"),
        );
    }

    /// Publishing to `output` could overwrite or be read as files of `source`.
    pub fn output_overlaps_source(&mut self, at: Span, output: &str, source: &str, path: &str) {
        let title = format!("output {} overlaps the files of source {}", quote(output), quote(source));
        self.push(
            Diagnostic::error(Code::OutputOverlapsSource, title)
                .at(at)
                .help(format!("choose a `root` outside of {}", quote(path))),
        );
    }

    /// Neither the file nor the run says up to when the data counts.
    pub fn as_of_missing(&mut self) {
        self.push(
            Diagnostic::error(Code::AsOfMissing, "no `as_of` date is given")
                .help("give `--as-of 2026-06-30`, or write `as_of: 2026-06-30` at the top level; a result never depends on the clock"),
        );
    }

    /// `--env name` is not defined.
    pub fn unknown_environment(&mut self, name: &str, known: &[&str]) {
        let title = format!("environment {} is not defined", quote(name));
        let mut message = Diagnostic::error(Code::UnknownEnvironment, title);
        match did_you_mean(name, known, "defined are") {
            Some(help) => message.help.push(help),
            None => message.help.push("the file has no `environments`".to_owned()),
        }
        self.push(message);
    }

    /// A term of `--select` or `--exclude`, the `flag`, matches no table.
    pub fn unknown_selection(&mut self, flag: &str, term: &str, known: &[&str]) {
        let title = format!("`{flag} {term}` matches no table");
        let mut message = Diagnostic::error(Code::UnknownSelection, title);
        let name = term.trim_matches('+');
        message.help.extend(did_you_mean(name, known, "tables"));
        self.push(message);
    }

    /// A publish group lists `table`, which is not defined.
    pub fn unknown_group_member(&mut self, at: Span, group: &str, table: &str, known: &[&str]) {
        let title = format!("publish group {} names the unknown table {}", quote(group), quote(table));
        let mut message = Diagnostic::error(Code::UnknownGroupMember, title).at(at);
        message.help.extend(did_you_mean(table, known, "tables"));
        self.push(message);
    }

    /// `table` is listed in two publish groups.
    pub fn table_in_two_groups(&mut self, at: Span, table: &str, first: Span) {
        let title = format!("table {} is in two publish groups", quote(table));
        self.push(
            Diagnostic::error(Code::TableInTwoGroups, title)
                .at(at)
                .also(first, "already listed here")
                .help("a table becomes visible with one group; merge the groups or remove it from one"),
        );
    }
}
