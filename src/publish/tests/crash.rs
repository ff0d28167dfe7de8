//! Real crashes: a process publishes and kills itself with SIGKILL at a failpoint; then it is
//! checked what readers see, that the next start settles it, and that publishing again succeeds.

use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus, Stdio};

use super::scenarios::{SCENARIOS, Scenario};
use super::*;

impl Scenario {
    fn base(&self) -> (tempfile::TempDir, Root) {
        let (dir, root) = memory();
        (self.before)(&root);
        (dir, root)
    }

    /// What a run does: recover, stage, verify, publish.
    fn run(&self, root: &Root) -> Result<Publication, PublishError> {
        let lock = lock(root, "crashing");
        lock.recover()?;
        try_publish(&lock, "crashing", &(self.units)(), &tables(self.staged), 2)
    }

    /// What readers see after a run that is not interrupted.
    fn after(&self, base: &Root) -> Tables {
        let (_dir, root) = copy(base);
        self.run(&root).unwrap();
        read(&root)
    }

    /// Each group is old or new; each other table is old or new; what was there is there.
    fn assert_whole(&self, root: &Root, old: &Tables, new: &Tables, at: &str) {
        let now = read(root);
        let is = |state: &Tables, table: &String| now.get(table) == state.get(table);
        for unit in (self.units)() {
            let tables = match unit {
                Unit::Single { table } => vec![table],
                Unit::Group { tables, .. } => tables,
            };
            let whole = tables.iter().all(|t| is(old, t)) || tables.iter().all(|t| is(new, t));
            assert!(whole, "{}, {at}: readers see {now:?}", self.name);
        }
        for table in old.keys().chain(new.keys()) {
            assert!(is(old, table) || is(new, table), "{}, {at}: readers see {now:?}", self.name);
        }
    }

    /// Runs in another process, killed at the failpoint. `None` if it got to the end.
    fn crash(&self, root: &Root, failpoint: &str, visit: usize) -> Option<()> {
        let status = self.spawn(root, failpoint, visit, "kill");
        if status.success() {
            return None;
        }
        assert_eq!(status.signal(), Some(9), "{}, {failpoint}: {status}", self.name);
        Some(())
    }

