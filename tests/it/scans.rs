//! Every export is read once for all tables together, and again only where rows are to be shown or set aside.

use std::collections::BTreeMap;
use std::fs;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use parquet::file::metadata::RowGroupMetaData;
use parquet::file::reader::{FileReader, SerializedFileReader};
use rustix::fs::inotify::{self, CreateFlags, ReadFlags, WatchFlags};
use rustix::io::Errno;
use rustix::process::{Pid, WaitId, WaitIdOptions, waitid};
use tenure::diag::{Color, Diagnostics};
use tenure::engine::local::Local;
use tenure::engine::{Engine, Publishing, RunId, Stage, Status, Watch};
use tenure::plan::{Request, RunPlan, resolve};
use tenure::sources::{SourceRequest, describe, scan_plan};
use tenure::spec::file::{Overrides, read};

use crate::nightly::{TABLES, nightly};
use crate::process::{expect_code, mart, project, run, tenure};

/// A copy of the sample data that a test may watch and remove.
fn exports(folder: &Path) -> PathBuf {
    let to = folder.join("exports");
    for source in fs::read_dir(project().join("sample_data")).unwrap().map(Result::unwrap) {
        if source.path().is_dir() {
            let below = to.join(source.file_name());
            fs::create_dir_all(&below).unwrap();
            for file in fs::read_dir(source.path()).unwrap().map(Result::unwrap) {
                fs::copy(file.path(), below.join(file.file_name())).unwrap();
            }
        }
    }
    to
}

/// The nightly pipeline over these exports, resolved.
fn planned(exports: &Path, root: &Path) -> RunPlan {
    let text = fs::read_to_string(nightly()).unwrap();
    let mut diags = Diagnostics::new("nightly.yml", text.as_str());
    let given = ("exports".to_owned(), exports.to_string_lossy().into_owned(), "a test".to_owned());
    let file = read(&text, &Overrides { environment: None, params: vec![given] }, &mut diags).unwrap();
    let requests: Vec<SourceRequest> = file
        .sources
        .iter()
        .map(|(name, source)| SourceRequest {
            name: name.to_string(),
            path: PathBuf::from(source.path.as_str()),
            optional: source.optional,
        })
        .collect();
    let described = describe(&requests);
    let request = Request { root: Some(root.to_owned()), ..Request::default() };
    let plan = resolve(&file, &described.catalog, &request, &mut diags);
    plan.unwrap_or_else(|| panic!("{}", diags.render(Color::Never, None)))
}

/// Columns of a source that any table reads.
fn columns_read<'a>(plan: &'a RunPlan, source: &str) -> Vec<&'a str> {
    let mut columns: Vec<&str> =
        plan.tables.iter().filter_map(|table| table.reads.get(source)).flatten().map(String::as_str).collect();
    columns.sort_unstable();
    columns.dedup();
    columns
}

#[test]
fn all_tables_of_a_source_hang_on_one_scan() {
    let dir = tempfile::tempdir().unwrap();
    let plan = planned(&exports(dir.path()), &dir.path().join("out"));
    let mut scanned = 0;
    for source in &plan.sources {
        let columns = columns_read(&plan, &source.name);
        if columns.is_empty() {
            continue;
        }
        let query = scan_plan(source, &columns).unwrap().explain(true).unwrap();
        // One scan per layout, and no file in two of them.
        assert_eq!(query.matches("SCAN").count(), source.layouts.len(), "{}:\n{query}", source.name);
        let files: usize = source.layouts.iter().map(|layout| layout.files.len()).sum();
        assert_eq!(files, source.files.len());
        scanned += 1;
    }
    assert!(scanned >= 10, "{scanned} sources");
    // A table by itself asks for a source at most once, too.
    for table in &plan.tables {
        let query = tenure::engine::lower::explain(&plan, table, true).unwrap();
        let most: usize = plan
            .sources
            .iter()
            .filter(|source| table.reads.contains_key(&source.name))
            .map(|source| source.layouts.len())
            .sum();
        let steps = table.metric.steps().len() + 1;
        let scans = query.matches("SCAN").count();
        assert!(scans <= most * steps, "{}: {scans} scans of {most} layouts\n{query}", table.name);
    }
}

/// Removes the exports when the first table is computed.
struct Removing {
    exports: PathBuf,
    publishing: Publishing,
}

impl Watch for Removing {
    fn stage(&self, stage: Stage<'_>) {
        if matches!(stage, Stage::Computing { .. }) && self.exports.exists() {
            fs::remove_dir_all(&self.exports).unwrap();
        }
    }

    fn cancelled(&self) -> bool {
        false
    }

    fn publishing(&self) -> &Publishing {
        &self.publishing
    }
}

#[test]
fn no_table_reads_an_export() {
    let dir = tempfile::tempdir().unwrap();
    let (exports, root) = (exports(dir.path()), dir.path().join("out"));
    let plan = planned(&exports, &root);
    let id = RunId { id: "scans".to_owned(), started: jiff::Timestamp::UNIX_EPOCH };
    let watch = Removing { exports: exports.clone(), publishing: Publishing::default() };
    let outcome = Local::default().run(&plan, &id, &watch).unwrap();
    assert!(!exports.exists());
    assert_eq!((outcome.status, mart(&root).len()), (Status::Succeeded, TABLES));
}

/// Counts how often files are opened, by whomever.
struct Opens {
    events: OwnedFd,
    files: BTreeMap<i32, PathBuf>,
}

