//! The summary a person reads after a run: what was read, what was published, the headline figures.

use std::fmt::Write as _;
use std::time::Duration;

use super::format::{aligned, bytes, count, counted, duration};
use super::{FigureReport, ReasonReport, RunReport, RunStatus, SourceReport, TableReport};

/// How a summary is shown.
#[derive(Clone, Debug, Default)]
pub struct Style {
    /// Whether ANSI escapes are used. Meaning is never carried by them alone.
    pub color: bool,
    /// The folder of the tables, as it is shown.
    pub root: String,
    /// The record of the run, as it is shown.
    pub record: Option<String>,
}

/// Longest line, where words can be wrapped.
const WIDTH: usize = 80;

/// The summary in two parts: the tables of facts, and the last line. What went wrong belongs between them.
#[must_use]
pub fn summary(report: &RunReport, style: &Style) -> (String, String) {
    let bold = |text: &str| if style.color { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() };
    let mut out = String::new();
    let environment = report.environment.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
    let _ = writeln!(out, "{}{environment} as of {}", bold(&report.pipeline), report.as_of);
    for (title, body) in [
        (String::new(), sources(&report.sources)),
        (format!("published in {}", style.root), published(&report.tables)),
        ("not published".to_owned(), unpublished(&report.tables)),
        ("last complete period".to_owned(), figures(&report.tables)),
    ] {
        if body.is_empty() {
            continue;
        }
        out.push('\n');
        if !title.is_empty() {
            let _ = writeln!(out, "{}", bold(&title));
        }
        out.push_str(&body);
    }
    (out, closing(report, style))
}

fn sources(sources: &[SourceReport]) -> String {
    let read: Vec<&SourceReport> = sources.iter().filter(|source| source.read.is_some()).collect();
    if read.is_empty() {
        return String::new();
    }
    let mut rows = vec![["read", "files", "rows", "used", "left out"].map(str::to_owned).to_vec()];
    for source in &read {
        let (read, used) = (source.read.unwrap_or(0), source.used.unwrap_or(0));
        let files = u64::try_from(source.files).unwrap_or(0);
        rows.push(vec![
            format!("  {}", source.name),
            count(files),
            count(read),
            count(used),
            count(read.saturating_sub(used)),
        ]);
    }
    let mut lines = aligned(&rows, &[false, true, true, true, true], 0);
    // The reasons stand below the source that they explain.
    for (at, source) in read.iter().enumerate().rev() {
        let mut below = if source.attrition.is_empty() { String::new() } else { reasons("", &source.attrition) };
        for finding in source.findings.iter().filter(|finding| finding.verdict == "unchecked") {
            let words: Vec<String> = finding.said.split(' ').map(str::to_owned).collect();
            below.push_str(&wrapped(&format!("{} is not checked: ", finding.rule), &words, 6, " "));
        }
        let end = lines.match_indices('\n').nth(at + 1).map_or(lines.len(), |(end, _)| end + 1);
        lines.insert_str(end, &below);
    }
    lines
}

fn published(tables: &[TableReport]) -> String {
    let shown: Vec<&TableReport> = tables.iter().filter(|table| table.state == "published").collect();
    let row = |table: &&TableReport| {
        let note = if table.changed == Some(false) { "unchanged" } else { "" };
        let (rows, size) = (table.rows.unwrap_or(0), table.bytes.unwrap_or(0));
        vec![format!("  {}", table.name), counted(rows, "row"), bytes(size), note.to_owned()]
    };
    let rows: Vec<Vec<String>> = shown.iter().map(row).collect();
    let mut lines = aligned(&rows, &[false, true, true], 0);
    for (at, table) in shown.iter().enumerate().rev() {
        if !table.attrition.is_empty() {
            let end = lines.match_indices('\n').nth(at).map_or(lines.len(), |(end, _)| end + 1);
            lines.insert_str(end, &reasons("from rows: ", &table.attrition));
        }
    }
    lines
}

/// Tables by why they are not there. Where the engine gave no outcome, the error says more than a list of all.
fn unpublished(tables: &[TableReport]) -> String {
    let mut by_reason: Vec<(String, Vec<String>)> = Vec::new();
    for table in tables.iter().filter(|table| !matches!(table.state.as_str(), "published" | "helper" | "unknown")) {
        let reason = table.reason.as_deref().and_then(|reason| reason.lines().next()).unwrap_or_default();
        let reason = match table.state.as_str() {
            "failed" => format!("failed, {}", clip(reason, WIDTH)),
            _ => clip(reason, WIDTH),
        };
        match by_reason.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, names)) => names.push(table.name.clone()),
            None => by_reason.push((reason, vec![table.name.clone()])),
        }
    }
    by_reason.iter().map(|(reason, names)| list(&format!("{reason}: "), names, 2)).collect()
}

/// `duplicate 4, deleted 2`; rules that set rows aside are told with the warning about them.
fn reasons(intro: &str, all: &[ReasonReport]) -> String {
    let aside = all.iter().filter(|reason| reason.reason.starts_with("quarantined"));
    let aside: u64 = aside.map(|reason| reason.rows).sum();
    let others = all.iter().filter(|reason| !reason.reason.starts_with("quarantined"));
    let mut words: Vec<String> = others.map(|reason| format!("{} {}", reason.reason, count(reason.rows))).collect();
    if aside > 0 {
        words.push(format!("quarantined {}", count(aside)));
    }
    list(intro, &words, 6)
}

