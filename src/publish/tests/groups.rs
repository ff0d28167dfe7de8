//! Groups: switching, carrying forward, and every change of membership.

use super::*;

#[test]
fn a_group_switches_and_keeps_what_did_not_change() {
    let (_dir, root) = temp();
    let units = [group("main", &["a", "b"])];
    let first = publish(&root, &units, &[("a", 1), ("b", 1)]);
    assert_eq!(changed(&first), ["a", "b"]);
    let version = first.tables[0].version.clone();
    assert!(version.starts_with("2026-03-31-") && version.len() == 23, "{version}");
    assert_eq!(root.version_of("main").unwrap(), Some(version.clone()));
    assert_eq!(fs::read_link(root.path_of("a")).unwrap(), pathbuf("_tenure/groups/main/current/a.parquet"));
    let manifest = fs::read_to_string(root.manifest(&version)).unwrap();
    assert!(manifest.contains(&first.tables[1].sha256) && manifest.contains("\"rows\": 1"));

    let inode = |table: &str| std::os::unix::fs::MetadataExt::ino(&fs::metadata(root.path_of(table)).unwrap());
    let (a, b) = (inode("a"), inode("b"));
    let second = publish(&root, &units, &[("a", 1), ("b", 2)]);
    assert_eq!(changed(&second), ["b"]);
    assert_eq!(inode("a"), a);
    assert_ne!(inode("b"), b);
    assert_eq!(read(&root), tables(&[("a", 1), ("b", 2)]));
    assert_tidy(&root);
}

#[test]
fn an_unchanged_group_is_not_touched_whatever_the_date() {
    let (_dir, root) = temp();
    let units = [group("main", &["a", "b"])];
    let first = publish(&root, &units, &[("a", 1), ("b", 1)]);
    let link = fs::symlink_metadata(root.current("main")).unwrap();
    let lock = lock(&root, "run");
    let staging = lock.staging("again").unwrap();
    let mut staged = BTreeMap::new();
    for table in ["a", "b"] {
        write(&staging.file(table), table, 1);
        staged.insert(table.to_owned(), verify(&staging.file(table), 1, &columns()).unwrap());
    }
    let second = staging.publish(date(2027, 1, 1), &units, &staged, NonZeroUsize::MIN).unwrap();
    assert!(changed(&second).is_empty());
    assert_eq!(second.tables[0].version, first.tables[0].version);
    let now = fs::symlink_metadata(root.current("main")).unwrap();
    assert_eq!(now.modified().unwrap(), link.modified().unwrap());
    assert_eq!(versions(&root, "main").len(), 1);
    assert_tidy(&root);
}

#[test]
fn the_same_content_has_the_same_version_in_any_root() {
    let name = || {
        let (_dir, root) = temp();
        let publication = publish(&root, &[group("main", &["b", "a"])], &[("a", 1), ("b", 1)]);
        publication.tables[0].version.clone()
    };
    assert_eq!(name(), name());
}

#[test]
fn a_partial_run_carries_the_rest_forward() {
    let (_dir, root) = temp();
    let units = [group("main", &["a", "b", "c"])];
    publish(&root, &units, &[("a", 1), ("b", 1)]);
    let second = publish(&root, &units, &[("b", 2)]);
    let told: Vec<_> = second.tables.iter().map(|t| (&*t.table, t.rows, t.changed, t.carried)).collect();
    assert_eq!(told, [("a", 1, false, true), ("b", 2, true, false)]);
    assert_eq!(read(&root), tables(&[("a", 1), ("b", 2)]));
    // Nothing of the group was staged: nothing happens, also not to its members.
    let third = publish(&root, &[group("main", &["a"]), single("s")], &[("s", 1)]);
    assert_eq!(third.tables.len(), 1);
    assert_eq!(read(&root), tables(&[("a", 1), ("b", 2), ("s", 1)]));
    assert_tidy(&root);
}

