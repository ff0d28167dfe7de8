//! Tests of publishing. A test table holds as many rows as the number of the publish that made it,
//! so that reading a table tells its version.

mod crash;
mod failures;
mod groups;
mod locks;
mod readers;
mod scenarios;
mod single;
mod verified;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::{Date, date};
use parquet::data_type::Int64Type;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::*;

/// Tables by name, with the number each holds.
type Tables = BTreeMap<String, u64>;

const AS_OF: Date = date(2026, 3, 31);

fn tables(of: &[(&str, u64)]) -> Tables {
    of.iter().map(|(t, n)| ((*t).to_owned(), *n)).collect()
}

fn single(table: &str) -> Unit {
    Unit::Single { table: table.to_owned() }
}

fn group(name: &str, tables: &[&str]) -> Unit {
    Unit::Group { name: name.to_owned(), tables: tables.iter().map(|t| (*t).to_owned()).collect() }
}

fn holder(run_id: &str) -> Holder {
    Holder::this_process(run_id, Timestamp::UNIX_EPOCH)
}

fn lock(root: &Root, run_id: &str) -> Lock {
    root.lock(&holder(run_id), Duration::from_secs(10), &|| false).unwrap()
}

fn columns() -> Vec<(String, String)> {
    vec![("n".to_owned(), "int64".to_owned())]
}

/// A Parquet file of `n` rows, the same bytes for the same table and number.
fn write(path: &Path, table: &str, n: u64) {
    let schema = parse_message_type(&format!("message {table} {{ required int64 n; }}")).unwrap();
    let file = File::create(path).unwrap();
    let mut writer = SerializedFileWriter::new(file, Arc::new(schema), Arc::default()).unwrap();
    let mut rows = writer.next_row_group().unwrap();
    let mut column = rows.next_column().unwrap().unwrap();
    let values = vec![i64::try_from(n).unwrap(); usize::try_from(n).unwrap()];
    let typed = column.typed::<Int64Type>();
    typed.write_batch(&values, None, None).unwrap();
    column.close().unwrap();
    rows.close().unwrap();
    writer.close().unwrap();
}

/// Stages, verifies, and publishes, as a run does.
fn try_publish(
    lock: &Lock,
    run_id: &str,
    units: &[Unit],
    staged: &Tables,
    retain: usize,
) -> Result<Publication, PublishError> {
    let staging = lock.staging(run_id)?;
    let mut verified = BTreeMap::new();
    for (table, n) in staged {
        let path = staging.file(table);
        write(&path, table, *n);
        verified.insert(table.clone(), verify(&path, *n, &columns())?);
    }
    let retain = NonZeroUsize::new(retain).unwrap();
    staging.publish(AS_OF, units, &verified, retain)
}

fn publish(root: &Root, units: &[Unit], staged: &[(&str, u64)]) -> Publication {
    publish_retaining(root, units, staged, 2)
}

fn publish_retaining(root: &Root, units: &[Unit], staged: &[(&str, u64)], retain: usize) -> Publication {
    let lock = lock(root, "run");
    lock.recover().unwrap();
    try_publish(&lock, "run", units, &tables(staged), retain).unwrap()
}

/// What a reader gets for every `*.parquet` in the root. A link into nowhere is no table.
fn read(root: &Root) -> Tables {
    let names = root.table_names().unwrap();
    let found = names.into_iter().filter_map(|table| {
        let path = root.path_of(&table);
        path.exists().then(|| (table, verify::rows(&path).unwrap()))
    });
    found.collect()
}

fn changed(publication: &Publication) -> Vec<&str> {
    let changed = publication.tables.iter().filter(|table| table.changed);
    changed.map(|table| table.table.as_str()).collect()
}

fn versions(root: &Root, group: &str) -> Vec<String> {
    disk::names(&root.versions(group)).unwrap()
}

/// Nothing that only belongs to a publish under way is left.
fn assert_tidy(root: &Root) {
    for dir in ["staging", "tmp"] {
        assert_eq!(disk::names(&root.own(dir)).unwrap(), Vec::<String>::new());
    }
    assert!(!Journal::path(root).exists());
    for table in root.table_names().unwrap() {
        assert!(root.table(&table).exists(), "`{table}` dangles");
    }
    let entries = disk::names(root.dir()).unwrap();
    for entry in entries {
        assert!(entry == "_tenure" || entry.ends_with(".parquet"), "{entry}");
    }
}

fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for name in disk::names(from).unwrap() {
        let (source, target) = (from.join(&name), to.join(&name));
        let kind = fs::symlink_metadata(&source).unwrap().file_type();
        if kind.is_symlink() {
            std::os::unix::fs::symlink(fs::read_link(&source).unwrap(), target).unwrap();
        } else if kind.is_dir() {
            copy_tree(&source, &target);
        } else {
            fs::copy(source, target).unwrap();
        }
    }
}

fn temp() -> (tempfile::TempDir, Root) {
    let dir = tempfile::tempdir().unwrap();
    let root = Root::open(&dir.path().join("out")).unwrap();
    (dir, root)
}

fn mtime(path: &Path) -> std::time::SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

fn pathbuf(path: &str) -> PathBuf {
    PathBuf::from(path)
}
