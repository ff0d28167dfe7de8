//! Publishing: from staged Parquet files to tables that readers see, whole or not at all.
//!
//! A run opens a [`Root`], takes its [`Lock`], [recovers](Lock::recover), [stages](Lock::staging),
//! [verifies](verify()) each file, and [publishes](Staging::publish) them as [`Unit`]s.
//!
//! # Layout
//!
//! ```text
//! <root>/<table>.parquet                 a single table: a regular file
//! <root>/<table>.parquet                 a table of a group: -> _tenure/groups/<group>/current/<table>.parquet
//! <root>/_tenure/groups/<group>/
//!     current                            -> versions/<version>
//!     versions/<version>/<table>.parquet immutable; unchanged tables are hard links
//!     history.json                       the versions to keep, latest last
//! <root>/_tenure/manifests/<version>.json
//! <root>/_tenure/staging/<run>/          what a run writes
//! <root>/_tenure/tmp/                    names on their way to somewhere else
//! <root>/_tenure/journal.json            only while a publish is under way
//! <root>/_tenure/lock
//! ```
//!
//! All links are relative, so a root can be moved. Nothing but tables ever appears in `<root>`
//! itself.
//!
//! # What a reader can rely on
//!
//! 1. Opening a table's path gives one whole, verified file, old or new, and that open file never
//!    changes. From the first publish on there is always one.
//! 2. All tables of a group change in one rename. So of two opens, one after the other, of tables of
//!    a group, the later never gives an older version. A reader that opens t1, t2, and t1 again and
//!    gets the same version of t1 twice has t2 of that version too.
//! 3. Two opens with a switch between them can give two versions; no file system can prevent that
//!    for a reader that opens two paths. A reader that needs one instant resolves
//!    `_tenure/groups/<group>/current` once and opens the tables in the folder it gets, or compares
//!    that link before and after.
//! 4. A folder that was current at any time during a publish of its group stays until the next
//!    such publish has ended, whatever `retain` says. Only a reader that a whole publish overtakes,
//!    between resolving a path and opening the file, finds it gone; it opens the path again.
//!
//! A path that showed a table always shows one. But a table that a group publishes for the first
//! time is a link into nowhere from just before the switch: for milliseconds, or after a crash
//! until the next recovery. And a pattern that descends into folders (`<root>/**`) finds the
//! versions too; `<root>/*.parquet` finds the tables.
//!
//! # The steps, and what a crash after each leaves
//!
//! Every step is durable (file, then directory) before the next begins.
//!
//! | step | readers see | the next run |
//! |---|---|---|
//! | 1. files staged, verified, synced, and their folder synced | old | removes the staging |
//! | 2. journal `prepared`, with the SHA-256 of everything | old | goes forward if all of it is still there, else removes it |
//! | 3. version folders built aside and renamed into `versions/`; manifests | old | the same; a folder that is there is whole |
//! | 4. journal `swapping` | old | goes forward |
//! | 5. a group's `current` -> bridge: a version with exactly what readers see; `history.json` | old | goes forward |
//! | 6. tables new to the group become links: to the bridge's same bytes, or dangling | old | goes forward |
//! | 7. tables no longer in the group become regular files with the same bytes | old | goes forward |
//! | 8. `current` -> the new version | **the group new** | goes forward with the rest |
//! | 9. `history.json` | the group new | goes forward with the rest |
//! | 10. each single table: rename over its path | **that table new** | goes forward with the rest |
//! | 11. journal `done` | new | cleans up |
//! | 12. old versions renamed away and removed, staging removed | new | cleans up |
//! | 13. journal removed | new | has nothing to do |
//!
//! Steps 5 to 9 run group by group. Steps 5 to 7 are empty unless a group's membership changes.
//! Groups and single tables of one publish are in one journal: after a crash all of them become
//! visible, but not at the same instant; that only a group promises.
//!
//! An error before step 4 undoes the publish. One from step 4 on leaves the journal, because part
//! of the new may be visible; [`Lock::recover`] then finishes it.

mod disk;
mod error;
mod failpoint;
mod journal;
mod lock;
mod plan;
mod recover;
mod root;
mod swap;
#[cfg(test)]
#[allow(clippy::disallowed_methods, reason = "a test tells its child process through the environment what to do")]
mod tests;
mod verify;
mod versions;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use jiff::civil::Date;

pub use error::{Action, ArmError, FsError, LockError, PublishError, VerifyError};
pub use failpoint::{FAILPOINTS, FailAction, arm_failpoint, failpoint};
pub use lock::{Holder, Lock};
pub use recover::Recovery;
pub use root::Root;
pub use verify::{Verified, verify};

use journal::{Journal, State};

/// What becomes visible in one step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// One table by itself, as a regular file.
    Single {
        /// The table.
        table: String,
    },
    /// Tables that switch together.
    Group {
        /// The name of the group; it names a folder, so a renamed group is another group.
        name: String,
        /// All tables of the group, also those that this run did not stage.
        tables: Vec<String>,
    },
}

