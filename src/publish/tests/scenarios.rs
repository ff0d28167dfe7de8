//! The publishes that are interrupted.

use super::*;

/// A state of a root, and a publish to be interrupted.
pub(super) struct Scenario {
    pub name: &'static str,
    pub before: fn(&Root),
    pub units: fn() -> Vec<Unit>,
    pub staged: &'static [(&'static str, u64)],
}

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "first publish",
        before: |_| {},
        units: || vec![group("main", &["a", "b"]), single("s"), single("t")],
        staged: &[("a", 1), ("b", 1), ("s", 1), ("t", 1)],
    },
    Scenario {
        name: "everything changes, an old version goes",
        before: |root| {
            let units = [group("main", &["a", "b"]), single("s"), single("t")];
            for n in 1..=3 {
                publish(root, &units, &[("a", n), ("b", n), ("s", n), ("t", n)]);
            }
        },
        units: || vec![group("main", &["a", "b"]), single("s"), single("t")],
        staged: &[("a", 4), ("b", 4), ("s", 4), ("t", 4)],
    },
    Scenario {
        name: "regular files and a new table join",
        before: |root| {
            let units = [group("main", &["a"]), single("b"), single("c"), single("s")];
            publish(root, &units, &[("a", 1), ("b", 1), ("c", 1), ("s", 1)]);
        },
        units: || vec![group("main", &["a", "b", "c", "d"]), single("s")],
        staged: &[("a", 2), ("b", 2), ("c", 2), ("d", 2), ("s", 2)],
    },
    Scenario {
        name: "two tables leave, one of them is published by itself",
        before: |root| {
            let units = [group("main", &["a", "b", "c", "d"])];
            publish(root, &units, &[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        },
        units: || vec![group("main", &["a", "b"]), single("c")],
        staged: &[("a", 2), ("b", 2), ("c", 2)],
    },
    Scenario {
        name: "some tables are carried forward",
        before: |root| {
            let units = [group("main", &["a", "b"]), single("c")];
            publish(root, &units, &[("a", 1), ("b", 1), ("c", 1)]);
        },
        units: || vec![group("main", &["a", "b", "c"])],
        staged: &[("a", 2)],
    },
    Scenario {
        name: "nothing changes",
        before: |root| {
            publish(root, &[group("main", &["a"]), single("s")], &[("a", 1), ("s", 1)]);
        },
        units: || vec![group("main", &["a"]), single("s")],
        staged: &[("a", 1), ("s", 1)],
    },
    Scenario {
        name: "a table moves between groups",
        before: |root| {
            let units = [group("one", &["a", "b"]), group("two", &["c", "d"])];
            publish(root, &units, &[("a", 1), ("b", 1), ("c", 1), ("d", 1)]);
        },
        units: || vec![group("two", &["b", "c", "d"]), group("one", &["a"])],
        staged: &[("a", 2), ("b", 2), ("c", 2), ("d", 2)],
    },
];
