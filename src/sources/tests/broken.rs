//! Inputs that are missing, cut off, or something else; and files that change under way.

use std::io::Write;

use super::*;
use crate::sources::{FileFault, Problems, SourceError, SourceErrorClass};

fn problems(bench: &Bench, path: &str) -> Problems {
    describe(&[SourceRequest { name: "s".to_owned(), path: bench.root().join(path), optional: false }]).problems
}

fn message(bench: &Bench, path: &str) -> String {
    let found = problems(bench, path);
    assert_eq!(found.0.len(), 1, "{found}");
    assert!(!found.is_transient());
    found.to_string().replace(&format!("{}/", bench.root().display()), "")
}

fn sound(bench: &Bench, name: &str) -> Vec<u8> {
    bench.polars(name, df!("n" => (0..1000).collect::<Vec<i64>>(), "t" => vec!["some text"; 1000]).unwrap());
    fs::read(bench.path(name)).unwrap()
}

#[test]
fn nothing_matches() {
    let bench = Bench::new();
    sound(&bench, "exports/items/a.parquet");
    sound(&bench, "exports/items/_tmp.parquet");
    assert_eq!(
        message(&bench, "exports/itmes/*.parquet"),
        "source `s`: could not read `exports/itmes/*.parquet`: no file matches; the nearest existing folder is `exports`, with `items/`"
    );
    assert!(message(&bench, "exports/items/b.parquet").contains("with `_tmp.parquet`, `a.parquet`"));
    let optional =
        describe(&[SourceRequest { name: "s".to_owned(), path: bench.root().join("no/*.parquet"), optional: true }]);
    assert!(optional.problems.is_empty() && optional.catalog.sources["s"].complete);
}

