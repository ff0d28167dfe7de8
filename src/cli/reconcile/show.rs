//! A comparison for people, and as JSON.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Value, json};

use super::Compared;
use crate::cli::args::ReconcileArgs;
use crate::reconcile::explain::{CurrencyBridge, Difference, Reason};
use crate::reconcile::{Kind, Window};
use crate::report::format::{aligned, count, counted, exact, money};

/// What a reason is called.
pub(super) fn name(reason: &Reason) -> &str {
    match reason {
        Reason::Rounding => "rounding",
        Reason::Rule(rule) => rule,
        Reason::OnlyOurs => "unexplained, only in the ledger",
        Reason::OnlyTheirs => "unexplained, only in the export",
        Reason::Unexplained => "unexplained",
    }
}

pub(super) fn text(args: &ReconcileArgs, compared: &Compared) -> String {
    let mut out = String::new();
    let known = compared.known.map(|name| format!(" ({name})")).unwrap_or_default();
    let _ =
        writeln!(out, "{} of {} against {}{known}", compared.table, args.pipeline.display(), args.against.display());
    let _ = match compared.window {
        Window::Balances { at } => writeln!(out, "recurring revenue at the end of {at}"),
        Window::Movements { since, at } => writeln!(out, "movements by month from {since} to {at}"),
    };
    for kind in &compared.left_out {
        let _ = writeln!(out, "movements of kind `{}` are left out: the export has none", kind.name());
    }
    for bridge in &compared.bridge.currencies {
        out.push('\n');
        of_currency(&mut out, compared, bridge);
    }
    if args.top > 0 {
        largest(&mut out, args.top, compared);
    }
    out.push('\n');
    let differences = &compared.bridge.differences;
    let customers = |of: &dyn Fn(&Difference) -> bool| {
        differences.iter().filter(|d| of(d)).map(|d| d.subject.customer.as_str()).collect::<BTreeSet<_>>().len() as u64
    };
    let (all, open) = (customers(&|_| true), customers(&|d| !d.reason.explains()));
    let _ = match (all, open) {
        (0, _) => writeln!(out, "no difference"),
        (_, 0) => writeln!(out, "explained: {}", counted(all, "customer")),
        _ => {
            writeln!(out, "explained: {}; unexplained: {}", counted(all - open, "customer"), counted(open, "customer"))
        }
    };
    out
}

fn of_currency(out: &mut String, compared: &Compared, bridge: &CurrencyBridge) {
    let shown = |amount: i64| money(amount, compared.scale, &bridge.currency);
    let mut rows = vec![vec![bridge.currency.clone(), "customers".to_owned(), "amount".to_owned()]];
    rows.push(vec!["  ledger".to_owned(), count(bridge.ours.customers), shown(bridge.ours.amount)]);
    for line in &bridge.lines {
        let sign = if line.amount > 0 { "+" } else { "" };
        rows.push(vec![
            format!("  {}", name(&line.reason)),
            count(line.customers),
            format!("{sign}{}", shown(line.amount)),
        ]);
    }
    rows.push(vec!["  export".to_owned(), count(bridge.theirs.customers), shown(bridge.theirs.amount)]);
    out.push_str(&aligned(&rows, &[false, true, true], 0));
    if !bridge.kinds.is_empty() && matches!(compared.window, Window::Movements { .. }) {
        let mut rows = vec![["  kind", "ledger", "export", "difference"].map(str::to_owned).to_vec()];
        for (kind, ours, theirs) in &bridge.kinds {
            rows.push(vec![format!("  {}", kind.name()), shown(*ours), shown(*theirs), shown(theirs - ours)]);
        }
        out.push('\n');
        out.push_str(&aligned(&rows, &[false, true, true, true], 0));
    }
}

