//! Messages of group `T04`: data breaks a contract while a run goes on. They have no place in the file.

use super::{Code, Diagnostic, Diagnostics, quote};

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

    /// Rows of an export break the contract of `source` where the contract says `fail`.
    pub fn source_rejected(&mut self, source: &str, failing: u64, rows: u64, check: &str, samples: Vec<String>) {
        let title = format!("source {} rejected: {failing} of {rows} rows fail {}", quote(source), quote(check));
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

    /// The newest row of `source` is older than `error_after`, counted from the cut-off.
    pub fn source_stale(&mut self, source: &str, newest: &str, age: &str, limit: &str) {
        let title =
            format!("source {} is stale: its newest row is from {newest}, {age} before the cut-off", quote(source));
        self.push(
            Diagnostic::error(Code::SourceStale, title)
                .help(format!("`error_after` allows {limit}; check that the export ran")),
        );
    }

    /// Rows of `source` break its contract and were set aside; a warning.
    pub fn rows_quarantined(&mut self, source: &str, quarantined: u64, rows: u64, folder: &str) {
        let title = format!("source {}: {quarantined} of {rows} rows quarantined", quote(source));
        self.push(
            Diagnostic::warning(Code::RowsQuarantined, title)
                .help(format!("the rows and their reasons are in {}", quote(folder))),
        );
    }

    /// The newest row of `source` is older than `warn_after`, counted from the cut-off; a warning.
    pub fn source_late(&mut self, source: &str, newest: &str, age: &str, limit: &str) {
        let title =
            format!("source {} is late: its newest row is from {newest}, {age} before the cut-off", quote(source));
        self.push(Diagnostic::warning(Code::SourceLate, title).help(format!("`warn_after` expects at most {limit}")));
    }
}

fn sample_line(samples: Vec<String>) -> Vec<String> {
    if samples.is_empty() { samples } else { vec![samples.join(", ")] }
}