/// What a publish did.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Publication {
    /// The staged tables, and the tables that a group carried forward, in the order of the units.
    pub tables: Vec<Published>,
    /// Tables that left the group they were in.
    pub detached: Vec<Detached>,
}

/// A table as readers now see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The table.
    pub table: String,
    /// Where readers open it.
    pub path: PathBuf,
    /// Its rows.
    pub rows: u64,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of its file, in lower-case hex.
    pub sha256: String,
    /// False when readers saw the same bytes before. Then the file keeps its mtime.
    pub changed: bool,
    /// True when this run did not stage it and the group kept the file it had.
    pub carried: bool,
    /// The group it is in.
    pub group: Option<String>,
    /// The version of its group; for a single table, the first 12 digits of `sha256`. Derived from
    /// content (and, when the content is new, `as_of`), so the same result has the same version.
    pub version: String,
}

/// A table that is no longer in a group: it stays readable, with the bytes it had or with new ones
/// if the same publish gave it some, and later publishes of that group do not touch it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Detached {
    /// The table.
    pub table: String,
    /// The group it was in.
    pub group: String,
}

/// A folder for the files of one run, on the file system of the tables.
///
/// Dropping it leaves the files; the next [`Lock::recover`] removes them.
#[derive(Debug)]
pub struct Staging<'lock> {
    root: &'lock Root,
    run_id: String,
}

impl Lock {
    /// Makes an empty staging folder for a run.
    ///
    /// # Errors
    ///
    /// [`PublishError::Name`] when the run id cannot be a file name, or an I/O error.
    pub fn staging(&self, run_id: &str) -> Result<Staging<'_>, PublishError> {
        root::check_name("run", run_id)?;
        let dir = self.root.own("staging").join(run_id);
        disk::remove_tree(&dir)?;
        disk::create_dir(&dir)?;
        Ok(Staging { root: &self.root, run_id: run_id.to_owned() })
    }

    /// The root that is locked.
    #[must_use]
    pub fn root(&self) -> &Root {
        &self.root
    }
}

impl Staging<'_> {
    /// Where to write a table: an absolute path in an existing folder.
    #[must_use]
    pub fn file(&self, table: &str) -> PathBuf {
        self.root.at(&root::staged_file(&self.run_id, table))
    }

    /// Removes the folder and what is in it.
    ///
    /// # Errors
    ///
    /// When something in it cannot be removed.
    pub fn discard(self) -> Result<(), PublishError> {
        swap::discard_staging(self.root, &self.run_id)
    }

    /// Publishes the staged tables, and removes the staging folder.
    ///
    /// `units` may name tables that were not staged: a single table is then left alone, a group of
    /// which at least one table was staged carries the others forward as readers see them, and a
    /// group without any is left alone. Tables in no unit are never touched, except that a table
    /// which its group no longer names becomes a regular file with the bytes it had.
    ///
    /// A group in which nothing changed keeps its version. Otherwise its new version is named after
    /// `as_of` and its content, and `retain` versions are kept, the current one included.
    ///
    /// # Errors
    ///
    /// [`PublishError`]. Each unit is then old or new as a whole. Where the journal could not be
    /// completed, [`Lock::recover`] does so.
    pub fn publish(
        self,
        as_of: Date,
        units: &[Unit],
        staged: &BTreeMap<String, Verified>,
        retain: NonZeroUsize,
    ) -> Result<Publication, PublishError> {
        let root = self.root;
        failpoint("publish.before")?;
        if Journal::read(root)?.is_some_and(|journal| journal.state != State::Done) {
            let path = Journal::path(root);
            return Err(PublishError::Unfinished { path });
        }
        let (mut journal, mut outcome) =
            plan::plan(&plan::Request { root, run_id: &self.run_id, as_of, units, staged, retain })?;
        outcome.detached.sort();
        outcome.detached.dedup();
        disk::sync_dir(&root.own("staging").join(&self.run_id))?;
        failpoint("publish.planned")?;
        if !journal.is_empty() {
            begin(root, &journal)?;
            swap::swap(root, &mut journal)?;
        }
        // Readers have everything. Rubbish that stays is not worth failing for: the next run
        // removes it.
        let cleaned = if journal.state == State::Done {
            swap::clean(root, &journal)
        } else {
            swap::discard_staging(root, &self.run_id)
        };
        if let Err(error) = cleaned {
            tracing::warn!(run = self.run_id, %error, "published, but not all leftovers were removed");
        }
        for Detached { table, group } in &outcome.detached {
            tracing::warn!(table, group, "the table left its group and stays published");
        }
        failpoint("publish.after")?;
        Ok(outcome)
    }
}

/// Records the publish and makes everything that does not show; undone if it fails.
fn begin(root: &Root, journal: &Journal) -> Result<(), PublishError> {
    let begun = || -> Result<(), PublishError> {
        failpoint("journal.prepared.before")?;
        journal.write(root)?;
        failpoint("journal.prepared.after")?;
        swap::prepare(root, journal)
    };
    begun().inspect_err(|_| {
        if let Err(error) = Journal::remove(root) {
            tracing::warn!(run = journal.run_id, %error, "the failed publish will be settled by the next run");
        }
    })
}