impl Opens {
    fn of(exports: &Path) -> Self {
        let events = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC).unwrap();
        let mut files = BTreeMap::new();
        for folder in fs::read_dir(exports).unwrap().map(|entry| entry.unwrap().path()) {
            for file in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
                // Two openings in a row would be told as one, were it not for the closing between them.
                let flags = WatchFlags::OPEN | WatchFlags::CLOSE_NOWRITE;
                files.insert(inotify::add_watch(&events, &file, flags).unwrap(), file);
            }
        }
        Self { events, files }
    }

    /// Openings so far, by the file below the exports.
    fn count(&self, exports: &Path) -> BTreeMap<String, usize> {
        let name = |file: &PathBuf| file.strip_prefix(exports).unwrap().to_string_lossy().into_owned();
        let mut counts: BTreeMap<String, usize> = self.files.values().map(|file| (name(file), 0)).collect();
        let mut buffer = [MaybeUninit::uninit(); 16_384];
        let mut events = inotify::Reader::new(&self.events, &mut buffer);
        loop {
            let event = match events.next() {
                Ok(event) => event,
                Err(Errno::WOULDBLOCK) => return counts,
                Err(error) => panic!("{error}"),
            };
            assert!(!event.events().contains(ReadFlags::QUEUE_OVERFLOW));
            if event.events().contains(ReadFlags::OPEN) {
                *counts.get_mut(&name(&self.files[&event.wd()])).unwrap() += 1;
            }
        }
    }
}

#[test]
fn a_run_opens_every_export_once_for_its_rows() {
    let dir = tempfile::tempdir().unwrap();
    let exports = exports(dir.path());
    let (file, given, root) = (nightly(), format!("exports={}", exports.display()), dir.path().join("out"));
    let args =
        |verb: &'static str| vec![verb, file.as_str(), "--param", given.as_str(), "--root", root.to_str().unwrap()];

    let opens = Opens::of(&exports);
    expect_code(&run(&args("check")), 0);
    let check = opens.count(&exports);
    expect_code(&run(&args("run")), 0);
    let whole = opens.count(&exports);
    println!("{check:?}\n{whole:?}");
}

/// Six tables over one source; every one reads other columns of it.
const SIX: &str = "
version: 1
pipeline: bytes
timezone: UTC
currency: USD
as_of: 2026-06-30
root: out
params: {exports: {type: path}}
sources:
  items:
    path: ${exports}/subscription_items/*.parquet
    columns:
      item_id:     {type: string}
      customer_id: {type: string}
      product:     {type: string}
      plan:        {type: string}
      currency:    {type: string}
      quantity:    {type: int}
      started_on:  {from: start_date, type: date}
      status:      {type: string}
tables:
  customers: {type: sql, query: 'SELECT COUNT(DISTINCT customer_id) AS customers FROM items'}
  items_held: {type: sql, query: 'SELECT COUNT(DISTINCT item_id) AS items FROM items'}
  plans: {type: sql, query: 'SELECT plan, COUNT(*) AS items FROM items GROUP BY plan'}
  products: {type: sql, query: 'SELECT product, SUM(quantity) AS seats FROM items GROUP BY product'}
  currencies: {type: sql, query: 'SELECT currency, MAX(started_on) AS latest FROM items GROUP BY currency'}
  customers_by_status: {type: sql, query: 'SELECT status, COUNT(DISTINCT customer_id) AS customers FROM items GROUP BY status'}
";

/// Columns of the exports that the six tables read.
const READ: [&str; 8] = ["item_id", "customer_id", "product", "plan", "currency", "quantity", "start_date", "status"];

/// Bytes that a process has asked the system for when it ends, in calls that read.
///
/// The query engine maps local files into memory, which nothing counts, unless it is told to read them
/// as it reads object stores.
fn bytes_read(command: &mut Command) -> u64 {
    let mut child = command.env("POLARS_FORCE_ASYNC", "1").stdout(Stdio::null()).spawn().unwrap();
    let pid = Pid::from_child(&child);
    waitid(WaitId::Pid(pid), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    let told = fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap();
    assert!(child.wait().unwrap().success());
    told.lines().find_map(|line| line.strip_prefix("rchar: ")?.parse().ok()).unwrap()
}

/// Bytes of the column chunks that the six tables read, of the footers, and of everything.
fn sizes(folder: &Path) -> (u64, u64, u64) {
    let (mut chunks, mut footers, mut all) = (0, 0, 0);
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = fs::read(&path).unwrap();
        let length = bytes.len();
        footers += 8 + u64::from(u32::from_le_bytes(bytes[length - 8..length - 4].try_into().unwrap()));
        all += length as u64;
        let reader = SerializedFileReader::new(fs::File::open(&path).unwrap()).unwrap();
        for chunk in reader.metadata().row_groups().iter().flat_map(RowGroupMetaData::columns) {
            if READ.contains(&chunk.column_path().string().as_str()) {
                chunks += u64::try_from(chunk.compressed_size()).unwrap();
            }
        }
    }
    (chunks, footers, all)
}

#[test]
fn the_bytes_of_an_export_are_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let exports = dir.path().join("exports");
    let sample = ["sample", "--customers", "40000", "--seed", "3", "--events", "0", "--out", exports.to_str().unwrap()];
    expect_code(&run(&sample), 0);
    let file = dir.path().join("six.yml");
    fs::write(&file, SIX).unwrap();
    let of = |exports: &Path| {
        let given = format!("exports={}", exports.display());
        bytes_read(&mut tenure(&["run", file.to_str().unwrap(), "--quiet", "--param", &given]))
    };
    let (chunks, footers, all) = sizes(&exports.join("subscription_items"));
    let read = of(&exports);
    println!("{read} of {chunks} + {footers} of {all}");
}
