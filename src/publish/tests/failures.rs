//! Errors: how they are told apart, and what they leave.

use std::io;

use super::*;

fn fs_error(kind: io::ErrorKind) -> PublishError {
    let source = io::Error::from(kind);
    PublishError::Fs(FsError { action: Action::Write, path: pathbuf("x"), source })
}

#[test]
fn errors_are_told_apart_by_what_an_operator_does() {
    use rustix::io::Errno;
    let told = |errno: Errno| {
        let error = fs_error(io::Error::from(errno).kind());
        (error.is_transient(), error.is_disk_full())
    };
    for errno in [Errno::INTR, Errno::AGAIN, Errno::TIMEDOUT, Errno::STALE] {
        assert_eq!(told(errno), (true, false), "{errno}");
    }
    for errno in [Errno::NOSPC, Errno::DQUOT] {
        assert_eq!(told(errno), (false, true), "{errno}");
    }
    for errno in [Errno::ACCESS, Errno::NOENT, Errno::IO, Errno::ROFS] {
        assert_eq!(told(errno), (false, false), "{errno}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_told_with_action_and_path() {
    let error = disk::write_synced(Path::new("/dev/full"), b"x").unwrap_err();
    assert!(error.is_disk_full());
    assert_eq!(error.to_string(), "could not write `/dev/full`");
    let error = VerifyError::from(error);
    assert!(error.is_disk_full() && PublishError::from(error).is_disk_full());
}

#[test]
fn a_root_that_is_a_file_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "").unwrap();
    let error = Root::open(&path).unwrap_err();
    assert_eq!(error.to_string(), format!("could not create `{}`", path.display()));
}

#[test]
fn names_and_units_are_checked_before_anything_happens() {
    let (_dir, root) = temp();
    let lock = lock(&root, "run");
    for run_id in ["", ".", "..", "a/b", ".hidden", "a b"] {
        assert!(matches!(lock.staging(run_id), Err(PublishError::Name { .. })), "{run_id}");
    }
    let go = |units: &[Unit], table: &str| {
        let error = try_publish(&lock, "run", units, &tables(&[(table, 1)]), 2);
        error.unwrap_err().to_string()
    };
    assert_eq!(go(&[single("A")], "t"), "table name `A` cannot be used as a file name");
    assert_eq!(go(&[group("..", &["t"])], "t"), "group name `..` cannot be used as a file name");
    assert_eq!(go(&[group("main", &["t"]), single("t")], "t"), "table `t` is named twice in one publish");
    assert_eq!(go(&[single("s")], "t"), "table `t` was staged, but belongs to nothing that is published");
    assert_eq!(read(&root), tables(&[]));
}

#[test]
fn a_newer_journal_stops_and_a_damaged_one_does_not() {
    let (_dir, root) = temp();
    publish(&root, &[single("s")], &[("s", 1)]);
    let lock = lock(&root, "run");
    fs::write(Journal::path(&root), r#"{"format": 2, "else": true}"#).unwrap();
    assert!(matches!(lock.recover(), Err(PublishError::NewerJournal { found: 2, .. })));
    fs::write(Journal::path(&root), r#"{"format": 1"#).unwrap();
    assert_eq!(lock.recover().unwrap(), Recovery::default());
    assert!(root.own("journal.unreadable.json").exists());
    assert_tidy(&root);
}

#[test]
fn an_unwritable_root_leaves_the_old_and_the_next_run_finishes() {
    use std::os::unix::fs::PermissionsExt;
    let (_dir, root) = temp();
    let units = [group("main", &["a", "b"])];
    publish(&root, &units, &[("a", 1), ("b", 1)]);
    if rustix::process::geteuid().is_root() {
        // Permissions do not stop root; a directory in the way of the history does.
        fs::remove_file(root.group("main").join("history.json")).unwrap();
        fs::create_dir(root.group("main").join("history.json")).unwrap();
    } else {
        fs::set_permissions(root.group("main"), PermissionsExt::from_mode(0o555)).unwrap();
    }
    let held = lock(&root, "run");
    let error = try_publish(&held, "run", &units, &tables(&[("a", 2), ("b", 2)]), 2).unwrap_err();
    assert!(matches!(error, PublishError::Fs(_)), "{error}");
    let now = read(&root);
    assert_eq!(now["a"], now["b"]);
    let again = try_publish(&held, "again", &units, &tables(&[("a", 3), ("b", 3)]), 2);
    assert!(matches!(again, Err(PublishError::Unfinished { .. })));
    if rustix::process::geteuid().is_root() {
        fs::remove_dir(root.group("main").join("history.json")).unwrap();
    } else {
        fs::set_permissions(root.group("main"), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let recovery = held.recover().unwrap();
    assert_eq!(recovery.finished, ["a", "b"]);
    assert_eq!(read(&root), tables(&[("a", 2), ("b", 2)]));
    assert_tidy(&root);
}

#[test]
fn every_failpoint_is_listed_once_and_reached_from_somewhere() {
    let sources = [
        ("disk", include_str!("../disk.rs")),
        ("error", include_str!("../error.rs")),
        ("failpoint", include_str!("../failpoint.rs")),
        ("journal", include_str!("../journal.rs")),
        ("lock", include_str!("../lock.rs")),
        ("plan", include_str!("../plan.rs")),
        ("recover", include_str!("../recover.rs")),
        ("root", include_str!("../root.rs")),
        ("swap", include_str!("../swap.rs")),
        ("tests", ""),
        ("verify", include_str!("../verify.rs")),
        ("versions", include_str!("../versions.rs")),
        ("", include_str!("../mod.rs")),
    ];
    let modules = include_str!("../mod.rs").lines();
    let modules: Vec<_> = modules.filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';')).collect();
    let listed: Vec<_> = sources.iter().map(|(name, _)| *name).filter(|name| !name.is_empty()).collect();
    assert_eq!(modules, listed, "a module is missing from this test");
    let mut called: Vec<&str> = sources
        .iter()
        .flat_map(|(_, text)| text.split("failpoint(\"").skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    called.sort_unstable();
    let mut named = FAILPOINTS.to_vec();
    named.sort_unstable();
    assert_eq!(called, named, "one call site for each failpoint, and no other");
    assert!(matches!(arm_failpoint("nowhere", 1, FailAction::Kill), Err(ArmError::Unknown(_))));
}
