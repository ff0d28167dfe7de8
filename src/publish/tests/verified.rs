//! Verification of staged files.

use super::*;

fn file() -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    write(&path, "t", 5);
    (dir, path)
}

#[test]
fn a_good_file_is_described() {
    let (_dir, path) = file();
    let verified = verify(&path, 5, &columns()).unwrap();
    assert_eq!((verified.rows, verified.row_groups), (5, 1));
    assert_eq!(verified.bytes, fs::metadata(&path).unwrap().len());
    assert_eq!(verified.sha256, disk::digest(&path).unwrap().unwrap().1);
    assert_eq!(verified.sha256.len(), 64);
}

#[test]
fn zero_rows_are_a_table() {
    let (_dir, path) = file();
    write(&path, "t", 0);
    assert_eq!(verify(&path, 0, &columns()).unwrap().rows, 0);
}

#[test]
fn other_rows_or_columns_are_refused() {
    let (_dir, path) = file();
    let shown = path.display();
    let rows = verify(&path, 6, &columns()).unwrap_err();
    assert_eq!(rows.to_string(), format!("`{shown}` has 5 rows, expected 6"));
    let wanted = [("n".to_owned(), "decimal(18, 2)".to_owned())];
    let columns = verify(&path, 5, &wanted).unwrap_err();
    assert_eq!(columns.to_string(), format!("`{shown}` has columns (n: int64), expected (n: decimal(18, 2))"));
}

#[test]
fn a_truncated_file_is_refused_at_any_length() {
    let (_dir, path) = file();
    let whole = fs::read(&path).unwrap();
    for length in 0..whole.len() {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(matches!(verify(&path, 5, &columns()), Err(VerifyError::Footer { .. })), "{length}");
    }
    // The middle is missing, the footer is not.
    let length = whole[whole.len() - 8..][..4].try_into().unwrap();
    let footer = whole.len() - 8 - usize::try_from(u32::from_le_bytes(length)).unwrap();
    let mut cut = whole[..4].to_vec();
    cut.extend(&whole[footer..]);
    fs::write(&path, cut).unwrap();
    let error = verify(&path, 5, &columns()).unwrap_err();
    assert!(matches!(error, VerifyError::Cut { .. }), "{error}");
    fs::remove_file(&path).unwrap();
    assert!(matches!(verify(&path, 5, &columns()), Err(VerifyError::Fs(_))));
}

#[test]
fn types_are_named_after_what_parquet_stores() {
    let schema = "message t {
        required boolean a; required int32 b; optional int64 c; required int96 d; required float e;
        required double f; required binary g; required fixed_len_byte_array(7) h;
        required int32 i (DATE); required binary j (STRING); required int64 k (TIMESTAMP(MICROS,true));
        required int64 l (TIMESTAMP(MILLIS,false)); required int64 m (DECIMAL(18,2));
        required int32 n (INTEGER(8,true)); required int64 o (INTEGER(64,false));
        required int64 p (TIME(NANOS,true)); required binary q (JSON); required binary r (UTF8);
        required group s { required int64 leaf; } }";
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("t.parquet");
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let writer = SerializedFileWriter::new(File::create(&path).unwrap(), schema, Arc::default());
    writer.unwrap().close().unwrap();
    let error = verify(&path, 0, &[]).unwrap_err().to_string();
    let (_, found) = error.split_once("has columns (").unwrap();
    assert_eq!(
        found,
        "a: boolean, b: int32, c: int64, d: int96, e: float32, f: float64, g: binary, h: fixed(7), \
         i: date, j: string, k: timestamp(us, utc), l: timestamp(ms), m: decimal(18, 2), n: int8, \
         o: uint64, p: time(ns), q: json, r: string, s.leaf: int64), expected ()"
    );
}

#[test]
fn a_staged_file_that_changed_after_verification_is_refused() {
    let (_dir, root) = temp();
    publish(&root, &[single("s")], &[("s", 1)]);
    let lock = lock(&root, "run");
    let staging = lock.staging("run").unwrap();
    let path = staging.file("s");
    write(&path, "s", 2);
    let verified = verify(&path, 2, &columns()).unwrap();
    fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(20).unwrap();
    let staged = BTreeMap::from([("s".to_owned(), verified)]);
    let error = staging.publish(AS_OF, &[single("s")], &staged, NonZeroUsize::MIN).unwrap_err();
    assert!(matches!(error, PublishError::StagedChanged { found: 20, .. }));
    assert_eq!(read(&root), tables(&[("s", 1)]));
}
