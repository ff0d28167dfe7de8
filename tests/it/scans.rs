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
pub fn planned(exports: &Path, root: &Path) -> RunPlan {
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

/// The same with a source more over the same files, and a table that reads it.
fn with_another_source(text: &str) -> String {
    let source = "  others:
    path: ${exports}/subscription_items/*.parquet
    columns:
      item_id: {type: string}
";
    let table = "  again: {type: sql, query: 'SELECT COUNT(DISTINCT item_id) AS items FROM others'}\n";
    format!("{}{table}", text.replace("tables:\n", &format!("{source}tables:\n")))
}

/// Copies of the two subscription files of the sample, as so many files of either layout.
fn copies(folder: &Path, many: usize) -> PathBuf {
    let exports = folder.join("exports");
    for layout in ["subscription_items/v1", "subscription_items/v2"] {
        copy(&exports, layout, many);
    }
    exports
}

/// So many copies of the first file of a table of the sample, whose name begins so.
fn copy(exports: &Path, file: &str, many: usize) {
    let from = project().join(format!("sample_data/{file}-00000.parquet"));
    fs::create_dir_all(exports.join(file).parent().unwrap()).unwrap();
    for at in 0..many {
        fs::copy(&from, exports.join(format!("{file}-{at:05}.parquet"))).unwrap();
    }
}

/// Two tables for which combinations of days, users and customers are enough, and one for which a few values of each
/// row are.
const LEAN: &str = "
version: 1
pipeline: lean
timezone: America/New_York
currency: USD
as_of: 2026-06-30
root: out
params: {exports: {type: path}}
sources:
  events:
    path: ${exports}/usage_events/*.parquet
    columns: {user_id: {type: string}, customer_id: {type: string}, occurred_at: {type: timestamp}}
  items:
    path: ${exports}/subscription_items/*.parquet
    filters: {used: status <> 'unpaid' AND unit_amount IS NOT NULL AND customer_id IS NOT NULL AND quantity >= 0}
    columns:
      customer_id: {type: string}
      started_on:  {from: start_date, type: date}
      ended_on:    {from: ended_at, type: date, parse: epoch_s}
      unit_amount: {type: money, unit: minor, currency: currency}
      currency:    {type: currency, one_of: [USD, JPY]}
      quantity:    {type: int}
      status:      {type: string}
    on_violation: {quarantine: {}}
tables:
  active: {type: active_users, from: events, at: occurred_at, user: user_id, customer: customer_id}
  cohorts: {type: usage_cohorts, from: events, at: occurred_at, user: user_id}
  ledger: {type: mrr_ledger, from: items, customer: customer_id, amount: {price: unit_amount, quantity: quantity}, start: started_on, end: ended_on}
";

/// Openings per file of a layout while a pipeline is checked or run, without the first one, which the
/// engine also asks for the types of the others.
fn openings(verb: &str, text: &str) -> BTreeMap<&'static str, Vec<usize>> {
    let dir = tempfile::tempdir().unwrap();
    let exports = copies(dir.path(), 4);
    let file = dir.path().join("six.yml");
    fs::write(&file, text).unwrap();
    let given = format!("exports={}", exports.display());
    let opens = Opens::of(&exports);
    expect_code(&run(&[verb, file.to_str().unwrap(), "--param", &given]), 0);
    let mut found: BTreeMap<&'static str, Vec<usize>> = BTreeMap::new();
    for (name, count) in opens.count(&exports).into_iter().filter(|(name, _)| !name.ends_with("-00000.parquet")) {
        let layout = if name.contains("v1-") { "v1" } else { "v2" };
        found.entry(layout).or_default().push(count);
    }
    found
}

#[test]
fn six_tables_open_a_file_once_for_its_footer_and_once_for_its_rows() {
    let all = |opens: usize| BTreeMap::from([("v1", vec![opens; 3]), ("v2", vec![opens; 3])]);
    assert_eq!(openings("check", SIX), all(1));
    assert_eq!(openings("run", SIX), all(2));
    // Another source over the same files is another scan, and seen as one. A file that is still mapped may be taken again,
    // and where both open one at the same moment, the system tells it once.
    let twice = openings("run", &with_another_source(SIX));
    assert!(twice.values().flatten().all(|opens| (2..=4).contains(opens)), "{twice:?}");
    assert!(twice.values().flatten().any(|opens| *opens > 2), "{twice:?}");
}

#[test]
fn what_is_condensed_or_projected_is_read_once_too() {
    let dir = tempfile::tempdir().unwrap();
    let exports = copies(dir.path(), 3);
    copy(&exports, "usage_events/part", 3);
    let file = dir.path().join("lean.yml");
    fs::write(&file, LEAN).unwrap();
    let given = format!("exports={}", exports.display());
    let opens = Opens::of(&exports);
    expect_code(&run(&["run", file.to_str().unwrap(), "--param", &given]), 0);
    let counts = opens.count(&exports);
    assert_eq!(counts.len(), 9);
    // The engine asks the first file of a layout for the types of the others, and the sample plants a row to set
    // aside in the second layout.
    for (name, opened) in counts.iter().filter(|(name, _)| !name.ends_with("-00000.parquet")) {
        let most = if name.contains("v2-") { 4 } else { 2 };
        assert!((2..=most).contains(opened), "{counts:?}");
    }
}

#[test]
fn only_files_with_rows_to_set_aside_are_opened_again() {
    let aside = SIX
        .replace("quantity:    {type: int}", "quantity:    {type: int, min: 0}")
        .replace("tables:\n", "    on_violation: {quarantine: {max_rows: 100}}\ntables:\n");
    let opened = openings("run", &aside);
    // The sample plants one such row, in a file of the second layout.
    assert_eq!(opened["v1"], [2, 2, 2]);
    assert!(opened["v2"].iter().all(|opens| (3..=4).contains(opens)), "{opened:?}");
}

/// Columns of the exports that the six tables read.
const READ: [&str; 8] = ["item_id", "customer_id", "product", "plan", "currency", "quantity", "start_date", "status"];

/// Bytes that a process has asked the system for when it ends, in calls that read.
///
/// The query engine maps local files into memory, which nothing counts, unless it is told to read them
/// as it reads object stores; then it reads gaps too that are smaller than such a request.
fn bytes_read(command: &mut Command) -> u64 {
    for (name, value) in [
        ("POLARS_FORCE_ASYNC", "1"),
        ("POLARS_DOWNLOAD_CHUNK_SIZE", "16384"),
        ("POLARS_DOWNLOAD_CHUNK_SIZE_RANDOM_ACCESS", "16384"),
    ] {
        command.env(name, value);
    }
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
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

/// What is read of the end of each file to find its footer, at most.
const TAIL: u64 = 64 << 10;

#[test]
fn the_bytes_of_an_export_are_read_once() {
    let dir = tempfile::tempdir().unwrap();
    let made = |name: &str, customers: &str| {
        let out = dir.path().join(name);
        let given = ["sample", "--customers", customers, "--seed", "3", "--events", "0", "--out"];
        expect_code(&run(&[&given[..], &[out.to_str().unwrap()]].concat()), 0);
        out
    };
    let (exports, hardly_any) = (made("exports", "40000"), made("hardly_any", "1"));
    let file = dir.path().join("six.yml");
    let of = |text: &str| {
        fs::write(&file, text).unwrap();
        let read = |exports: &Path| {
            let given = format!("exports={}", exports.display());
            bytes_read(&mut tenure(&["run", file.to_str().unwrap(), "--quiet", "--param", &given]))
        };
        // The program, the state of the system and what a run writes are read with any exports.
        read(&exports) - read(&hardly_any)
    };
    let (chunks, footers, all) = sizes(&exports.join("subscription_items"));
    // Two files, whose footers are looked for before the run, and read by the engine for types and rows.
    let most = chunks + 2 * TAIL + 2 * footers + chunks / 20;
    assert!(chunks * 3 / 2 < all && most < chunks * 5 / 4, "{chunks} of {all} bytes, at most {most}");
    let read = of(SIX);
    assert!((chunks * 9 / 10..=most).contains(&read), "{read} bytes were read of {chunks} that are needed, of {all}");
    // Another scan of one column would be seen.
    let twice = of(&with_another_source(SIX));
    assert!(twice > most, "{twice} bytes with another scan, {read} without");
}