#[test]
fn old_versions_are_removed_but_never_those_of_this_publish() {
    let (_dir, root) = temp();
    let units = [group("main", &["a"])];
    let lock = lock(&root, "run");
    let go = |n: u64, retain: usize| {
        lock.recover().unwrap();
        try_publish(&lock, "run", &units, &tables(&[("a", n)]), retain).unwrap();
        versions(&root, "main").len()
    };
    assert_eq!([go(1, 3), go(2, 3), go(3, 3), go(4, 3), go(5, 3)], [1, 2, 3, 3, 3]);
    // The version before stays through the publish, though one is to be kept.
    assert_eq!(go(6, 1), 2);
    // Back to an earlier content: the same version, not a copy.
    assert_eq!([go(7, 2), go(6, 2), go(7, 2)], [2, 2, 2]);
    let manifests = disk::names(&root.own("manifests")).unwrap();
    assert_eq!(manifests.len(), 2);
}

#[test]
fn regular_files_join_a_group() {
    let (_dir, root) = temp();
    publish(&root, &[single("a"), single("b"), group("main", &["c"])], &[("a", 1), ("b", 1), ("c", 1)]);
    let units = [group("main", &["a", "b", "c", "d"])];
    let publication = publish(&root, &units, &[("a", 2), ("c", 2), ("d", 2)]);
    assert_eq!(changed(&publication), ["a", "c", "d"]);
    assert_eq!(read(&root), tables(&[("a", 2), ("b", 1), ("c", 2), ("d", 2)]));
    for table in ["a", "b", "c", "d"] {
        assert_eq!(root.seat(table).unwrap(), root::Seat::Member("main".to_owned()));
    }
    assert_tidy(&root);
    publish(&root, &units, &[("a", 3)]);
    assert_eq!(versions(&root, "main").len(), 2, "the bridge is gone");
}

#[test]
fn what_readers_saw_before_a_table_joined_counts_as_a_version() {
    let (_dir, root) = temp();
    publish(&root, &[single("a")], &[("a", 1)]);
    let units = [group("main", &["a"])];
    for n in 2..=3 {
        publish_retaining(&root, &units, &[("a", n)], 3);
    }
    assert_eq!(versions(&root, "main").len(), 3);
}

#[test]
fn joining_unchanged_keeps_the_file() {
    let (_dir, root) = temp();
    publish(&root, &[single("a"), single("b")], &[("a", 1), ("b", 1)]);
    let before = mtime(&root.path_of("a"));
    let publication = publish(&root, &[group("main", &["a", "b"])], &[("a", 1), ("b", 1)]);
    assert!(changed(&publication).is_empty());
    assert_eq!(mtime(&root.path_of("a")), before);
    assert_eq!(versions(&root, "main").len(), 1, "no bridge is needed");
    assert_tidy(&root);
}

#[test]
fn tables_leave_a_group() {
    let (_dir, root) = temp();
    publish(&root, &[group("main", &["a", "b", "c"])], &[("a", 1), ("b", 1), ("c", 1)]);
    let before = mtime(&root.path_of("c"));
    // `b` becomes a single table; `c` is no longer in the pipeline.
    let publication = publish(&root, &[group("main", &["a"]), single("b")], &[("a", 2), ("b", 2)]);
    let detached = |table: &str| Detached { table: table.to_owned(), group: "main".to_owned() };
    assert_eq!(publication.detached, [detached("b"), detached("c")]);
    assert_eq!(read(&root), tables(&[("a", 2), ("b", 2), ("c", 1)]));
    assert_eq!(mtime(&root.path_of("c")), before);
    for table in ["b", "c"] {
        assert_eq!(root.seat(table).unwrap(), root::Seat::File);
    }
    for n in 3..6 {
        publish(&root, &[group("main", &["a"])], &[("a", n)]);
    }
    assert_eq!(read(&root), tables(&[("a", 5), ("b", 2), ("c", 1)]));
    assert_tidy(&root);
}

#[test]
fn a_single_table_can_leave_a_group_that_is_not_published() {
    let (_dir, root) = temp();
    publish(&root, &[group("main", &["a", "b"])], &[("a", 1), ("b", 1)]);
    let publication = publish(&root, &[single("b")], &[("b", 1)]);
    assert_eq!(publication.detached[0].table, "b");
    assert!(changed(&publication).is_empty());
    assert_eq!(root.seat("b").unwrap(), root::Seat::File);
    publish(&root, &[group("main", &["a"])], &[("a", 2)]);
    assert_eq!(read(&root), tables(&[("a", 2), ("b", 1)]));
}

