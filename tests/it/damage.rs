//! Damaged exports, through the whole of the command line: an exit code that says so, never a crash.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Date32Array, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;
use proptest::prelude::*;
use proptest::sample::Index;

const PIPELINE: &str = "version: 1
pipeline: damage
timezone: Asia/Tokyo
currency: USD
as_of: 2026-06-30
root: out
sources:
  items:
    path: items/*.parquet
    key: [item]
    columns:
      item: {type: string, not_null: true}
      customer: {type: string, not_null: true}
      start: {type: date, not_null: true}
      ended: {type: date}
      price: {type: money, unit: minor, min: '0'}
    on_violation: {quarantine: {}}
tables:
  ledger: {type: mrr_ledger, from: items, customer: customer, amount: {price: price}, start: start, end: ended}
";

fn export() -> Vec<u8> {
    let n = 300;
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("item", Arc::new((0..n).map(|i| Some(format!("si_{i:05}"))).collect::<StringArray>())),
        ("customer", Arc::new((0..n).map(|i| Some(format!("cus_{:03}", i % 40))).collect::<StringArray>())),
        ("start", Arc::new((0..n).map(|i| Some(20_000 + i)).collect::<Date32Array>())),
        ("ended", Arc::new((0..n).map(|i| (i % 3 == 0).then_some(20_060 + i)).collect::<Date32Array>())),
        ("price", Arc::new((0..n).map(|i| Some(i64::from(i) * 100)).collect::<Int64Array>())),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(200)).build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

/// Exit code and messages of a command.
fn tenure(folder: &Path, args: &[&str]) -> (u8, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let in_folder = |arg: &str| if arg.contains('.') { folder.join(arg).display().to_string() } else { arg.to_owned() };
    let args: Vec<String> = ["tenure"].iter().chain(args).map(|arg| in_folder(arg)).collect();
    let code = tenure::cli::run(args, &mut out, &mut err);
    (code, String::from_utf8_lossy(&err).into_owned())
}

fn written(bytes: &[u8]) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir(dir.path().join("items")).unwrap();
    fs::write(dir.path().join("items/a.parquet"), bytes).unwrap();
    fs::write(dir.path().join("p.yml"), PIPELINE).unwrap();
    dir
}

#[test]
fn a_sound_export_is_published() {
    let dir = written(&export());
    let (code, told) = tenure(dir.path(), &["run", "p.yml"]);
    assert_eq!(code, 0, "{told}");
    assert!(dir.path().join("out/ledger.parquet").is_file());
    // Its first page is no page any more.
    let mut bytes = export();
    bytes[4..40].fill(0xff);
    let dir = written(&bytes);
    let (code, told) = tenure(dir.path(), &["run", "p.yml"]);
    assert_eq!(code, 5, "{told}");
    assert!(told.contains("items/a.parquet`: its data is corrupt"), "{told}");
    assert!(told.contains("run again when the export is complete"), "{told}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, max_shrink_iters: 100, ..ProptestConfig::default() })]

    #[test]
    fn a_damaged_export_has_an_exit_code_of_its_own(flips in prop::collection::vec((any::<Index>(), 1..=255_u8, any::<bool>()), 1..4), cut in prop::option::weighted(0.2, any::<Index>())) {
        let mut bytes = export();
        for (at, bits, footer) in flips {
            let from = if footer { bytes.len().saturating_sub(1_500) } else { 0 };
            let at = from + at.index(bytes.len() - from);
            bytes[at] ^= bits;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let dir = written(&bytes);
        let (code, told) = tenure(dir.path(), &["run", "p.yml"]);
        // Sound all the same, a table that overflows, another schema, a broken contract, a corrupt file.
        prop_assert!([0, 1, 3, 4, 5].contains(&code), "{}: {}", code, told);
        prop_assert_eq!(code == 0, dir.path().join("out/ledger.parquet").is_file());
        prop_assert!(code == 0 || told.contains("error"), "{}: {}", code, told);
        for verb in ["show", "inspect"] {
            let (code, told) = tenure(dir.path(), &[verb, "items/a.parquet"]);
            prop_assert!([0, 5].contains(&code), "{} {}: {}", verb, code, told);
        }
    }
}
