//! What is told about files that do not follow their schema.

use insta::assert_snapshot;

use super::sample::{Sample, read};
use crate::diag::Color;

/// The messages about a file that begins as every valid one.
fn told(rest: &str) -> String {
    let (value, diags) = read::<Sample>(&format!("version: 1\npipeline: cs\n{rest}"));
    assert!(value.is_none(), "{value:?}");
    diags.render(Color::Never, None)
}

#[test]
fn unknown_and_missing_keys() {
    assert_snapshot!(told("sources:\n  customers:\n    path: a\n    kye: [id]\n  b:\n    path: b\n    zzz: 1\ntabels: {}\n"), @r"
    error[T0102]: unknown key `kye` in `sources.customers`
     --> p.yml:6:5
      |
    6 |     kye: [id]
      |     ^^^
    help: did you mean `key`?

    error[T0103]: missing key `key` in `sources.b`
     --> p.yml:7:3
      |
    7 |   b:
      |   ^
    help: add `key`: a list

    error[T0102]: unknown key `zzz` in `sources.b`
     --> p.yml:9:5
      |
    9 |     zzz: 1
      |     ^^^
    help: allowed keys: `path`, `key`, `on_violation`, `currency`, `matches`, `null_as`

    error[T0102]: unknown key `tabels` at the top level
      --> p.yml:10:1
       |
    10 | tabels: {}
       | ^^^^^^
    help: did you mean `tables`?

    error: 4 mistakes in p.yml
    ");
    assert_snapshot!(told("tables:\n  nps:\n    type: nps\n  ltv: {type: ltv}\n"), @r"
    error[T0103]: missing key `score` in `tables.nps`
     --> p.yml:4:3
      |
    4 |   nps:
      |   ^^^
    help: add `score`: a name such as `nps_monthly`
    help: `score` is documented as: The column that holds the answer, 0 to 10

    error[T0103]: missing key `gross_margin` in `tables.ltv`
     --> p.yml:6:3
      |
    6 |   ltv: {type: ltv}
      |   ^^^
    help: add `gross_margin`: a percentage such as `80%`
    help: `gross_margin` is documented as: The share of revenue that is kept

    error: 2 mistakes in p.yml
    ");
    let (_, diags) = read::<Sample>("version: 1\n");
    assert_snapshot!(diags.render(Color::Never, None), @r"
    error[T0103]: missing key `pipeline` at the top level
     --> p.yml:1:1
      |
    1 | version: 1
      | ^
    help: add `pipeline`: a name such as `nps_monthly`

    error: 1 mistake in p.yml
    ");
}

#[test]
fn wrong_kinds() {
    assert_snapshot!(told("sources:\n  - a\n"), @r"
    error[T0104]: `sources` must be a map, found a list
     --> p.yml:3:1
      |
    3 | sources:
      | ^^^^^^^ expected a map
    help: write one `name: ..` per entry, without `-`

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("sources: {a: {path: [a.parquet], key: id}}\n"), @r"
    error[T0104]: `path` must be a path, found a list
     --> p.yml:3:21
      |
    3 | sources: {a: {path: [a.parquet], key: id}}
      |                     ^^^^^^^^^^^ expected a path such as `${exports}/customers/*.parquet`
    help: write `path: a.parquet`

    error[T0104]: `key` must be a list, found the text `id`
     --> p.yml:3:39
      |
    3 | sources: {a: {path: [a.parquet], key: id}}
      |                                       ^^ expected a list
    help: write `[id]`

    error: 2 mistakes in p.yml
    ");
    assert_snapshot!(told("limits: {threads: '4'}\ntables: {l: {type: ltv, gross_margin: 80%, horizon: 1_0, discount: 5%}}\n"), @r"
    error[T0104]: `threads` must be a whole number, found the text `4`
     --> p.yml:3:19
      |
    3 | limits: {threads: '4'}
      |                   ^^^ expected a whole number
    help: remove the quotes: `4`

    error[T0104]: `horizon` must be a whole number, found the text `1_0`
     --> p.yml:4:53
      |
    4 | tables: {l: {type: ltv, gross_margin: 80%, horizon: 1_0, discount: 5%}}
      |                                                     ^^^ expected a whole number
    help: write `10`

    error[T0104]: `discount` must be a number, found the text `5%`
     --> p.yml:4:68
      |
    4 | tables: {l: {type: ltv, gross_margin: 80%, horizon: 1_0, discount: 5%}}
      |                                                                    ^^ expected a number
    help: no percentage is meant here; write the number alone

    error: 3 mistakes in p.yml
    ");
    assert_snapshot!(told("tables:\n  nps:\n    type: nps\n    score:\n      column: a\n"), @r"
    error[T0104]: `score` must be a name, found a map
     --> p.yml:6:5
      |
    6 |     score:
      |     ^^^^^ expected a name such as `nps_monthly`

    error: 1 mistake in p.yml
    ");
    let (_, diags) = read::<Sample>("version:1\npipeline:cs\n");
    assert_snapshot!(diags.render(Color::Never, None), @r"
    error[T0104]: expected a map, found the text `version:1 pipeline:cs`
     --> p.yml:1:1
      |
    1 | version:1
      | ^^^^^^^^^ expected a map
    help: write `key: value`, with a space behind the colon

    error: 1 mistake in p.yml
    ");
}

#[test]
fn empty_values() {
    assert_snapshot!(told("sources:\nlimits: {memory: }\ntables: {n: {type: nps, score: s, by: [a, ~]}}\n"), @r"
    error[T0105]: `sources` is empty
     --> p.yml:3:1
      |
    3 | sources:
      | ^^^^^^^ expected a map
    help: give it a value, or remove it

    error[T0105]: `memory` is empty
     --> p.yml:4:10
      |
    4 | limits: {memory: }
      |          ^^^^^^ expected a size or percentage such as `80%`
    help: give it a value, or remove it

    error[T0105]: `by[1]` is empty
     --> p.yml:5:43
      |
    5 | tables: {n: {type: nps, score: s, by: [a, ~]}}
      |                                           ^ expected a name such as `nps_monthly`
    help: give it a value, or remove it

    error: 3 mistakes in p.yml
    ");
    assert_snapshot!(told("given: {a: [{id: }]}\n"), @r"
    error[T0105]: `id` is empty
     --> p.yml:3:14
      |
    3 | given: {a: [{id: }]}
      |              ^^ expected a value
    help: give it a value, or remove it

    error: 1 mistake in p.yml
    ");
}

#[test]
fn choices() {
    assert_snapshot!(told("tables:\n  a: {type: npss}\n  b: {typ: nps}\n  c: {score: x}\n  d: nps\n"), @r"
    error[T0106]: unknown value `npss` for `type`
     --> p.yml:4:13
      |
    4 |   a: {type: npss}
      |             ^^^^
    help: did you mean `nps`?

    error[T0102]: unknown key `typ` in `tables.b`
     --> p.yml:5:7
      |
    5 |   b: {typ: nps}
      |       ^^^
    help: did you mean `type`?

    error[T0103]: missing key `type` in `tables.c`
     --> p.yml:6:3
      |
    6 |   c: {score: x}
      |   ^
    help: add `type`: one of `nps`, `ltv`

    error[T0104]: `d` must be a map with `type`, found the text `nps`
     --> p.yml:7:6
      |
    7 |   d: nps
      |      ^^^ expected a map with `type`

    error: 4 mistakes in p.yml
    ");
    assert_snapshot!(told("tables: {a: {type: nps, score: s, grain: monthly}}\n"), @r"
    error[T0106]: unknown value `monthly` for `grain`
     --> p.yml:3:42
      |
    3 | tables: {a: {type: nps, score: s, grain: monthly}}
      |                                          ^^^^^^^
    help: did you mean `month`?

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("sources:\n  a: {path: a, key: [id], on_violation: stop}\n  b: {path: a, key: [id], on_violation: quarantine}\n  c: {path: a, key: [id], on_violation: {}}\n  d: {path: a, key: [id], on_violation: {quarantin: {}}}\n  e: {path: a, key: [id], on_violation: {warn: 5}}\n"), @r"
    error[T0106]: unknown value `stop` for `on_violation`
     --> p.yml:4:41
      |
    4 |   a: {path: a, key: [id], on_violation: stop}
      |                                         ^^^^
    help: allowed values: `fail`, `warn`, `quarantine`

    error[T0104]: `on_violation` must be a map for this choice, found the text `quarantine`
     --> p.yml:5:41
      |
    5 |   b: {path: a, key: [id], on_violation: quarantine}
      |                                         ^^^^^^^^^^ expected a map for this choice
    help: write `{quarantine: ..}` with a map for `quarantine`

    error[T0112]: `on_violation` takes exactly one kind, found none
     --> p.yml:6:41
      |
    6 |   c: {path: a, key: [id], on_violation: {}}
      |                                         ^^
    help: choose one of: `quarantine`, `fail`, `warn`

    error[T0102]: unknown key `quarantin` in `sources.d.on_violation`
     --> p.yml:7:42
      |
    7 |   d: {path: a, key: [id], on_violation: {quarantin: {}}}
      |                                          ^^^^^^^^^
    help: did you mean `quarantine`?

    error[T0104]: `on_violation` must be the word `warn` alone, found a map
     --> p.yml:8:41
      |
    8 |   e: {path: a, key: [id], on_violation: {warn: 5}}
      |                                         ^^^^^^^^^ expected the word `warn` alone
    help: write `on_violation: warn`

    error: 5 mistakes in p.yml
    ");
}

#[test]
fn booleans_are_those_of_yaml_1_2() {
    assert_snapshot!(told("strict: yes\n"), @r"
    error[T0107]: `yes` is not a boolean for `strict`
     --> p.yml:3:9
      |
    3 | strict: yes
      |         ^^^
    help: write `true`

    error: 1 mistake in p.yml
    ");
    assert_snapshot!(told("strict: 'false'\n"), @r"
    error[T0107]: `'false'` is not a boolean for `strict`
     --> p.yml:3:9
      |
    3 | strict: 'false'
      |         ^^^^^^^
    help: write `false`

    error: 1 mistake in p.yml
    ");
}

#[test]
fn bounds_and_lengths() {
    assert_snapshot!(told("limits: {threads: 70000}\ntables:\n  l: {type: ltv, gross_margin: 80%, horizon: 0, discount: -0.5}\n"), @r"
    error[T0110]: `70000` is out of range for `threads`
     --> p.yml:3:19
      |
    3 | limits: {threads: 70000}
      |                   ^^^^^
    help: allowed: 0 to 65535

    error[T0110]: `0` is out of range for `horizon`
     --> p.yml:5:46
      |
    5 |   l: {type: ltv, gross_margin: 80%, horizon: 0, discount: -0.5}
      |                                              ^
    help: allowed: 1 to 120

    error[T0110]: `-0.5` is out of range for `discount`
     --> p.yml:5:59
      |
    5 |   l: {type: ltv, gross_margin: 80%, horizon: 0, discount: -0.5}
      |                                                           ^^^^
    help: allowed: at least 0

    error: 3 mistakes in p.yml
    ");
    assert_snapshot!(told("sources: {a: {path: a, key: []}, b: {path: b, key: [id, at, id]}}\n"), @r"
    error[T0111]: `key` holds 0 values
     --> p.yml:3:29
      |
    3 | sources: {a: {path: a, key: []}, b: {path: b, key: [id, at, id]}}
      |                             ^^
    help: allowed: at least 1

    error[T0113]: `id` is listed twice in `key`
     --> p.yml:3:61
      |
    3 | sources: {a: {path: a, key: []}, b: {path: b, key: [id, at, id]}}
      |                                                     --      ^^
      |                                                     |
      |                                                     first listed here
    help: remove one of the two

    error: 2 mistakes in p.yml
    ");
}

#[test]
fn texts_with_a_form() {
    assert_snapshot!(told("timezone: Asia/Tokio\nlimits: {memory: 8, lock_wait: 10}\n"), @r"
    error[T0108]: unknown time zone `Asia/Tokio`
     --> p.yml:3:11
      |
    3 | timezone: Asia/Tokio
      |           ^^^^^^^^^^ value of `timezone`
    help: did you mean `Asia/Tokyo`?

    error[T0108]: size `8` has no unit
     --> p.yml:4:18
      |
    4 | limits: {memory: 8, lock_wait: 10}
      |                  ^ value of `memory`
    help: write `8MiB` if mebibytes are meant
    help: a share of the machine is written `80%`

    error[T0108]: duration `10` has no unit
     --> p.yml:4:32
      |
    4 | limits: {memory: 8, lock_wait: 10}
      |                                ^^ value of `lock_wait`
    help: units are s, m, h, d and w: write `10d` if days are meant

    error: 3 mistakes in p.yml
    ");
    assert_snapshot!(told("tables: {l: {type: ltv, gross_margin: 0.8, floor: '1,000.00 USD', due: 31.03.2027}}\n"), @r"
    error[T0108]: `0.8` is no percentage
     --> p.yml:3:39
      |
    3 | tables: {l: {type: ltv, gross_margin: 0.8, floor: '1,000.00 USD', due: 31.03.2027}}
      |                                       ^^^ value of `gross_margin`
    help: write `80%` if that share is meant, `0.8%` otherwise

    error[T0108]: `1,000.00 USD` groups its digits
     --> p.yml:3:51
      |
    3 | tables: {l: {type: ltv, gross_margin: 0.8, floor: '1,000.00 USD', due: 31.03.2027}}
      |                                                   ^^^^^^^^^^^^^^ value of `floor`
    help: write `1000.00 USD`

    error[T0108]: `31.03.2027` is not a date
     --> p.yml:3:72
      |
    3 | tables: {l: {type: ltv, gross_margin: 0.8, floor: '1,000.00 USD', due: 31.03.2027}}
      |                                                                        ^^^^^^^^^^ value of `due`
    help: write year, month and day as in `2026-06-30`

    error: 3 mistakes in p.yml
    ");
}

#[test]
fn names() {
    assert_snapshot!(told("sources:\n  Stripe-Customers: {path: a, key: [id]}\n  日本: {path: a, key: [id]}\n"), @r"
    error[T0109]: `Stripe-Customers` is not a snake_case name
     --> p.yml:4:3
      |
    4 |   Stripe-Customers: {path: a, key: [id]}
      |   ^^^^^^^^^^^^^^^^
    help: write `stripe_customers`

    error[T0109]: `日本` is not a snake_case name
     --> p.yml:5:3
      |
    5 |   日本: {path: a, key: [id]}
      |   ^^^^
    help: a name begins with a to z and goes on with a to z, 0 to 9 and _

    error: 2 mistakes in p.yml
    ");
}

#[test]
fn a_mistake_under_an_anchor_is_told_once() {
    let text = "x-base: &base {path: a, key: [id], currency: usd}\nsources: {a: *base, b: *base, c: {<<: *base}}\n";
    assert_snapshot!(told(text), @r"
    error[T0108]: currency `usd` is not in upper case
     --> p.yml:3:46
      |
    3 | x-base: &base {path: a, key: [id], currency: usd}
      |                                              ^^^ value of `currency`
    help: write `USD`

    error: 1 mistake in p.yml
    ");
}
