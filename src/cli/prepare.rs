//! From the command line to a plan: what `check`, `plan` and `run` do first.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::Io;
use super::args::PipelineArgs;
use super::exit::{self, Exit, of_io};
use super::voice::Voice;
use super::when::last_complete_day;
use super::world::{World, lexical};
use crate::diag::{Diagnostics, nearest};
use crate::plan::{Request, RunPlan, resolve};
use crate::report::Trouble;
use crate::sources::{Catalog, FileFault, Problems, SourceRequest, describe};
use crate::spec::file::{self, Overrides, PipelineFile};
use crate::spec::pipeline::LimitsSpec;
use crate::spec::{params, tree};

/// A pipeline file that was read, and what was noticed so far.
pub(super) struct Read {
    pub(super) file: PipelineFile,
    base: PathBuf,
    pub(super) diags: Diagnostics,
}

/// A plan, and the warnings on the way to it.
pub(super) struct Prepared {
    pub(super) plan: RunPlan,
    pub(super) warnings: Diagnostics,
}

/// Why there is no plan.
pub(super) struct Refused {
    pub(super) exit: Exit,
    pub(super) diags: Diagnostics,
    pub(super) troubles: Vec<Trouble>,
}

impl Refused {
    pub(super) fn trouble(exit: Exit, trouble: Trouble) -> Self {
        Self { exit, diags: Diagnostics::without_file(), troubles: vec![trouble] }
    }

    /// Writes every message.
    pub(super) fn tell(&self, voice: Voice<'_>, io: &mut Io<'_>) -> io::Result<Exit> {
        voice.diagnostics(io.err, &self.diags)?;
        if !self.diags.is_empty() && !self.troubles.is_empty() && voice.is_text() {
            writeln!(io.err)?;
        }
        voice.troubles(io.err, &self.troubles)?;
        Ok(self.exit)
    }

    /// The first message, in one line.
    pub(super) fn title(&self) -> String {
        let first = self.diags.sorted().into_iter().find(|d| d.severity == crate::diag::Severity::Error);
        let title = first.map(|d| format!("{}: {}", d.code, d.title));
        title.or_else(|| self.troubles.first().map(|t| t.title.clone())).unwrap_or_default()
    }
}

/// Reads the pipeline file with the parameters of the command line and the environment.
pub(super) fn read(args: &PipelineArgs, world: &World) -> Result<Read, Box<Refused>> {
    read_with(&args.pipeline, args.env.as_ref(), &args.params, world)
}

/// As [`read`], with the file, its environment and its parameters given one by one.
pub(super) fn read_with(
    pipeline: &Path,
    environment: Option<&String>,
    params: &[(String, String)],
    world: &World,
) -> Result<Read, Box<Refused>> {
    let text = text_of(pipeline)?;
    let mut diags = Diagnostics::new(lexical(pipeline).display().to_string(), text.as_str());
    let mut overrides =
        Overrides { environment: environment.cloned(), params: world.params(&declared(&text)).collect() };
    let flags = params.iter().map(|(name, value)| (name.clone(), value.clone(), "`--param`".to_owned()));
    overrides.params.extend(flags);
    let base = pipeline.parent().unwrap_or(Path::new("")).to_owned();
    match file::read(&text, &overrides, &mut diags) {
        Some(file) => Ok(Read { file, base, diags }),
        None => Err(Box::new(refused(diags, None))),
    }
}

/// Names of the parameters that the file declares; mistakes are told when it is read as a whole.
fn declared(text: &str) -> Vec<String> {
    let mut unheard = Diagnostics::new("", text);
    let Some(root) = tree::parse(text, &mut unheard) else { return Vec::new() };
    let specs = params::declared(&root, &mut unheard).unwrap_or_default();
    specs.names().into_iter().map(str::to_owned).collect()
}

pub(super) fn refused(diags: Diagnostics, problems: Option<&crate::sources::Problems>) -> Refused {
    let exit = match exit::of_mistakes(&diags, problems) {
        // No plan, and nobody said why.
        Exit::Success => Exit::Internal,
        exit => exit,
    };
    let mut troubles: Vec<Trouble> =
        problems.iter().flat_map(|problems| problems.lines()).map(|line| Trouble::error(&line)).collect();
    if exit == Exit::Internal && diags.is_empty() {
        troubles.push(
            Trouble::error("the pipeline was refused without a reason")
                .help("this is a bug of tenure; please report it with the file"),
        );
    }
    Refused { exit, diags, troubles }
}

