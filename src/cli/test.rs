//! `tenure test`

use std::io;
use std::thread;

use glob::Pattern;

use super::args::TestArgs;
use super::prepare::{self, Refused};
use super::voice::Voice;
use super::world::World;
use super::{Exit, Io, exit};
use crate::cases::{self, CaseError, Findings, Folder};
use crate::diag::{Diagnostics, nearest};
use crate::report::Trouble;
use crate::report::format::counted;
use crate::spec::cases::CaseNode;
use crate::spec::file::PipelineFile;

/// Stack of the thread that runs the tests: plans of queries are deep.
const STACK: usize = 64 << 20;

pub(super) fn run(args: &TestArgs, io: &mut Io<'_>) -> io::Result<Exit> {
    let voice = Voice::people(io.world);
    let read = match prepare::read_with(&args.pipeline, args.env.as_ref(), &args.params, io.world) {
        Ok(read) => read,
        Err(refused) => return refused.tell(voice, io),
    };
    let (file, mut diags) = (read.file, read.diags);
    let chosen = match chosen(&file, &args.select) {
        Ok(chosen) => chosen,
        Err(trouble) => return Refused::trouble(Exit::Usage, trouble).tell(voice, io),
    };
    let name = format!("tenure-test-{}", World::run_id(World::now()));
    let folder = match Folder::create(std::env::temp_dir().join(name)) {
        Ok(folder) => folder,
        Err(error) => {
            let trouble = Trouble::error(&format!("could not make a folder for the tests: {error}"));
            return Refused::trouble(exit::of_io(&error), trouble).tell(voice, io);
        }
    };
    let mut failed = 0;
    for case in &chosen {
        match on_a_deep_stack(&file, case, &folder, &mut diags)? {
            Ok(findings) if findings.is_empty() => writeln!(io.out, "ok      {}", case.name)?,
            Ok(findings) => {
                failed += 1;
                let (line, _) = diags.position(case.key_span.start);
                writeln!(io.out, "FAILED  {} ({}:{line})", case.name, diags.file())?;
                for line in findings.iter().flat_map(|finding| finding.lines()) {
                    writeln!(io.out, "    {line}")?;
                }
            }
            Err(CaseError::Invalid) => return prepare::refused(diags, None).tell(voice, io),
            Err(error) => {
                let trouble = Trouble::error(&format!("test `{}` could not be run: {error}", case.name));
                let exit = match &error {
                    CaseError::Engine(error) => exit::of_error(error).unwrap_or(Exit::Failed),
                    _ => Exit::Failed,
                };
                return Refused::trouble(exit, trouble).tell(voice, io);
            }
        }
    }
    voice.diagnostics(io.err, &diags)?;
    let all = counted(chosen.len() as u64, "test");
    if failed == 0 {
        writeln!(io.out, "{all} passed")?;
        return Ok(Exit::Success);
    }
    writeln!(io.out, "{failed} of {all} failed")?;
    Ok(Exit::Failed)
}

/// Runs one test in a folder of its own, on a thread of its own.
fn on_a_deep_stack(
    file: &PipelineFile,
    case: &CaseNode,
    folder: &Folder,
    diags: &mut Diagnostics,
) -> io::Result<Result<Findings, CaseError>> {
    let inner = folder.inner(&case.name)?;
    thread::scope(|scope| {
        let work = thread::Builder::new()
            .name("test".to_owned())
            .stack_size(STACK)
            .spawn_scoped(scope, || cases::run(file, case, &inner, diags))?;
        match work.join() {
            Ok(result) => Ok(result),
            // Told where panics of every verb are told.
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// The tests to run: all, or those that a term names.
fn chosen<'a>(file: &'a PipelineFile, terms: &[String]) -> Result<Vec<&'a CaseNode>, Trouble> {
    if file.cases.is_empty() {
        return Err(Trouble::error("the pipeline file has no `tests`")
            .help("add `tests: {NAME: {as_of: .., given: {SOURCE: ..}, expect: {TABLE: ..}}}`"));
    }
    let matches = |term: &str, case: &CaseNode| {
        term == case.name || Pattern::new(term).is_ok_and(|pattern| pattern.matches(&case.name))
    };
    for term in terms {
        if !file.cases.iter().any(|case| matches(term, case)) {
            let names: Vec<&str> = file.cases.iter().map(|case| case.name.as_str()).collect();
            let trouble = Trouble::error(&format!("`--select {term}` matches no test"));
            return Err(match nearest(term, &names) {
                Some(name) => trouble.help(format!("did you mean `{name}`?")),
                None => trouble.help(format!("tests: `{}`", names.join("`, `"))),
            });
        }
    }
    let wanted = |case: &&CaseNode| terms.is_empty() || terms.iter().any(|term| matches(term, case));
    Ok(file.cases.iter().filter(wanted).collect())
}