#[test]
fn a_table_moves_between_groups_in_either_order() {
    for reversed in [false, true] {
        let (_dir, root) = temp();
        publish(&root, &[group("one", &["a", "b"]), group("two", &["c"])], &[("a", 1), ("b", 1), ("c", 1)]);
        let mut units = [group("one", &["a"]), group("two", &["b", "c"])];
        if reversed {
            units.reverse();
        }
        publish(&root, &units, &[("a", 2), ("b", 2), ("c", 2)]);
        assert_eq!(read(&root), tables(&[("a", 2), ("b", 2), ("c", 2)]));
        assert_eq!(root.seat("b").unwrap(), root::Seat::Member("two".to_owned()));
        publish(&root, &units, &[("a", 3)]);
        assert_eq!(read(&root), tables(&[("a", 3), ("b", 2), ("c", 2)]));
        assert_tidy(&root);
    }
}

#[test]
fn lost_links_are_restored() {
    let (_dir, root) = temp();
    let units = [group("main", &["a", "b"])];
    publish(&root, &units, &[("a", 1), ("b", 1)]);
    fs::remove_file(root.path_of("a")).unwrap();
    let publication = publish(&root, &units, &[("a", 1), ("b", 1)]);
    assert!(changed(&publication).is_empty());
    assert_eq!(read(&root), tables(&[("a", 1), ("b", 1)]));
    // Files put in place of links are what readers saw; the group takes over from them at once.
    for table in ["a", "b"] {
        fs::remove_file(root.path_of(table)).unwrap();
        write(&root.path_of(table), table, 9);
    }
    let publication = publish(&root, &units, &[("a", 1), ("b", 1)]);
    assert_eq!(changed(&publication), ["a", "b"]);
    assert_eq!(read(&root), tables(&[("a", 1), ("b", 1)]));
    assert_tidy(&root);
}

#[test]
fn an_altered_version_is_not_reused() {
    let (_dir, root) = temp();
    let units = [group("main", &["a"])];
    let first = publish(&root, &units, &[("a", 1)]);
    publish(&root, &units, &[("a", 2)]);
    write(&root.version("main", &first.tables[0].version).join("a.parquet"), "a", 5);
    let third = publish(&root, &units, &[("a", 1)]);
    assert_eq!(third.tables[0].version, format!("{}.2", first.tables[0].version));
    assert_eq!(read(&root), tables(&[("a", 1)]));
}

#[test]
fn records_that_were_lost_cost_nothing_that_readers_see() {
    let (_dir, root) = temp();
    let units = [group("main", &["a", "b"])];
    let history = root.group("main").join("history.json");
    for n in 1..=2 {
        publish(&root, &units, &[("a", n), ("b", n)]);
    }
    // A history that does not know the current version: an interrupted publish is settled.
    fs::write(&history, r#"{"versions": []}"#).unwrap();
    let mut journal = Journal::new("gone");
    journal.state = State::Done;
    journal.write(&root).unwrap();
    lock(&root, "run").recover().unwrap();
    assert_eq!(read(&root), tables(&[("a", 2), ("b", 2)]));
    // No history: every version is kept, until a publish begins a new one.
    publish(&root, &units, &[("a", 3), ("b", 3)]);
    fs::remove_file(&history).unwrap();
    journal.write(&root).unwrap();
    lock(&root, "run").recover().unwrap();
    assert_eq!(versions(&root, "main").len(), 2);
    publish(&root, &units, &[("a", 4), ("b", 4)]);
    // The version itself is gone, by another's hand: the next publish heals it.
    fs::remove_dir_all(root.versions("main")).unwrap();
    assert_eq!(root.version_of("main").unwrap(), None);
    publish(&root, &units, &[("a", 4), ("b", 4)]);
    assert_eq!(read(&root), tables(&[("a", 4), ("b", 4)]));
    assert_tidy(&root);
}
