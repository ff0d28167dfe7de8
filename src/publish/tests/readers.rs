//! Readers beside a publisher.
//!
//! All versions are retained: these publishes follow each other within milliseconds, and a reader
//! thread that sleeps through two of them would find its version removed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::*;

/// 200 publishes of a group of three, one of which is a regular file at first, leaves at half-time,
/// and comes back; readers open its tables the whole time.
///
/// Asserted is what can be promised to a reader that opens several paths: a table is always there,
/// and successive opens never go back in time. If the first and the last open agree, those between
/// must therefore agree too; that they do is asserted as well, and that it happened often.
#[test]
fn readers_never_see_a_mix_or_a_step_back() {
    const PUBLISHES: u64 = 200;
    let (_dir, root) = temp();
    publish(&root, &[group("main", &["a", "b"]), single("c")], &[("a", 1), ("b", 1), ("c", 1)]);
    let done = AtomicBool::new(false);
    let rounds = AtomicU64::new(0);
    let agreed = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut last = 0;
                while !done.load(Ordering::Relaxed) {
                    let seen = ["a", "b", "c", "b", "a"].map(|t| verify::rows(&root.path_of(t)).unwrap());
                    assert!(seen[0] >= last, "{last} {seen:?}");
                    // While `c` is by itself it may be behind or ahead of the group.
                    let group = [seen[0], seen[1], seen[3], seen[4]];
                    assert!(group.is_sorted(), "{seen:?}");
                    if (10..=90).contains(&seen[0]) && seen[4] <= 90 {
                        assert!(seen.is_sorted(), "{seen:?}");
                        assert!(seen[0] != seen[4] || seen[2] == seen[0], "{seen:?}");
                        agreed.fetch_add(u64::from(seen[0] == seen[4]), Ordering::Relaxed);
                    }
                    last = seen[4];
                    rounds.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for n in 2..=PUBLISHES {
            let units = if (100..150).contains(&n) {
                vec![group("main", &["a", "b"]), single("c")]
            } else {
                vec![group("main", &["a", "b", "c"])]
            };
            publish_retaining(&root, &units, &[("a", n), ("b", n), ("c", n)], 1000);
        }
        done.store(true, Ordering::Relaxed);
    });
    assert!(agreed.load(Ordering::Relaxed) > 50, "{agreed:?} of {rounds:?}");
    assert_eq!(read(&root), tables(&[("a", PUBLISHES), ("b", PUBLISHES), ("c", PUBLISHES)]));
    assert_tidy(&root);
}

/// A reader that resolves `current` once sees one version, however many tables it opens.
#[test]
fn a_resolved_version_is_consistent() {
    let (_dir, root) = temp();
    let units = [group("main", &["a", "b"])];
    publish(&root, &units, &[("a", 1), ("b", 1)]);
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let dir = fs::canonicalize(root.path().join("_tenure/groups/main/current")).unwrap();
                let open = ["a", "b"].map(|t| File::open(dir.join(format!("{t}.parquet"))).unwrap());
                let sizes = open.map(|file| file.metadata().unwrap().len());
                assert_eq!(sizes[0], sizes[1]);
            }
        });
        for n in 2..=40 {
            publish_retaining(&root, &units, &[("a", n), ("b", n)], 1000);
        }
        done.store(true, Ordering::Relaxed);
    });
}
