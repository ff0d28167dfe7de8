//! Messages of group `T04`: data breaks a contract while a run goes on. They have no place in the file.

use super::{Code, Diagnostic, Diagnostics, Severity, quote};

impl Diagnostics {
    /// Rows of a result fail a blocking check; the previous version of the table stays.
    ///
    /// `samples` are rows as `column=value ..`; `help` says what such rows mean.
    pub fn table_rejected(
        &mut self,
        table: &str,
        failing: u64,
        rows: u64,
        check: &str,
        samples: Vec<String>,
        help: &str,
    ) {
        let title = format!("table {} rejected: {failing} of {rows} rows fail {}", quote(table), quote(check));
        let mut message = Diagnostic::error(Code::TableRejected, title);
        message.details = sample_line(samples);
        self.push(message.help(format!("{help}; the previous table was kept")));
    }

    /// Rows of an export break the contract of `source` where the contract says `fail`; `allowed` is
    /// the tolerance that they exceed, such as `10 rows`.
    pub fn source_rejected(
        &mut self,
        source: &str,
        (failing, rows): (u64, u64),
        check: &str,
        allowed: Option<&str>,
        samples: Vec<String>,
    ) {
        let allowed = allowed.map(|allowed| format!(", allowed are {allowed}")).unwrap_or_default();
        let title =
            format!("source {} rejected: {failing} of {rows} rows fail {}{allowed}", quote(source), quote(check));
        let mut message = Diagnostic::error(Code::SourceRejected, title);
        message.details = sample_line(samples);
        self.push(
            message.help("repair the export, or set such rows aside: `on_violation: {quarantine: {max_rows: 500}}`"),
        );
    }

    /// More rows of `source` were set aside than `limit`, such as `500 rows`, allows.
    pub fn quarantine_exceeded(&mut self, source: &str, quarantined: u64, rows: u64, limit: &str) {
        let title = format!("source {}: {quarantined} of {rows} rows quarantined, allowed are {limit}", quote(source));
        self.push(
            Diagnostic::error(Code::QuarantineExceeded, title)
                .help("look at the quarantined rows first; raise the limit only if they are as expected"),
        );
    }

    /// `source` is older than `error_after` allows, counted from the cut-off; `said` tells how old.
    pub fn source_stale(&mut self, source: &str, said: &str, limits: &str) {
        let title = format!("source {} is stale: {said}", quote(source));
        self.push(
            Diagnostic::error(Code::SourceStale, title)
                .help(limits)
                .help("nothing was published; run again when the export is there"),
        );
    }

    /// A contract of `source` as a whole is broken: `said` is what was found, `allowed` what is expected.
    pub fn source_check(&mut self, source: &str, rule: &str, said: &str, allowed: &str, severity: Severity) {
        let (source, rule) = (quote(source), quote(rule));
        let title = match severity {
            Severity::Error => format!("source {source} rejected by {rule}: {said}"),
            Severity::Warning => format!("source {source} is not as {rule} expects: {said}"),
        };
        let mut message = Diagnostic { severity, ..Diagnostic::error(Code::SourceCheck, title) };
        message.help.extend(Some(allowed.to_owned()).filter(|allowed| !allowed.is_empty()));
        if severity == Severity::Error {
            message = message.help("nothing was published; the previous tables were kept");
        }
        self.push(message);
    }

    /// Rows of `source` break its contract and were set aside; a warning.
    pub fn rows_quarantined(&mut self, source: &str, quarantined: u64, rows: u64, folder: &str) {
        let title = format!("source {}: {quarantined} of {rows} rows quarantined", quote(source));
        self.push(
            Diagnostic::warning(Code::RowsQuarantined, title)
                .help(format!("the rows and their reasons are in {}", quote(folder))),
        );
    }

    /// `source` is older than `warn_after` expects, counted from the cut-off; a warning.
    pub fn source_late(&mut self, source: &str, said: &str, limits: &str) {
        let title = format!("source {} is late: {said}", quote(source));
        self.push(
            Diagnostic::warning(Code::SourceLate, title).help(limits).help("check that the export of the night ran"),
        );
    }
}

fn sample_line(samples: Vec<String>) -> Vec<String> {
    if samples.is_empty() { samples } else { vec![samples.join(", ")] }
}
