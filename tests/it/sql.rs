//! What `tenure check` says about queries: every mistake at its word, before any data is read.

use std::fmt::Write as _;

use tenure::diag::{Color, Diagnostics};
use tenure::plan::{Request, resolve};
use tenure::sources::Catalog;
use tenure::spec::file::{Overrides, read};

/// Messages about a pipeline with one `sql` table of this body, without those about missing exports.
fn told(body: &str) -> String {
    let mut yaml = String::from(
        "version: 1\npipeline: p\ntimezone: UTC\ncurrency: USD\nas_of: 2026-03-31\nroot: out\n\
         params:\n  floor: {type: int, default: 5}\n\
         sources:\n  visits:\n    path: v.parquet\n    columns:\n      customer: {type: string}\n      day: {type: date}\n\
         \x20     at: {type: timestamp, zone: UTC}\n      price: {type: money, unit: major}\n      paid: {type: bool}\n\
         tables:\n  t:\n    type: sql\n",
    );
    for line in body.lines() {
        let _ = writeln!(yaml, "    {line}");
    }
    let mut diags = Diagnostics::new("p.yml", yaml.as_str());
    if let Some(file) = read(&yaml, &Overrides::default(), &mut diags) {
        let request = Request::default();
        let _ = resolve(&file, &Catalog::default(), &request, &mut diags);
    }
    diags.render(Color::Never, None)
}

/// The titles alone; the parameter that only one query uses is not at issue.
fn titles(body: &str) -> Vec<String> {
    let told = told(body);
    told.lines().filter(|l| l.starts_with("error[") && !l.contains("T0123")).map(str::to_owned).collect()
}

#[test]
fn mistakes_are_shown_at_the_word_with_what_was_meant() {
    let body = "query: |\n  SELECT custmer, COUNT(*) AS n\n  FROM visits\n  WHERE day <= :as_off AND price > :floor\n  GROUP BY 1\nparams: {unused: 3, floor: '${floor}'}";
    insta::assert_snapshot!(told(body), @r"
    error[T0201]: source `visits` has no column `custmer`
      --> p.yml:22:14
       |
    22 |       SELECT custmer, COUNT(*) AS n
       |              ^^^^^^^
    help: did you mean `customer`?

    error[T0322]: the query uses `:as_off`, which is not under `params`
      --> p.yml:24:20
       |
    24 |       WHERE day <= :as_off AND price > :floor
       |                    ^^^^^^^
    help: did you mean `as_of`?
    help: bind a value: `params: {as_off: ..}`, which may be `${..}` of the pipeline

    error[T0323]: the query does not use the parameter `unused`
      --> p.yml:26:14
       |
    26 |     params: {unused: 3, floor: '${floor}'}
       |              ^^^^^^
    help: write `:unused` in it, or remove it

    error: 3 mistakes in p.yml
    ");
}

#[test]
fn what_is_no_query_over_the_pipeline_is_refused() {
    for (query, title) in [
        ("SELECT a FORM visits", "error[T0320]: the query cannot be used: expected end of statement, found `visits`"),
        ("DROP TABLE visits", "error[T0320]: the query cannot be used: `DROP` is no query"),
        ("SELECT customer FROM vists", "error[T0301]: no source or table is named `vists`"),
        ("SELECT customer FROM t", "error[T0302]: tables read from each other: `t -> t`"),
        (
            "SELECT * FROM read_parquet('/etc/x.parquet')",
            "error[T0320]: the query cannot be used: `read_parquet` is called like a function to read from",
        ),
        (
            "SELECT customer FROM visits WHERE day > customer",
            "error[T0320]: the query cannot be used: cannot compare 'date/datetime/time' to a string value",
        ),
        (
            "SELECT customer, day - day AS age FROM visits",
            "error[T0321]: column `age` of the result cannot be published: it is a length of time, whose unit nobody would know",
        ),
        (
            "SELECT customer, price FROM visits",
            "error[T0321]: column `price` of the result cannot be published: it is an amount, and no column says its currency",
        ),
        (
            "SELECT customer, NULL AS gone FROM visits",
            "error[T0321]: column `gone` of the result cannot be published: it is NULL of no type",
        ),
        (
            "SELECT customer, month_start(paid) AS m FROM visits",
            "error[T0320]: the query cannot be used: `month_start`, `month_end` and `date_trunc` take a date or a timestamp, found bool",
        ),
    ] {
        let found = titles(&format!("query: {query}"));
        assert_eq!(found.first().map(String::as_str), Some(title), "{query}: {found:?}");
    }
}

#[test]
fn keys_and_notes_name_columns_of_the_result() {
    let body = "query: SELECT customer, day FROM visits\nkey: [custome]\ncolumns: {dy: {unit: days}}";
    assert_eq!(titles(body), ["error[T0201]: the query has no column `dy`"]);
    let body = "query: SELECT customer, day FROM visits\nkey: [custome]";
    assert_eq!(titles(body).first().map(String::as_str), Some("error[T0201]: the query has no column `custome`"));
}