#[test]
fn each_broken_file_says_what_is_wrong() {
    let bench = Bench::new();
    let whole = sound(&bench, "good.parquet");
    let write = |name: &str, bytes: &[u8]| fs::write(bench.path(name), bytes).unwrap();
    write("bad/empty.parquet", b"");
    write("bad/cut.parquet", &whole[..whole.len() - 100]);
    write("bad/stub.parquet", &whole[..6]);
    write("bad/csv.parquet", b"id,n\n1,2\n");
    write("bad/gzip.parquet", &[0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 200, 201]);
    write("bad/encrypted.parquet", &[&whole[..whole.len() - 1], b"E"].concat());
    let mut footer = whole.clone();
    let length = footer.len();
    footer[length - 40..length - 8].fill(0xff);
    write("bad/footer.parquet", &footer);
    let mut huge = whole.clone();
    huge[length - 8..length - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    write("bad/huge.parquet", &huge);
    // The data is cut out of the middle, the footer is whole.
    write("bad/middle.parquet", &[&whole[..4], &whole[length - 700..]].concat());
    let all = problems(&bench, "bad/*.parquet");
    let fault = |name: &str| {
        all.0.iter().find(|p| p.path.ends_with(name)).unwrap_or_else(|| panic!("{name} is not among {all}"))
    };
    for (name, words) in [
        ("empty.parquet", "the file is empty (0 bytes)"),
        ("cut.parquet", "the file ends before its footer (truncated export?)"),
        ("stub.parquet", "the file ends before its footer (truncated export?)"),
        ("csv.parquet", "this is not a Parquet file (it looks like text, such as CSV)"),
        ("gzip.parquet", "this is not a Parquet file (it looks like gzip)"),
        ("encrypted.parquet", "the file is encrypted, which is not supported"),
        ("footer.parquet", "the footer is corrupt"),
        ("huge.parquet", "the footer is corrupt: it claims 4294967295 bytes"),
        ("middle.parquet", "the footer is corrupt"),
    ] {
        assert!(fault(name).to_string().contains(words), "{}", fault(name));
    }
    assert_eq!(all.0.len(), 9);
}

#[test]
fn many_problems_are_counted() {
    let bench = Bench::new();
    for index in 0..30 {
        File::create(bench.path(&format!("{index:02}.parquet"))).unwrap();
    }
    let lines = problems(&bench, "*.parquet").lines();
    assert_eq!(lines.len(), 21);
    assert_eq!(lines[20], "10 more files cannot be read");
}

#[test]
fn bookkeeping_is_not_data_and_folders_are_searched() {
    let bench = Bench::new();
    for name in [
        "d/a.parquet",
        "d/x/b.parquet",
        "d/_temporary/c.parquet",
        "d/.staging/d.parquet",
        "d/.e.parquet",
        "d/_f.parquet",
        "d/spark.parquet/part-0.parquet",
    ] {
        sound(&bench, name);
    }
    fs::write(bench.path("d/_SUCCESS"), b"").unwrap();
    fs::write(bench.path("d/readme.txt"), b"hi").unwrap();
    let names = |path: &str| -> Vec<String> {
        let found = describe(&[SourceRequest { name: "s".to_owned(), path: bench.root().join(path), optional: false }]);
        assert!(found.problems.is_empty(), "{}", found.problems);
        found.catalog.sources["s"].files.iter().map(|f| f.name.clone()).collect()
    };
    assert_eq!(names("d"), ["a.parquet", "spark.parquet/part-0.parquet", "x/b.parquet"]);
    assert_eq!(names("d/*.parquet"), ["a.parquet", "spark.parquet/part-0.parquet"]);
    assert_eq!(names("d/?/*.parquet"), ["x/b.parquet"]);
    assert_eq!(names("d/_f.parquet"), ["_f.parquet"]);
    assert!(matches!(problems(&bench, "d/*").0[0].fault, FileFault::NotParquet { .. }));
}

#[test]
fn a_fingerprint_tells_contents_apart() {
    let bench = Bench::new();
    let print = || {
        let found = describe(&[SourceRequest { name: "s".to_owned(), path: bench.path("a.parquet"), optional: false }]);
        found.catalog.sources["s"].files[0].fingerprint
    };
    bench.polars("a.parquet", df!("n" => [1i64]).unwrap());
    let first = print();
    assert_eq!(print(), first);
    bench.polars("a.parquet", df!("n" => [2i64]).unwrap());
    assert_ne!(print(), first);
}

fn failed_load(bench: &Bench, spoil: impl Fn()) -> SourceError {
    let plans = bench.plans(&pipeline(&["n: {type: int}", "t: {type: string}"], &[])).unwrap();
    spoil();
    load(&plans, &[(0, vec!["n".to_owned(), "t".to_owned()])], &mut Silent).unwrap_err()
}

#[test]
fn files_that_change_or_break_under_way_are_named() {
    let bench = Bench::new();
    sound(&bench, "a.parquet");
    let whole = sound(&bench, "b.parquet");
    let error = failed_load(&bench, || fs::remove_file(bench.path("b.parquet")).unwrap());
    assert!(error.to_string().contains("b.parquet`: the file has disappeared"), "{error}");
    assert_eq!(error.class(), SourceErrorClass::Incomplete);
    sound(&bench, "b.parquet");
    let error = failed_load(&bench, || {
        File::options().append(true).open(bench.path("b.parquet")).unwrap().write_all(&whole).unwrap();
    });
    assert!(error.to_string().contains("b.parquet` changed while"), "{error}");
    sound(&bench, "b.parquet");
    let error = failed_load(&bench, || fs::write(bench.path("b.parquet"), &whole[..whole.len() - 50]).unwrap());
    assert!(error.to_string().contains("b.parquet`: the file ends before its footer"), "{error}");
}

#[test]
fn corrupt_pages_are_named() {
    let bench = Bench::new();
    sound(&bench, "a.parquet");
    let mut bytes = sound(&bench, "b.parquet");
    bytes[4..60].fill(0x5a);
    fs::write(bench.path("b.parquet"), &bytes).unwrap();
    let error = failed_load(&bench, || ());
    assert!(error.to_string().contains("b.parquet`: its data is corrupt"), "{error}");
}
