//! `tenure reconcile`

mod list;
mod show;

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use jiff::civil::Date;

use super::args::{PipelineArgs, ReconcileArgs, ReconcileFormat};
use super::voice::Voice;
use super::{Exit, Io, exit, prepare};
use crate::engine::books::Books;
use crate::engine::{EngineError, RunOutcome};
use crate::plan::RunPlan;
use crate::reconcile::explain::{Bridge, explain};
use crate::reconcile::export::{Export, Reading, Theirs};
use crate::reconcile::layout::{Layout, Role, Unit};
use crate::reconcile::options::{Alternative, alternatives, presets};
use crate::reconcile::variants::{Variants, ledger_of};
use crate::reconcile::{Book, Fault, Kind, Window, grid};
use crate::report::{Trouble, of_error, of_outcome};
use crate::spec::pipeline::LimitsSpec;

/// What was compared, and what came out.
struct Compared {
    table: String,
    known: Option<&'static str>,
    window: Window,
    scale: u8,
    /// Kinds of movements of the ledger that the export does not have at all.
    left_out: Vec<Kind>,
    bridge: Bridge,
}

/// Why nothing was compared.
enum Stopped {
    Fault(Fault),
    Engine(EngineError),
    Rejected(RunOutcome),
    Refused(Box<prepare::Refused>),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<EngineError> for Stopped {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl From<Box<prepare::Refused>> for Stopped {
    fn from(refused: Box<prepare::Refused>) -> Self {
        Self::Refused(refused)
    }
}

pub(super) fn run(args: &ReconcileArgs, io: &mut Io<'_>) -> io::Result<Exit> {
    let voice = Voice::people(io.world);
    let compared = match compare(args, voice, io)? {
        Ok(compared) => compared,
        Err(stopped) => return tell(stopped, voice, io),
    };
    if let Some(path) = &args.out
        && let Err(error) = list::write(path, &compared)
    {
        voice.trouble(io.err, &Trouble::error(&format!("could not write `{}`: {error}", path.display())))?;
        return Ok(exit::of_io(&error));
    }
    match args.format {
        ReconcileFormat::Text => io.out.write_all(show::text(args, &compared).as_bytes())?,
        ReconcileFormat::Json => {
            serde_json::to_writer_pretty(&mut *io.out, &show::document(args, &compared))?;
            writeln!(io.out)?;
        }
    }
    Ok(if compared.bridge.has_unexplained() { Exit::Differences } else { Exit::Success })
}

fn tell(stopped: Stopped, voice: Voice<'_>, io: &mut Io<'_>) -> io::Result<Exit> {
    match stopped {
        Stopped::Refused(refused) => refused.tell(voice, io),
        Stopped::Fault(fault) => {
            let mut trouble = Trouble::error(&fault.title).help(fault.help);
            trouble.details = fault.details;
            voice.trouble(io.err, &trouble)?;
            Ok(if fault.usage { Exit::Usage } else { Exit::Source })
        }
        Stopped::Engine(error) => {
            voice.trouble(io.err, &of_error(&error))?;
            Ok(exit::of_error(&error).unwrap_or(Exit::Interrupted))
        }
        Stopped::Rejected(outcome) => {
            voice.troubles(io.err, &of_outcome(&outcome))?;
            Ok(Exit::Contract)
        }
    }
}

fn compare(args: &ReconcileArgs, voice: Voice<'_>, io: &mut Io<'_>) -> io::Result<Result<Compared, Stopped>> {
    let pipeline = PipelineArgs {
        pipeline: args.pipeline.clone(),
        select: Vec::new(),
        exclude: Vec::new(),
        as_of: args.as_of,
        cutoff: args.cutoff,
        params: args.params.clone(),
        env: args.env.clone(),
        root: None,
    };
    let looked = prepare::read(&pipeline, io.world)
        .and_then(|read| read.look(&pipeline, LimitsSpec::default()))
        .and_then(|mut looked| {
            let plan = looked.resolve()?;
            Ok((looked, plan))
        });
    let (looked, plan) = match looked {
        Ok(both) => both,
        Err(refused) => return Ok(Err(refused.into())),
    };
    voice.diagnostics(io.err, looked.warnings())?;
    Ok(side_by_side(args, looked, &plan))
}

fn side_by_side(args: &ReconcileArgs, looked: prepare::Looked, plan: &RunPlan) -> Result<Compared, Stopped> {
    let table = ledger_of(plan, args.table.as_deref())?;
    let zone = looked.file.header.timezone.time_zone().clone();
    let (export, layout, movements) = read(args, plan, zone)?;
    let window = window(args, &export, movements, plan.context.as_of)?;
    let theirs = export.within(window)?;

    let mut variants = Variants::new(looked.file, looked.catalog, looked.request, &table)?;
    let internal = || Fault {
        title: format!("ledger `{table}` cannot be resolved by itself"),
        details: Vec::new(),
        help: "this is a bug of tenure; please report it with the pipeline file".to_owned(),
        usage: false,
    };
    let base = variants.plan(&[]).ok_or_else(internal)?;
    let ledger = base.tables.first().ok_or_else(internal)?;
    let options = alternatives(variants.body());
    let presets: Vec<Alternative> = presets().iter().filter_map(|preset| variants.possible(preset)).collect();
    let others: Vec<_> = options.iter().chain(&presets).filter_map(|option| variants.with(&option.edits)).collect();
    let books = Books::load(&base, others.iter().chain([ledger]))?.map_err(Stopped::Rejected)?;
    let mut ours = books.book(ledger, window, None)?;
    let left_out = left_out(&ours, &theirs, window);
    let without = |book: &mut Book| {
        for amounts in book.values_mut() {
            left_out.iter().for_each(|kind| amounts.drop(*kind));
        }
    };
    without(&mut ours);
    let mut compute = |option: &Alternative, customers: Option<&BTreeSet<&str>>| -> Result<Option<Book>, EngineError> {
        let Some(table) = variants.with(&option.edits).filter(|table| books.covers(table)) else { return Ok(None) };
        let mut book = books.book(&table, window, customers)?;
        without(&mut book);
        Ok(Some(book))
    };
    let bridge = explain(&ours, &theirs, &options, &presets, &mut compute)?;
    Ok(Compared { table, known: layout.known, window, scale: plan.context.scale, left_out, bridge })
}

/// Reads the export, and decides what of it is compared.
fn read(args: &ReconcileArgs, plan: &RunPlan, zone: jiff::tz::TimeZone) -> Result<(Export, Layout, bool), Fault> {
    let grid = grid::read(&args.against)?;
    let unit = args.unit.map(|unit| match unit {
        super::args::AmountUnit::Minor => Unit::Minor,
        super::args::AmountUnit::Major => Unit::Major,
    });
    let layout = Layout::find(&grid.header, &args.columns, unit)?;
    let movements = match args.compare {
        None => layout.has_movements(),
        Some(super::args::Comparison::Balances) => false,
        Some(super::args::Comparison::Movements) if layout.has_movements() => true,
        Some(super::args::Comparison::Movements) => {
            return Err(Fault {
                title: format!(
                    "movements need a date, a change and a type; the columns of the export: {}",
                    grid.header.join(", ")
                ),
                details: Vec::new(),
                help: "name them with `--columns date=NAME,change=NAME,type=NAME`, or compare balances".to_owned(),
                usage: true,
            });
        }
    };
    let reading = Reading {
        zone,
        scale: plan.context.scale,
        currency: args.currency.clone().map(|code| code.to_ascii_uppercase()).or_else(|| plan.context.currency.clone()),
        decimals: args.decimals,
        kinds: args.kinds.iter().cloned().collect::<BTreeMap<_, _>>(),
    };
    Ok((Export::new(&grid, &layout, movements, &reading)?, layout, movements))
}

/// What is compared: as asked, else up to the last month that both sides know as a whole.
fn window(args: &ReconcileArgs, export: &Export, movements: bool, as_of: Date) -> Result<Window, Fault> {
    let usage = |title: String, help: &str| Fault { title, details: Vec::new(), help: help.to_owned(), usage: true };
    if let Some(at) = args.at.filter(|at| *at > as_of) {
        return Err(usage(
            format!("`--at {at}` is after the last day of the ledger, {as_of}"),
            "choose an earlier day, or a later `--as-of`",
        ));
    }
    let known = |last: Date| month_end(last.min(as_of));
    let at = match (args.at, export.last_day()) {
        (Some(at), _) => at,
        // Movements end with the last one there was, which says nothing about how far the export goes.
        (None, Some(last)) if movements => known(last.last_of_month()),
        (None, Some(last)) => known(last),
        (None, None) => {
            return Err(usage(
                "the export has no dates".to_owned(),
                "say of which day it is with `--at`, or name the column with `--columns date=NAME`",
            ));
        }
    };
    if !movements {
        return Ok(Window::Balances { at });
    }
    let since = args.since.or_else(|| export.first_day().map(Date::first_of_month)).unwrap_or(at.first_of_month());
    if since > at {
        return Err(usage(format!("there is nothing between {since} and {at}"), "give `--since` and `--at`"));
    }
    Ok(Window::Movements { since, at })
}

/// The last day of a month that is not after `day`.
fn month_end(day: Date) -> Date {
    if day == day.last_of_month() { day } else { day.first_of_month().yesterday().unwrap_or(day) }
}

/// Exchange-rate movements, where only the ledger has them: most systems keep them apart.
fn left_out(ours: &Book, theirs: &Theirs, window: Window) -> Vec<Kind> {
    let movements = matches!(window, Window::Movements { .. });
    let there = movements && !theirs.kinds.contains(&Kind::Fx) && ours.values().any(|a| a.of(Kind::Fx) != 0);
    if there { vec![Kind::Fx] } else { Vec::new() }
}

/// Reads `--columns`.
pub(super) fn column(text: &str) -> Result<(Role, String), String> {
    match text.split_once('=') {
        Some((role, name)) if !name.trim().is_empty() => Ok((Role::of(role.trim())?, name.trim().to_owned())),
        _ => Err("expected ROLE=COLUMN, such as customer=\"Customer ID\"".to_owned()),
    }
}

/// Reads `--kinds`.
pub(super) fn kind(text: &str) -> Result<(String, Option<Kind>), String> {
    let Some((theirs, ours)) = text.split_once('=') else {
        return Err("expected THEIRS=OURS, such as upsell=expansion".to_owned());
    };
    let ours = ours.trim();
    if ours == "ignore" {
        return Ok((theirs.trim().to_owned(), None));
    }
    match Kind::of_ledger(ours) {
        Some(kind) => Ok((theirs.trim().to_owned(), Some(kind))),
        None => Err(format!("`{ours}` is no kind; there is {} and ignore", Kind::ALL.map(Kind::name).join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn the_last_whole_month_is_compared() {
        assert_eq!(month_end(date(2026, 6, 30)), date(2026, 6, 30));
        assert_eq!(month_end(date(2026, 6, 29)), date(2026, 5, 31));
        assert_eq!(month_end(date(2026, 3, 1)), date(2026, 2, 28));
    }

    #[test]
    fn flags_are_read() {
        assert_eq!(column("customer=Customer ID"), Ok((Role::Customer, "Customer ID".to_owned())));
        assert_eq!(column("month=M"), Ok((Role::Date, "M".to_owned())));
        assert!(column("customer").is_err() && column("who=x").is_err());
        assert_eq!(kind("upsell=expansion"), Ok(("upsell".to_owned(), Some(Kind::Expansion))));
        assert_eq!(kind("note=ignore"), Ok(("note".to_owned(), None)));
        assert!(kind("upsell=more").unwrap_err().contains("expansion"));
    }
}