/// Items separated by commas, wrapped between them.
fn list(intro: &str, items: &[String], indent: usize) -> String {
    wrapped(intro, items, indent, ", ")
}

/// Items with a separator, wrapped between them.
fn wrapped(intro: &str, items: &[String], indent: usize, separator: &str) -> String {
    let mut out = String::new();
    let mut line = intro.to_owned();
    for (at, item) in items.iter().enumerate() {
        let comma = if at + 1 < items.len() { separator.trim_end() } else { "" };
        if at > 0 && indent + line.chars().count() + item.chars().count() + comma.len() > WIDTH {
            let _ = writeln!(out, "{}{}", " ".repeat(indent), line.trim_end());
            line.clear();
        }
        line.push_str(item);
        line.push_str(comma);
        line.push(' ');
    }
    let _ = writeln!(out, "{}{}", " ".repeat(indent), line.trim_end());
    out
}

fn clip(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut out: String = text.chars().take(most.saturating_sub(3)).collect();
    out.push_str("...");
    out
}

/// Most currencies side by side.
const ACROSS: usize = 3;

/// One row per figure, one column per currency.
fn figures(tables: &[TableReport]) -> String {
    let all: Vec<(&TableReport, &FigureReport)> =
        tables.iter().flat_map(|table| table.figures.iter().map(move |f| (table, f))).collect();
    let mut currencies: Vec<&str> = Vec::new();
    let mut keys: Vec<(&str, &str, Option<jiff::civil::Date>)> = Vec::new();
    for (table, figure) in &all {
        if !currencies.contains(&figure.currency.as_str()) {
            currencies.push(&figure.currency);
        }
        let key = (table.name.as_str(), figure.label.as_str(), figure.period_start);
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    // A label that two tables have is told apart by the table.
    let twice = |table: &str, label: &str| keys.iter().any(|(t, l, _)| *t != table && *l == label);
    let mut blocks = Vec::new();
    for some in currencies.chunks(ACROSS) {
        let mut rows = vec![vec![String::new()]];
        rows[0].extend(some.iter().map(|code| if code.is_empty() { "all".to_owned() } else { (*code).to_owned() }));
        rows[0].push("period from".to_owned());
        for (table, label, period) in &keys {
            let cell = |code: &&str| {
                let of = |(t, f): &&(&TableReport, &FigureReport)| {
                    t.name == *table && f.label == *label && f.period_start == *period && f.currency == **code
                };
                all.iter().find(of).map_or(String::new(), |(_, figure)| figure.shown.clone())
            };
            let cells: Vec<String> = some.iter().map(cell).collect();
            if cells.iter().all(String::is_empty) {
                continue;
            }
            let name = if twice(table, label) { format!("  {label} ({table})") } else { format!("  {label}") };
            let mut row = vec![name];
            row.extend(cells);
            row.push(period.map(|day| day.to_string()).unwrap_or_default());
            rows.push(row);
        }
        if rows.len() > 1 {
            let mut right = vec![true; some.len() + 1];
            right[0] = false;
            right.push(false);
            blocks.push(aligned(&rows, &right, 0));
        }
    }
    blocks.join("\n")
}

fn closing(report: &RunReport, style: &Style) -> String {
    let took = duration(Duration::from_secs_f64(report.duration_s.max(0.0)));
    let states = |state: &str| report.tables.iter().filter(|table| table.state == state).count() as u64;
    let (published, unchanged) =
        (states("published"), report.tables.iter().filter(|t| t.changed == Some(false)).count() as u64);
    let (word, paint) = match report.status {
        RunStatus::Succeeded => ("succeeded", "\x1b[1;32m"),
        RunStatus::Failed => ("failed", "\x1b[1;31m"),
        RunStatus::Rejected => ("rejected", "\x1b[1;31m"),
        RunStatus::Cancelled => ("cancelled", "\x1b[1;33m"),
    };
    let word = if style.color { format!("{paint}{word}\x1b[0m") } else { word.to_owned() };
    let what = match (published, unchanged) {
        (0, _) if report.publishing_unfinished => "publishing did not finish; the next run settles it".to_owned(),
        (0, _) => "nothing published".to_owned(),
        (all, 0) => format!("{} published", counted(all, "table")),
        (all, same) if all == same => format!("{}, nothing had changed", counted(all, "table")),
        (all, same) => format!("{} published, {} of them unchanged", counted(all, "table"), count(same)),
    };
    let by = report.stopped_by.as_ref().map(|by| format!(" by {by}")).unwrap_or_default();
    let memory =
        report.peak_memory_bytes.map(|peak| format!(", at most {} of memory", bytes(peak))).unwrap_or_default();
    let (passed, failed) = report.checks();
    let checks = match (passed, failed) {
        (0, 0) => String::new(),
        (_, 0) => format!(", {} passed", counted(passed as u64, "check")),
        _ => format!(", {} of {} failed", failed, counted((passed + failed) as u64, "check")),
    };
    let mut out = format!("{word}{by}: {what}{checks}, {took}{memory}\n");
    if let Some(record) = &style.record {
        let _ = writeln!(out, "record: {record}");
    }
    out
}
