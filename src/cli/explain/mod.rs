//! `tenure explain`

mod condition;

use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use super::args::{ExplainArgs, PipelineArgs, PlanFormat};
use super::exit::{self, Exit};
use super::prepare::Prepared;
use super::voice::Voice;
use super::{Io, message_of, prepare};
use crate::diag::nearest;
use crate::engine::EngineError;
use crate::engine::explain::{Explainer, Explanation, Found, Published, Standing};
use crate::plan::{RunPlan, TablePlan};
use crate::report::explain::{Circumstance, json, literal, plain, text};
use crate::report::{Trouble, of_error};
use crate::schema::Cell;
use crate::sources::Condition;
use crate::spec::pipeline::LimitsSpec;

/// Query plans are deep, and their optimiser is recursive.
const STACK: usize = 64 << 20;
/// The pipeline that `tenure init` writes, taken where none is named.
const PIPELINE: &str = "pipeline.yml";
/// Most rows and values told of a condition that names several.
const TOLD: usize = 8;

pub(super) fn run(args: &ExplainArgs, io: &mut Io<'_>) -> io::Result<Exit> {
    let voice = Voice::people(io.world);
    let (mut pipeline, table) = match named(args) {
        Ok(named) => named,
        Err(trouble) => return refuse(voice, io, Exit::Usage, &trouble),
    };
    let read = match prepare::read(&pipeline, io.world) {
        Ok(read) => read,
        Err(refused) => return refused.tell(voice, io),
    };
    let tables: Vec<&str> = read.file.tables.iter().map(|t| t.name.as_str()).collect();
    if !tables.contains(&table.as_str()) {
        return refuse(voice, io, Exit::Usage, &unknown("the pipeline has no table", &table, &tables, "tables"));
    }
    let published = read.root(&pipeline).and_then(|root| Published::find(&root, &table));
    if pipeline.as_of.is_none() && pipeline.cutoff.is_none() {
        // A cell is most often asked about because of what readers see.
        pipeline.as_of = published.as_ref().and_then(|p| p.as_of);
    }
    let Prepared { plan, warnings } = match read.prepare(&pipeline, LimitsSpec::default()) {
        Ok(prepared) => prepared,
        Err(refused) => return refused.tell(voice, io),
    };
    voice.diagnostics(io.err, &warnings)?;
    let Some(own) = plan.tables.iter().find(|t| t.name == table) else {
        return refuse(voice, io, Exit::Internal, &Trouble::error(&format!("the plan lost table `{table}`")));
    };
    let condition = match asked(args, own) {
        Ok(condition) => condition,
        Err(trouble) => return refuse(voice, io, Exit::Usage, &trouble),
    };
    match explained(&plan, &table, &condition, args, published.as_ref()) {
        Err(Failure::Engine(error)) => {
            let exit = exit::of_error(&error).unwrap_or(Exit::Failed);
            refuse(voice, io, exit, &of_error(&error))
        }
        Err(Failure::Panic(words)) => {
            let trouble = Trouble::error(&format!("internal error: {words}"));
            let help = "this is a bug of tenure; please report it with the command";
            refuse(voice, io, Exit::Internal, &trouble.help(help))
        }
        Ok(Answer::Unnamed(trouble)) => refuse(voice, io, Exit::Usage, &trouble),
        Ok(Answer::Row(answer)) => {
            let Named { explanation, taken, rejected, standing } = *answer;
            let told = Circumstance {
                pipeline: plan.pipeline.clone(),
                as_of: plan.context.as_of,
                scale: plan.context.scale,
                taken,
                rejected,
                published: published.zip(standing),
                path: plan.publish.root.join(format!("{table}.parquet")),
            };
            match args.format {
                PlanFormat::Text => {
                    let color = io.world.out_tty && io.world.color();
                    io.out.write_all(text(&explanation, &told, color).as_bytes())?;
                }
                PlanFormat::Json => {
                    serde_json::to_writer_pretty(&mut *io.out, &json(&explanation, &told))?;
                    writeln!(io.out)?;
                }
            }
            Ok(Exit::Success)
        }
    }
}

fn refuse(voice: Voice<'_>, io: &mut Io<'_>, exit: Exit, trouble: &Trouble) -> io::Result<Exit> {
    voice.trouble(io.err, trouble)?;
    Ok(exit)
}

/// The pipeline and the table of the command line.
fn named(args: &ExplainArgs) -> Result<(PipelineArgs, String), Trouble> {
    let (file, table) = match (&args.names[..], &args.pipeline) {
        ([table], Some(file)) => (file.clone(), table.clone()),
        ([table], None) => {
            if Path::new(table).extension().is_some_and(|e| e == "yml" || e == "yaml") {
                let help = format!("`tenure explain {table} TABLE --where \"..\"`");
                return Err(Trouble::error("no table is named").help(help));
            }
            (PathBuf::from(PIPELINE), table.clone())
        }
        ([file, table], None) => (PathBuf::from(file), table.clone()),
        _ => return Err(Trouble::error("the pipeline is named twice").help("name it first, or with --pipeline")),
    };
    let pipeline = PipelineArgs {
        pipeline: file,
        select: vec![table.clone()],
        exclude: Vec::new(),
        as_of: args.as_of,
        cutoff: args.cutoff,
        params: args.params.clone(),
        env: args.env.clone(),
        root: args.root.clone(),
    };
    Ok((pipeline, table))
}