    fn spawn(&self, root: &Root, failpoint: &str, visit: usize, action: &str) -> ExitStatus {
        let module = module_path!().split_once("::").unwrap().1;
        let number = SCENARIOS.iter().position(|s| s.name == self.name).unwrap();
        Command::new(std::env::current_exe().unwrap())
            .args([&format!("{module}::child"), "--exact", "--ignored", "--test-threads=1"])
            .env("TENURE_TEST_CRASH", format!("{number}|{failpoint}|{visit}|{action}"))
            .env("TENURE_TEST_ROOT", root.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap()
    }
}

/// A root in memory where there is such a thing: a kill, unlike a power cut, loses no writes, so
/// nothing here depends on a disk, and thousands of syncs take their time on one.
fn memory() -> (tempfile::TempDir, Root) {
    let Ok(dir) = tempfile::tempdir_in("/dev/shm") else {
        return temp();
    };
    let root = Root::open(&dir.path().join("out")).unwrap();
    (dir, root)
}

fn copy(root: &Root) -> (tempfile::TempDir, Root) {
    let (dir, target) = memory();
    copy_tree(root.dir(), target.dir());
    (dir, target)
}

/// The exit code of a child that was told that the disk is full.
const DISK_FULL: i32 = 8;

/// The process that is killed, or meets a full disk.
#[test]
#[ignore = "run by the other tests here"]
fn child() {
    let Ok(what) = std::env::var("TENURE_TEST_CRASH") else {
        return;
    };
    let [number, failpoint, visit, action] = what.split('|').collect::<Vec<_>>()[..] else {
        panic!("{what}");
    };
    let action = match action {
        "kill" => FailAction::Kill,
        _ => FailAction::Error(std::io::ErrorKind::StorageFull),
    };
    arm_failpoint(failpoint, visit.parse().unwrap(), action).unwrap();
    let root = Root::open(Path::new(&std::env::var("TENURE_TEST_ROOT").unwrap())).unwrap();
    if let Err(error) = SCENARIOS[number.parse::<usize>().unwrap()].run(&root) {
        assert!(error.is_disk_full(), "{error}");
        std::process::exit(DISK_FULL);
    }
}

#[test]
fn a_kill_at_any_failpoint_leaves_old_or_new_and_the_next_run_settles_it() {
    let mut reached = std::collections::BTreeSet::new();
    for scenario in SCENARIOS {
        let (_dir, base) = scenario.base();
        let (old, new) = (read(&base), scenario.after(&base));
        for failpoint in FAILPOINTS {
            for visit in 1.. {
                let (_dir, root) = copy(&base);
                if scenario.crash(&root, failpoint, visit).is_none() {
                    break;
                }
                reached.insert(*failpoint);
                let at = format!("{failpoint} visit {visit}");
                scenario.assert_whole(&root, &old, &new, &at);
                settles(scenario, &root, &old, &new, &at);
            }
        }
    }
    // These two are only reached in the recovery of an interrupted publish; see below.
    let missed: Vec<_> = FAILPOINTS.iter().filter(|f| !reached.contains(*f)).collect();
    assert_eq!(missed, [&"recover.judged", &"recover.rollback"]);
}

/// After recovery all is old or all is new, by the journal; and a run then makes it new.
fn settles(scenario: &Scenario, root: &Root, old: &Tables, new: &Tables, at: &str) {
    let name = scenario.name;
    let seen = read(root);
    let journal = Journal::read(root).unwrap();
    let held = lock(root, "next");
    let recovery = held.recover().unwrap();
    let expected = if journal.is_some() { new } else { &seen };
    assert_eq!(&read(root), expected, "{name}, {at}");
    assert!(expected == old || expected == new, "{name}, {at}");
    assert_eq!(recovery.interrupted.is_some(), journal.is_some());
    assert_eq!(recovery.abandoned, Vec::<String>::new());
    assert_tidy(root);
    assert_eq!(held.recover().unwrap(), Recovery::default(), "{name}, {at}");
    drop(held);
    let publication = scenario.run(root).unwrap();
    assert_eq!(&read(root), new, "{name}, {at}");
    if expected == new {
        assert_eq!(changed(&publication), Vec::<&str>::new(), "{name}, {at}");
    }
    assert_tidy(root);
}

/// The run after a crash is killed too, at every failpoint it reaches, and then the one after that
/// has to settle what both left.
#[test]
fn a_kill_in_the_recovery_from_a_kill_changes_nothing() {
    for scenario in [&SCENARIOS[2], &SCENARIOS[3]] {
        let (_dir, base) = scenario.base();
        let (old, new) = (read(&base), scenario.after(&base));
        for first in [
            "journal.prepared.after",
            "version.linked",
            "journal.swapping.after",
            "bridge.after",
            "link.after",
            "detach.linked",
            "switch.after",
            "single.before",
            "journal.done.after",
        ] {
            let (_dir, crashed) = copy(&base);
            if scenario.crash(&crashed, first, 1).is_none() {
                continue;
            }
            for second in FAILPOINTS {
                let (_dir, root) = copy(&crashed);
                if scenario.crash(&root, second, 1).is_none() {
                    continue;
                }
                let at = format!("{first}, then {second}");
                scenario.assert_whole(&root, &old, &new, &at);
                settles(scenario, &root, &old, &new, &at);
            }
        }
    }
}

/// Kills at the failpoint, harms what was staged, and recovers: what readers see then.
fn harmed(scenario: &Scenario, failpoint: &str, harm: fn(&Path)) -> Tables {
    let (_dir, base) = scenario.base();
    let (old, new) = (read(&base), scenario.after(&base));
    let (_dir, root) = copy(&base);
    scenario.crash(&root, failpoint, 1).unwrap();
    harm(&root.own("staging/crashing"));
    // Killed at the decision, too: it does not depend on how often it is taken.
    let prepared = Journal::read(&root).unwrap().unwrap().state == State::Prepared;
    let decision = if prepared { "recover.rollback" } else { "journal.done.before" };
    for second in ["recover.judged", decision, "recover.swept"] {
        scenario.crash(&root, second, 1).unwrap();
        scenario.assert_whole(&root, &old, &new, second);
    }
    lock(&root, "next").recover().unwrap();
    scenario.assert_whole(&root, &old, &new, failpoint);
    let found = read(&root);
    assert_tidy(&root);
    scenario.run(&root).unwrap();
    assert_eq!(read(&root), new);
    found
}

#[test]
fn a_prepared_publish_without_its_files_is_undone() {
    let remove = |staging: &Path| fs::remove_file(staging.join("s.parquet")).unwrap();
    let remove_grouped = |staging: &Path| fs::remove_file(staging.join("a.parquet")).unwrap();
    let replace_grouped = |staging: &Path| write(&staging.join("a.parquet"), "a", 8);
    let truncate = |staging: &Path| {
        let file = fs::OpenOptions::new().write(true).open(staging.join("s.parquet"));
        file.unwrap().set_len(9).unwrap();
    };
    let replace = |staging: &Path| write(&staging.join("s.parquet"), "s", 8);
    for scenario in &SCENARIOS[..3] {
        let (_dir, base) = scenario.base();
        let harms = [remove_grouped as fn(&Path), replace_grouped];
        for harm in harms {
            let found = harmed(scenario, "journal.prepared.after", harm);
            assert_eq!(found, read(&base), "{}", scenario.name);
        }
        // The file in the new version is the staged one under another name.
        let found = harmed(scenario, "version.after", replace_grouped);
        assert_eq!(found, read(&base), "{}", scenario.name);
        for harm in [remove as fn(&Path), truncate, replace] {
            for failpoint in ["journal.prepared.after", "version.after", "journal.swapping.before"] {
                let found = harmed(scenario, failpoint, harm);
                assert_eq!(found, read(&base), "{}, {failpoint}", scenario.name);
            }
        }
    }
}

#[test]
fn a_swapping_publish_goes_forward_with_what_is_whole() {
    let scenario = &SCENARIOS[1];
    let remove = |staging: &Path| fs::remove_dir_all(staging).unwrap();
    let found = harmed(scenario, "journal.swapping.after", remove);
    assert_eq!(found, tables(&[("a", 4), ("b", 4), ("s", 3), ("t", 3)]));
    let found = harmed(scenario, "single.after", remove);
    assert_eq!(found, tables(&[("a", 4), ("b", 4), ("s", 4), ("t", 3)]));
}

#[test]
fn a_publish_that_is_done_says_so_before_it_cleans_up() {
    let scenario = &SCENARIOS[1];
    let (_dir, root) = scenario.base();
    scenario.crash(&root, "journal.done.after", 1).unwrap();
    assert_eq!(Journal::read(&root).unwrap().unwrap().state, State::Done);
    let recovery = lock(&root, "next").recover().unwrap();
    assert_eq!(recovery.finished, ["a", "b", "s", "t"]);
}

#[test]
fn links_of_a_first_publish_that_cannot_be_finished_are_removed() {
    let scenario = &SCENARIOS[0];
    let (_dir, root) = scenario.base();
    scenario.crash(&root, "link.after", 1).unwrap();
    assert!(fs::symlink_metadata(root.path_of("a")).is_ok() && !root.path_of("a").exists());
    fs::remove_dir_all(root.versions("main")).unwrap();
    fs::remove_dir_all(root.own("staging/crashing")).unwrap();
    let recovery = lock(&root, "next").recover().unwrap();
    assert_eq!(recovery.abandoned, ["a", "b", "s", "t"]);
    assert_eq!(read(&root), tables(&[]));
    assert_tidy(&root);
}

#[test]
fn what_was_settled_is_told() {
    let scenario = &SCENARIOS[1];
    let (_dir, root) = scenario.base();
    scenario.crash(&root, "single.after", 1).unwrap();
    fs::remove_file(root.own("staging/crashing/t.parquet")).unwrap();
    let recovery = lock(&root, "next").recover().unwrap();
    assert_eq!(recovery.interrupted.as_deref(), Some("crashing"));
    assert_eq!(recovery.finished, ["a", "b", "s"]);
    assert_eq!(recovery.abandoned, ["t"]);
    assert!(recovery.removed.contains(&root.own("staging/crashing")));
}

#[test]
fn a_full_disk_at_any_failpoint_leaves_old_or_new_and_the_next_run_settles_it() {
    for scenario in SCENARIOS {
        let (_dir, base) = scenario.base();
        let (old, new) = (read(&base), scenario.after(&base));
        for failpoint in FAILPOINTS {
            let (_dir, root) = copy(&base);
            let status = scenario.spawn(&root, failpoint, 1, "error");
            assert!([Some(0), Some(DISK_FULL)].contains(&status.code()), "{failpoint}: {status}");
            if status.success() {
                // Not reached, or only the cleaning up went wrong.
                assert_eq!(read(&root), new, "{}, {failpoint}", scenario.name);
            }
            scenario.assert_whole(&root, &old, &new, failpoint);
            // Before the first change that shows, the publish is undone, not left for later.
            if ["journal.prepared", "version", "manifest"].iter().any(|f| failpoint.starts_with(f)) {
                assert!(!Journal::path(&root).exists());
            }
            settles(scenario, &root, &old, &new, failpoint);
        }
    }
}

#[test]
fn staging_without_a_publish_is_removed() {
    let (_dir, root) = temp();
    let held = lock(&root, "run");
    let staging = held.staging("one").unwrap();
    write(&staging.file("s"), "s", 1);
    staging.discard().unwrap();
    assert_tidy(&root);
    write(&held.staging("two").unwrap().file("s"), "s", 1);
    let recovery = held.recover().unwrap();
    assert_eq!(recovery.removed, [root.own("staging/two")]);
    assert_tidy(&root);
}
