//! What fuzz found, each as a test of its own.

use std::time::{Duration, Instant};

use super::process::{Place, checked};
use super::text::{Answer, answer, nightly};
use crate::process::stderr;

fn with(from: &str, to: &str) -> String {
    let text = nightly();
    assert!(text.contains(from), "the pipeline no longer says {from}");
    text.replacen(from, to, 1)
}

/// The nightly pipeline with another condition in a filter.
fn filtered(sql: &str) -> String {
    with("test_mode: livemode", &format!("test_mode: {sql}"))
}

#[test]
fn a_long_condition_is_refused_before_it_uses_up_the_stack() {
    let place = Place::new();
    for sql in [
        vec!["livemode"; 100_000].join(" AND "),
        vec!["status <> 'unpaid'"; 5_000].join(" OR "),
        format!("quantity {}> 0", "+ 1 ".repeat(20_000)),
        format!("{}livemode", "NOT ".repeat(20_000)),
        format!("{}livemode{}", "(".repeat(20_000), ")".repeat(20_000)),
        format!("{}quantity{} > 0", "abs(".repeat(20_000), ")".repeat(20_000)),
        format!("quantity{} > 0", "::int".repeat(20_000)),
        format!("{}true{}", "CASE WHEN livemode THEN ".repeat(5_000), " ELSE false END".repeat(5_000)),
        format!("status {} = ''", "|| status ".repeat(20_000)),
        format!("quantity{} = 1", "[0]".repeat(20_000)),
    ] {
        let output = place.told("check", filtered(&sql).as_bytes());
        assert_eq!(checked(&output), Ok(3), "{}", &sql[..40]);
        assert!(stderr(&output).len() < 4_000, "{} bytes of messages", stderr(&output).len());
    }
    let query =
        format!("    query: |\n      SELECT customer_id FROM ledger WHERE mrr_delta {}> 0\n", "+ 1 ".repeat(20_000));
    let tables = format!("tables:\n  long:\n    type: sql\n    key: [customer_id]\n{query}");
    assert_eq!(checked(&place.told("check", with("tables:\n", &tables).as_bytes())), Ok(3));
    // As long as it may be, it is read on the small stack of a thread.
    let most = vec!["livemode"; 401].join(" AND ");
    std::thread::scope(|scope| {
        let small = std::thread::Builder::new().stack_size(2 << 20);
        let told = small.spawn_scoped(scope, || answer(&filtered(&most))).unwrap().join().unwrap();
        assert_eq!(told, Ok(Answer::Plan));
    });
}

#[test]
fn thousands_of_mistakes_are_told_at_once_and_not_all() {
    let begun = Instant::now();
    let place = Place::new();
    let keys: String = (0..20_000).map(|n| format!("k{n}: 1\n")).collect();
    let twice = "version: 1\n".repeat(20_000);
    for more in [keys, twice] {
        let output = place.told("check", format!("{}\n{more}", nightly()).as_bytes());
        assert_eq!(checked(&output), Ok(3));
        let text = stderr(&output);
        assert!(text.contains("of which the first 100 are shown"), "{}", &text[text.len() - 300..]);
        assert!(text.len() < 100_000, "{} bytes of messages", text.len());
    }
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
}

#[test]
fn a_path_that_is_no_pattern_is_a_mistake_of_the_file() {
    let place = Place::new();
    for path in ["'a[!'", "'***'", "'[[[/*.parquet'"] {
        let output = place.told("check", with("path: ${exports}/costs/*.parquet", &format!("path: {path}")).as_bytes());
        assert_eq!(checked(&output), Ok(3), "{path}");
        assert!(stderr(&output).contains("is not a pattern of paths"), "{}", stderr(&output));
        assert!(!stderr(&output).contains("could not read"), "{}", stderr(&output));
    }
}

#[test]
fn bombs_and_abysses_are_refused() {
    let deep =
        |open: &str, close: &str| format!("{}\nx-a: {}{}\n", nightly(), open.repeat(100_000), close.repeat(100_000));
    for text in [deep("[", "]"), deep("{a: ", "}"), deep("[", ""), deep("- ", ""), deep("? ", "")] {
        assert!(matches!(answer(&text), Ok(Answer::Refused(_))));
    }
    let mut bomb = String::from("x-0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for step in 1..9 {
        let aliases = vec![format!("*a{}", step - 1); 9].join(", ");
        bomb.push_str(&format!("x-{step}: &a{step} [{aliases}]\n"));
    }
    assert_eq!(answer(&format!("{}\n{bomb}", nightly())), Ok(Answer::Refused(vec!["T0010"])));
}

#[test]
fn a_line_of_a_megabyte_is_read() {
    let long = "x".repeat(1 << 20);
    assert_eq!(answer(&format!("{}\n# {long}\n", nightly())), Ok(Answer::Plan));
    assert_eq!(answer(&with("description: Nightly", &format!("description: {long}"))), Ok(Answer::Plan));
    assert!(matches!(answer(&with("version: 1", &format!("version: {long}"))), Ok(Answer::Refused(_))));
    assert!(matches!(answer(&format!("{}\n{long}: 1\n", nightly())), Ok(Answer::Refused(_))));
}

#[test]
fn line_ends_and_marks_of_other_systems_are_read() {
    for text in [nightly().replace('\n', "\r\n"), nightly().replace('\n', "\r"), format!("\u{feff}{}", nightly())] {
        assert_eq!(answer(&text), Ok(Answer::Plan));
    }
}

#[test]
fn a_wrong_exclusion_is_told_as_such() {
    let place = Place::new();
    std::fs::write(place.file(), nightly()).unwrap();
    let file = place.file().to_string_lossy().into_owned();
    let output = crate::process::run(&["check", &file, "--exclude", "movments"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("`--exclude movments` matches no table"), "{}", stderr(&output));
}