fn unknown(title: &str, name: &str, known: &[&str], noun: &str) -> Trouble {
    let trouble = Trouble::error(&format!("{title} `{name}`"));
    match nearest(name, known) {
        Some(near) => trouble.help(format!("did you mean `{near}`?")),
        None => trouble.help(format!("{noun}: {}", known.join(", "))),
    }
}

/// The condition, once the columns asked for are known to exist.
fn asked(args: &ExplainArgs, table: &TablePlan) -> Result<Condition, Trouble> {
    let names: Vec<&str> = table.schema.names().collect();
    for column in &args.column {
        if !names.contains(&column.as_str()) {
            return Err(unknown(&format!("table `{}` has no column", table.name), column, &names, "columns"));
        }
    }
    condition::read(&args.condition, &table.schema)
}

enum Failure {
    Engine(EngineError),
    Panic(String),
}

enum Answer {
    /// The condition names no row, or several.
    Unnamed(Trouble),
    Row(Box<Named>),
}

/// The row that the condition names.
struct Named {
    explanation: Explanation,
    /// What was taken for granted to find it.
    taken: Vec<(String, Cell)>,
    /// Sources whose contract is broken.
    rejected: Vec<String>,
    standing: Option<Standing>,
}

/// Computes the table and explains the row, on a thread with room for deep plans.
fn explained(
    plan: &RunPlan,
    table: &str,
    condition: &Condition,
    args: &ExplainArgs,
    published: Option<&Published>,
) -> Result<Answer, Failure> {
    let work = || {
        let explainer = Explainer::load(plan, table)?;
        let (at, taken) = match explainer.find(condition)? {
            Found::One(at, taken) => (at, taken),
            Found::None(there) => return Ok(Answer::Unnamed(no_row(table, explainer.height(), &there))),
            Found::Several(rows, differ) => return Ok(Answer::Unnamed(several(table, &rows, &differ))),
        };
        let explanation = explainer.explain(at, &args.column, args.limit)?;
        let standing = published.map(|published| explainer.standing(published, at));
        let rejected = explainer.rejected.clone();
        Ok(Answer::Row(Box::new(Named { explanation, taken, rejected, standing })))
    };
    thread::scope(|scope| {
        let thread = thread::Builder::new().name("engine".to_owned()).stack_size(STACK).spawn_scoped(scope, work);
        match thread.map(thread::ScopedJoinHandle::join) {
            Ok(Ok(result)) => result.map_err(Failure::Engine),
            Ok(Err(panic)) => Err(Failure::Panic(message_of(panic.as_ref()))),
            Err(error) => Err(Failure::Panic(format!("could not start a thread: {error}"))),
        }
    })
}

fn no_row(table: &str, rows: usize, there: &[(String, Vec<Cell>)]) -> Trouble {
    let mut trouble = Trouble::error(&format!("no row of `{table}` meets the condition"));
    if rows == 0 {
        return trouble.help("the table has no row at all");
    }
    for (name, values) in there {
        trouble = trouble.detail(format!("{name}: {}", range(values)));
    }
    trouble.help("the values above are those of the table")
}

/// Values in few words: all of them, or from the first to the last.
fn range(values: &[Cell]) -> String {
    let known: Vec<&Cell> = values.iter().filter(|v| **v != Cell::Null).collect();
    match (&known[..], known.len() > TOLD) {
        ([first, .., last], true) => format!("{} to {}", plain(first), plain(last)),
        _ => values.iter().map(literal).collect::<Vec<_>>().join(", "),
    }
}

fn several(table: &str, rows: &[Vec<(String, Cell)>], differ: &[(String, Vec<Cell>)]) -> Trouble {
    let mut trouble = Trouble::error(&format!("{} rows of `{table}` meet the condition", rows.len()));
    for row in rows.iter().take(TOLD) {
        let words: Vec<String> = row.iter().map(|(name, value)| format!("{name}={}", plain(value))).collect();
        trouble = trouble.detail(words.join(" "));
    }
    if rows.len() > TOLD {
        trouble = trouble.detail(format!("{} more", rows.len() - TOLD));
    }
    for (name, values) in differ {
        let one = values.iter().find(|v| **v != Cell::Null).map(literal).unwrap_or_default();
        trouble = trouble.help(format!("add `and {name} = {one}` or another of {}", range(values)));
    }
    trouble
}