/// The text of the pipeline file.
fn text_of(path: &Path) -> Result<String, Box<Refused>> {
    let refuse = |exit, trouble| Box::new(Refused::trouble(exit, trouble));
    let shown = lexical(path);
    let shown = shown.display();
    let bytes = fs::read(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let trouble = Trouble::error(&format!("no pipeline file `{shown}`"));
            let trouble = match neighbours(path) {
                Some(help) => trouble.help(help),
                None => trouble.help("`tenure init` writes a starter pipeline"),
            };
            refuse(Exit::Usage, trouble)
        }
        io::ErrorKind::IsADirectory => {
            let trouble = Trouble::error(&format!("`{shown}` is a folder, expected a pipeline file"));
            let help = neighbours(&path.join("pipeline.yml"));
            refuse(Exit::Usage, help.into_iter().fold(trouble, Trouble::help))
        }
        _ => {
            let exit = if of_io(&error) == Exit::Transient { Exit::Transient } else { Exit::Usage };
            refuse(exit, Trouble::error(&format!("could not read `{shown}`: {error}")))
        }
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let bytes = error.as_bytes();
        let valid = String::from_utf8_lossy(&bytes[..error.utf8_error().valid_up_to()]);
        let (line, column) = Diagnostics::new("", valid.as_ref()).position(valid.len());
        let trouble = match bytes {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => Trouble::error(&format!("{shown}:1:1 is UTF-16, expected UTF-8")),
            _ => Trouble::error(&format!("{shown}:{line}:{column} is not UTF-8: this byte does not belong there")),
        };
        refuse(Exit::Plan, trouble.help("save the file as UTF-8"))
    })
}

/// The pipeline file that was probably meant, or those that are there.
fn neighbours(path: &Path) -> Option<String> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut names: Vec<String> = fs::read_dir(folder)
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| Path::new(name).extension().is_some_and(|e| e == "yml" || e == "yaml"))
        .collect();
    names.sort();
    let wanted = path.file_name()?.to_str()?;
    let shown = |name: &str| lexical(&folder.join(name)).display().to_string();
    match nearest(wanted, &names) {
        Some(name) => Some(format!("did you mean `{}`?", shown(name))),
        None if names.is_empty() => None,
        None => {
            names.truncate(5);
            let names: Vec<String> = names.iter().map(|name| format!("`{}`", shown(name))).collect();
            Some(format!("there is {}", names.join(", ")))
        }
    }
}

/// A file, what its sources hold, and what the command line asks.
pub(super) struct Looked {
    pub(super) file: PipelineFile,
    pub(super) catalog: Catalog,
    pub(super) request: Request,
    problems: Problems,
    diags: Diagnostics,
}

impl Looked {
    /// Resolves the file.
    pub(super) fn resolve(&mut self) -> Result<RunPlan, Box<Refused>> {
        let plan = resolve(&self.file, &self.catalog, &self.request, &mut self.diags);
        match plan {
            Some(plan) if self.problems.is_empty() && !self.diags.has_errors() => Ok(plan),
            _ => {
                let diags = std::mem::replace(&mut self.diags, Diagnostics::without_file());
                // A pattern that is none has been told as a mistake of the file.
                if diags.has_errors() {
                    self.problems.0.retain(|p| !matches!(p.fault, FileFault::Pattern(_)));
                }
                Err(Box::new(refused(diags, Some(&self.problems))))
            }
        }
    }

    /// What was noticed.
    pub(super) fn warnings(&self) -> &Diagnostics {
        &self.diags
    }
}

impl Read {
    /// Reads the footers of all sources and resolves the file against them.
    pub(super) fn prepare(self, args: &PipelineArgs, limits: LimitsSpec) -> Result<Prepared, Box<Refused>> {
        let mut looked = self.look(args, limits)?;
        let plan = looked.resolve()?;
        Ok(Prepared { plan, warnings: looked.diags })
    }

    /// Reads the footers of all sources.
    pub(super) fn look(self, args: &PipelineArgs, limits: LimitsSpec) -> Result<Looked, Box<Refused>> {
        let as_of = match (args.as_of, args.cutoff) {
            (Some(date), _) => Some(date),
            (None, Some(instant)) => match last_complete_day(instant, self.file.header.timezone.time_zone()) {
                Some(date) => Some(date),
                None => {
                    return Err(Box::new(Refused::trouble(
                        Exit::Usage,
                        Trouble::error(&format!("`--cutoff {instant}` is out of range")),
                    )));
                }
            },
            (None, None) => None,
        };
        let requests: Vec<SourceRequest> = self
            .file
            .sources
            .iter()
            .map(|(name, source)| SourceRequest {
                name: name.to_string(),
                path: lexical(&self.base.join(source.path.as_str())),
                optional: source.optional,
            })
            .collect();
        let described = describe(&requests);
        let request = Request {
            as_of,
            cutoff: args.cutoff.filter(|_| args.as_of.is_none()),
            select: args.select.clone(),
            exclude: args.exclude.clone(),
            limits,
            root: args.root.as_ref().map(|root| lexical(&self.base.join(root))),
            base: self.base,
        };
        Ok(Looked {
            file: self.file,
            catalog: described.catalog,
            request,
            problems: described.problems,
            diags: self.diags,
        })
    }

    /// Folder of the published tables.
    pub(super) fn root(&self, args: &PipelineArgs) -> Option<PathBuf> {
        let written = self.file.environment.root.as_ref().or(self.file.header.root.as_ref());
        let root = args.root.clone().or_else(|| written.map(|root| PathBuf::from(root.as_str())))?;
        Some(lexical(&self.base.join(root)))
    }
}
