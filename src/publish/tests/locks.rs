//! The lock, between threads and between processes.

use std::cell::Cell;
use std::process::{Command, Stdio};

use super::*;

const NOW: Duration = Duration::ZERO;
const SOON: Duration = Duration::from_secs(10);

#[test]
fn a_second_run_is_told_who_holds_the_lock() {
    let (_dir, root) = temp();
    let held = root.lock(&holder("first"), NOW, &|| false).unwrap();
    let error = root.lock(&holder("second"), Duration::from_millis(150), &|| false).unwrap_err();
    let path = root.own("lock");
    assert_eq!(
        error.to_string(),
        format!("`{}` is held by run first (pid {}, started 1970-01-01T00:00:00Z)", path.display(), std::process::id())
    );
    assert!(matches!(error, LockError::Held { .. }));
    drop(held);
    // A process that another test starts at this moment can have the file open until it runs.
    root.lock(&holder("second"), SOON, &|| false).unwrap();
}

#[test]
fn waiting_ends_when_the_lock_is_freed_or_the_run_is_cancelled() {
    let (_dir, root) = temp();
    let held = root.lock(&holder("first"), NOW, &|| false).unwrap();
    let asked = Cell::new(0);
    let cancelled = || {
        asked.set(asked.get() + 1);
        asked.get() > 2
    };
    let error = root.lock(&holder("second"), Duration::from_secs(60), &cancelled).unwrap_err();
    assert!(matches!(error, LockError::Cancelled { .. }));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            std::thread::sleep(Duration::from_millis(250));
            drop(held);
        });
        root.lock(&holder("second"), Duration::from_secs(60), &|| false).unwrap();
    });
}

#[test]
fn a_lock_file_that_was_deleted_excludes_nobody_and_is_made_again() {
    let (_dir, root) = temp();
    fs::write(root.own("lock"), "not json").unwrap();
    let held = root.lock(&holder("first"), NOW, &|| false).unwrap();
    assert!(root.lock(&holder("second"), NOW, &|| false).is_err());
    drop(held);
    fs::remove_file(root.own("lock")).unwrap();
    let _held = root.lock(&holder("first"), SOON, &|| false).unwrap();
    assert!(root.lock(&holder("second"), NOW, &|| false).is_err());
}

/// Run in another process: takes the lock, says so, and waits to be killed.
#[test]
#[ignore = "run by a_killed_process_frees_the_lock"]
fn child_that_holds_the_lock() {
    let Ok(path) = std::env::var("TENURE_TEST_LOCK") else {
        return;
    };
    let root = Root::open(Path::new(&path)).unwrap();
    let _held = root.lock(&holder("child"), NOW, &|| false).unwrap();
    fs::write(root.own("held"), "").unwrap();
    std::thread::sleep(Duration::from_secs(60));
}

#[test]
fn a_killed_process_frees_the_lock() {
    let (_dir, root) = temp();
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["publish::tests::locks::child_that_holds_the_lock", "--exact", "--ignored"])
        .env("TENURE_TEST_LOCK", root.path())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    while !root.own("held").exists() {
        std::thread::sleep(Duration::from_millis(5));
    }
    let error = root.lock(&holder("parent"), NOW, &|| false).unwrap_err();
    let LockError::Held { holder: Some(found), .. } = error else {
        panic!("{error}");
    };
    assert_eq!((found.run_id.as_str(), found.pid), ("child", child.id()));
    child.kill().unwrap();
    child.wait().unwrap();
    root.lock(&holder("parent"), SOON, &|| false).unwrap();
}