/// The largest differences of every reason.
fn largest(out: &mut String, top: usize, compared: &Compared) {
    let differences = &compared.bridge.differences;
    let mut reasons: Vec<&Reason> = Vec::new();
    for line in compared.bridge.currencies.iter().flat_map(|c| &c.lines) {
        if !reasons.contains(&&line.reason) {
            reasons.push(&line.reason);
        }
    }
    let months = matches!(compared.window, Window::Movements { .. });
    for reason in reasons {
        let of: Vec<&Difference> = differences.iter().filter(|d| d.reason == *reason).collect();
        if of.is_empty() {
            continue;
        }
        let mut header = vec!["  customer", "currency", "ledger", "export", "difference", "also explained by"];
        if months {
            header.insert(1, "month");
        }
        let mut rows = vec![header.into_iter().map(str::to_owned).collect::<Vec<_>>()];
        for difference in of.iter().take(top) {
            let subject = &difference.subject;
            let shown = |amount: i64| money(amount, compared.scale, &subject.currency);
            let mut row = vec![
                format!("  {}", plain(&subject.customer)),
                subject.currency.clone(),
                shown(difference.ours.total()),
                shown(difference.theirs.total()),
                shown(difference.amount()),
                difference.also.join(", "),
            ];
            if let Some(month) = subject.month {
                row.insert(1, month.strftime("%Y-%m").to_string());
            }
            rows.push(row);
        }
        if rows.iter().skip(1).all(|row| row.last().is_some_and(String::is_empty)) {
            rows.iter_mut().for_each(|row| drop(row.pop()));
        }
        let shown = top.min(of.len());
        let whole =
            if shown < of.len() { format!(" (largest {shown} of {})", count(of.len() as u64)) } else { String::new() };
        let _ = writeln!(out, "\n{}{whole}", name(reason));
        let right: &[bool] =
            if months { &[false, false, false, true, true, true] } else { &[false, false, true, true, true] };
        out.push_str(&aligned(&rows, right, 0));
    }
}

/// Values of an export must not move the cursor of a terminal.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

pub(super) fn document(args: &ReconcileArgs, compared: &Compared) -> Value {
    let shown = |amount: i64| exact(amount, compared.scale);
    let currency = |bridge: &CurrencyBridge| {
        let lines: Vec<Value> = bridge
            .lines
            .iter()
            .map(|line| {
                json!({
                    "reason": name(&line.reason),
                    "explained": line.reason.explains(),
                    "customers": line.customers,
                    "amount": shown(line.amount),
                })
            })
            .collect();
        let kinds: Vec<Value> = bridge
            .kinds
            .iter()
            .filter(|_| matches!(compared.window, Window::Movements { .. }))
            .map(|(kind, ours, theirs)| {
                json!({"kind": kind.name(), "ledger": shown(*ours), "export": shown(*theirs), "difference": shown(theirs - ours)})
            })
            .collect();
        json!({
            "currency": bridge.currency,
            "ledger": {"customers": bridge.ours.customers, "amount": shown(bridge.ours.amount)},
            "export": {"customers": bridge.theirs.customers, "amount": shown(bridge.theirs.amount)},
            "difference": shown(bridge.theirs.amount - bridge.ours.amount),
            "lines": lines,
            "kinds": kinds,
        })
    };
    let (compares, since, at) = match compared.window {
        Window::Balances { at } => ("balances", None, at),
        Window::Movements { since, at } => ("movements", Some(since.to_string()), at),
    };
    json!({
        "pipeline": args.pipeline.display().to_string(),
        "table": compared.table,
        "against": args.against.display().to_string(),
        "form": compared.known,
        "compares": compares,
        "since": since,
        "at": at.to_string(),
        "left_out": compared.left_out.iter().map(|kind| kind.name()).collect::<Vec<_>>(),
        "currencies": compared.bridge.currencies.iter().map(currency).collect::<Vec<_>>(),
        "differing": compared.bridge.differences.len(),
        "unexplained": compared.bridge.differences.iter().filter(|d| !d.reason.explains()).count(),
    })
}

/// A kind's row in the list of differences: its name, ours and theirs.
pub(super) fn rows(difference: &Difference, window: Window) -> Vec<(Option<Kind>, i64, i64)> {
    match window {
        Window::Balances { .. } => vec![(None, difference.ours.total(), difference.theirs.total())],
        Window::Movements { .. } => Kind::ALL
            .into_iter()
            .map(|kind| (Some(kind), difference.ours.of(kind), difference.theirs.of(kind)))
            .filter(|(_, ours, theirs)| ours != theirs)
            .collect(),
    }
}
