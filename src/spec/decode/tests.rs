use std::collections::BTreeMap;

use indexmap::IndexMap;
use insta::assert_snapshot;
use serde::Deserialize;
use serde_json::json;

use super::sample::{Grain, OnViolation, Quarantine, Sample, Table, good, read};
use super::*;
use crate::diag::Color;
use crate::spec::tree::parse;

#[test]
fn texts_stay_texts() {
    let texts: BTreeMap<String, String> = good("a: 1.10\nb: no\nc: 2026-03-31\nd: '5'\ne: 0x1F\nx-large: XL\n");
    assert_eq!(
        serde_json::to_value(texts).unwrap(),
        json!({"a": "1.10", "b": "no", "c": "2026-03-31", "d": "5", "e": "0x1F", "x-large": "XL"})
    );
}

#[test]
fn untyped_values_follow_yaml_1_2() {
    let values: Value =
        good("a: 1\nb: 1.10\nc: no\nd: true\ne: ~\nf: 2026-03-31\ng: '5'\nh: [0x1F, 0o17, 1e3, -2, .5, 1_0]\n");
    assert_eq!(
        values,
        json!({"a": 1, "b": 1.1, "c": "no", "d": true, "e": null, "f": "2026-03-31", "g": "5", "h": [31, 15, 1000.0, -2, 0.5, "1_0"]})
    );
}

#[test]
fn a_whole_file() {
    let sample: Sample = good(
        "version: 1\npipeline: cs\ntimezone: UTC\nstrict: true\nx-note: [anything]\nlimits: {threads: 4, memory: 80%, lock_wait: 10m, spill: 2GiB}\n\
         sources:\n  x-base: &base {key: [id], on_violation: {quarantine: {max_share: 0.1%}}}\n  a: {<<: *base, path: a/*.parquet}\n  b: {path: b, key: [id, at], on_violation: warn}\n\
         tables:\n  n: {type: nps, score: answer}\n  l: {type: ltv, gross_margin: 80%, horizon: 24, discount: 1, floor: 5.00 USD, due: 2027-03-31}\n\
         given: {a: [{id: 1, at: null}]}\n",
    );
    assert_eq!(sample.sources.names(), ["a", "b"]);
    assert_eq!(
        sample.sources["a"].on_violation,
        OnViolation::Quarantine(Quarantine { max_rows: None, max_share: "0.1%".parse().ok() })
    );
    assert_eq!(sample.tables["n"], Table::Nps { score: "answer".parse().unwrap(), grain: Grain::Month, by: None });
    assert_eq!(sample.given.unwrap()["a"][0]["at"], Value::Null);
}

#[test]
fn a_schema_may_be_composed_at_run_time() {
    let schema = json!({
        "type": "object",
        "properties": {
            "from": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/Name"}}]},
            "by": {"type": ["integer", "null"]},
        },
        "required": ["from"],
        "$defs": {"Name": {"type": "string", "format": "tenure-name"}},
    });
    let told = |text: &str| {
        let mut diags = Diagnostics::new("p.yml", text);
        let node = parse(text, &mut diags).unwrap();
        let entry = node.entry("t").unwrap();
        match check(&entry.value, &Place::new("tables.t", entry.key_span), &schema, &mut diags) {
            Some(value) => value.to_string(),
            None => diags.render(Color::Never, None),
        }
    };
    assert_eq!(told("t: {from: 2026-03-31, by: 3}"), r#"{"from":"2026-03-31","by":3}"#);
    assert_eq!(told("t: {from: [a, b]}"), r#"{"from":["a","b"]}"#);
    assert_snapshot!(told("t: {from: {a: b}, frm: x}"), @r"
    error[T0104]: `from` must be a text or a list, found a map
     --> p.yml:1:11
      |
    1 | t: {from: {a: b}, frm: x}
      |           ^^^^^^ expected a text or a list

    error[T0102]: unknown key `frm` in `tables.t`
     --> p.yml:1:19
      |
    1 | t: {from: {a: b}, frm: x}
      |                   ^^^
    help: did you mean `from`?

    error: 2 mistakes in p.yml
    ");
}

#[test]
fn what_serde_refuses_although_the_schema_allows_it_is_our_fault() {
    #[derive(Debug)]
    struct Odd;
    impl<'de> Deserialize<'de> for Odd {
        fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
            Err(serde::de::Error::custom("odd"))
        }
    }
    impl JsonSchema for Odd {
        fn schema_name() -> std::borrow::Cow<'static, str> {
            "Odd".into()
        }
        fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
            schemars::json_schema!({"type": "object"})
        }
    }
    let (value, diags) = read::<Odd>("a: 1\n");
    assert!(value.is_none());
    assert_snapshot!(diags.render(Color::Never, None), @r"
    error[T0199]: `the file` could not be read although it follows the schema: odd
     --> p.yml:1:1
      |
    1 | a: 1
      | ^
    help: this is a fault of tenure; please report it with the lines shown

    error: 1 mistake in p.yml
    ");
}

#[test]
fn the_published_schema_accepts_what_decode_accepts() {
    let schema = schema_of::<Sample>();
    assert_eq!(schema["properties"]["strict"], json!({"type": "boolean"}));
    assert_eq!(schema["additionalProperties"], json!(false));
    assert_eq!(schema["patternProperties"], json!({"^x-": true}));
    assert_eq!(schema["properties"]["timezone"]["type"], json!("string"));
    assert_eq!(schema["$defs"]["Table"]["oneOf"][0]["properties"]["grain"]["$ref"], json!("#/$defs/Grain"));
}

#[test]
fn maps_with_names_as_keys_check_their_names() {
    type Columns = IndexMap<Name, u8>;
    assert_eq!(good::<Columns>("id: 1\nx-note: free\n").len(), 1);
    let (columns, diags) = read::<Columns>("Id: 1\nb: x\n");
    assert_eq!(columns, None);
    let codes: Vec<_> = diags.sorted().iter().map(|d| d.code.id()).collect();
    assert_eq!(codes, ["T0109", "T0104"]);
    let patterns = schema_of::<Columns>()["patternProperties"].clone();
    assert_eq!(patterns["^x-"], json!(true));
}
