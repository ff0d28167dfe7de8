//! Memory: what the machine has, what a run may hold of it, and what this process holds.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::report::format::bytes;
use crate::spec::types::MemoryLimit;

const MIB: u64 = 1 << 20;
/// How often a process is looked at that is far from its limit.
const SELDOM: Duration = Duration::from_millis(50);
/// How often near it: queries on all cores fill gigabytes in a second.
const OFTEN: Duration = Duration::from_millis(5);

/// Memory that is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Machine {
    /// Bytes of the machine.
    physical: Option<u64>,
    /// The least limit of the control groups that this process is in, where it is less than that.
    container: Option<u64>,
}

impl Machine {
    /// What the system says; nothing where there is no `/proc`.
    pub(super) fn of_system() -> Self {
        Self::below(Path::new("/"))
    }

    /// As a system says whose files are below `root`.
    fn below(root: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
        let physical = field(&read("proc/meminfo"), "MemTotal:");
        let (mounts, groups) = (read("proc/self/mountinfo"), read("proc/self/cgroup"));
        let limit = mounts.lines().filter_map(|mount| limit_below(root, mount, &groups)).min();
        Self { physical, container: limit.filter(|limit| physical.is_none_or(|all| *limit < all)) }
    }

    /// Bytes of the container, else of the machine, and the word for it.
    fn total(self) -> Option<(u64, &'static str)> {
        let container = self.container.map(|bytes| (bytes, "container"));
        container.or(self.physical.map(|bytes| (bytes, "machine")))
    }

    #[cfg(test)]
    pub(super) const fn with(physical: u64, container: Option<u64>) -> Self {
        Self { physical: Some(physical), container }
    }
}

/// A size in kB behind its name, as files below `/proc` give it.
fn field(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1024)
}

/// The least memory limit from a mounted hierarchy of control groups down to the group of this process.
fn limit_below(root: &Path, mount: &str, groups: &str) -> Option<u64> {
    let (place, kind) = mount.split_once(" - ")?;
    let mut place = place.split(' ').skip(3);
    let (top, at) = (place.next()?, place.next()?);
    let mut kind = kind.split(' ');
    let (system, options) = (kind.next()?, kind.nth(1)?);
    let has_memory = |list: &str| list.split(',').any(|controller| controller == "memory");
    let (file, version_2) = match system {
        "cgroup2" => ("memory.max", true),
        "cgroup" if has_memory(options) => ("memory.limit_in_bytes", false),
        _ => return None,
    };
    let own = groups.lines().find_map(|line| {
        let (_, line) = line.split_once(':')?;
        let (controllers, path) = line.split_once(':')?;
        (if version_2 { controllers.is_empty() } else { has_memory(controllers) }).then_some(path)
    })?;
    // Inside of a container the path may be one of the host, and only the own group is mounted.
    let own = Path::new(own).strip_prefix(top).unwrap_or(Path::new(""));
    let at = root.join(at.trim_start_matches('/'));
    let limits = own.ancestors().filter_map(|group| {
        // `max` is none; version 1 writes a number beyond any machine.
        fs::read_to_string(at.join(group).join(file)).ok()?.trim().parse::<u64>().ok()
    });
    limits.min()
}

/// How much a run may hold, and why so much.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Budget {
    /// The limit.
    pub(super) bytes: u64,
    /// Where it comes from, in words.
    pub(super) why: String,
}

/// What applies to a run whose file or command line says `limit`.
///
/// # Errors
///
/// Why there is no limit.
pub(super) fn budget(limit: Option<MemoryLimit>, machine: Machine) -> Result<Budget, &'static str> {
    let whole = machine.total().map(|(total, word)| {
        let kept = reserve(total);
        let why = format!("the {} of this {word} less a reserve of {}", bytes(total), bytes(kept));
        (total, word, Budget { bytes: total - kept, why })
    });
    match (limit, whole) {
        // The kernel would end the run before it comes to such a limit.
        (Some(MemoryLimit::Size(size)), Some((total, "container", most))) if size.bytes() > total => {
            Ok(Budget { why: format!("{}, which does not have the {size} of `limits.memory`", most.why), ..most })
        }
        (Some(MemoryLimit::Size(size)), _) => Ok(Budget { bytes: size.bytes(), why: "`limits.memory`".to_owned() }),
        (Some(MemoryLimit::Share(share)), Some((total, word, _))) => {
            let part = u128::from(total) * u128::from(share.millionths().unsigned_abs()) / 1_000_000;
            let why = format!("{share} of the {} of this {word}", bytes(total));
            Ok(Budget { bytes: u64::try_from(part).unwrap_or(total), why })
        }
        (None, Some((_, _, most))) => Ok(most),
        (_, None) => Err("the system does not say how much memory it has"),
    }
}

/// What is left to others and to the run's own end where nobody says how much a run may hold.
fn reserve(total: u64) -> u64 {
    (total / 10).clamp(64 * MIB, 1024 * MIB).min(total / 4)
}

/// Memory of this process that the system cannot take back: what it allocated, in memory or swapped
/// out. `None` where the system does not tell.
///
/// Pages of files do not count. The system drops them when memory runs short, so exports may be
/// larger than the limit.
pub(super) fn held() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let Some(allocated) = field(&status, "RssAnon:") else { return field(&status, "VmRSS:") };
    let others = ["RssShmem:", "VmSwap:"].into_iter().filter_map(|name| field(&status, name));
    Some(allocated + others.sum::<u64>())
}

/// When to look again at a process that holds so much.
pub(super) fn pause(held: u64, limit: u64) -> Duration {
    if held > limit / 4 * 3 { OFTEN } else { SELDOM }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    /// A system with these files.
    fn machine(files: &[(&str, &str)]) -> Machine {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Machine::below(dir.path())
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemTotal:       16777216 kB\nMemFree:  1 kB\n");

    #[test]
    fn a_machine_without_groups_has_what_it_has() {
        assert_eq!(machine(&[]), Machine::default());
        assert_eq!(machine(&[MEMINFO]), Machine::with(16 * GIB, None));
    }

    #[test]
    fn the_least_limit_above_a_group_of_version_2_counts() {
        let mount = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
        let files = |own: &'static str, job: &'static str, step: &'static str| {
            machine(&[
                MEMINFO,
                ("proc/self/mountinfo", mount),
                ("proc/self/cgroup", own),
                ("sys/fs/cgroup/job/memory.max", job),
                ("sys/fs/cgroup/job/step/memory.max", step),
            ])
        };
        assert_eq!(files("0::/job/step\n", "8589934592\n", "max\n").container, Some(8 * GIB));
        assert_eq!(files("0::/job/step\n", "8589934592\n", "4294967296\n").container, Some(4 * GIB));
        assert_eq!(files("0::/job\n", "8589934592\n", "4294967296\n").container, Some(8 * GIB));
        assert_eq!(files("0::/\n", "8589934592\n", "1\n").container, None);
        // More than the machine has is no limit.
        assert_eq!(files("0::/job\n", "34359738368\n", "1\n").container, None);
    }

    #[test]
    fn a_container_sees_its_own_group_only() {
        let at = |mount: &'static str, own: &'static str, file: &'static str, limit: &'static str| {
            machine(&[MEMINFO, ("proc/self/mountinfo", mount), ("proc/self/cgroup", own), (file, limit)]).container
        };
        // Docker with version 1: the group of the host is mounted as the root.
        let mount = "35 31 0:32 /docker/ab /sys/fs/cgroup/memory ro master:9 - cgroup cgroup rw,memory\n";
        let file = "sys/fs/cgroup/memory/memory.limit_in_bytes";
        assert_eq!(at(mount, "4:memory:/docker/ab\n0::/\n", file, "2147483648\n"), Some(2 * GIB));
        assert_eq!(at(mount, "4:cpu,memory:/elsewhere\n", file, "2147483648\n"), Some(2 * GIB));
        assert_eq!(at(mount, "4:memory:/docker/ab\n", file, "9223372036854771712\n"), None);
        let other = "35 31 0:32 / /sys/fs/cgroup/memory ro - cgroup cgroup rw,cpu\n";
        assert_eq!(at(other, "4:memory:/docker/ab\n", file, "2147483648\n"), None);
        let mount = "30 23 0:26 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(at(mount, "0::/\n", "sys/fs/cgroup/memory.max", "2147483648\n"), Some(2 * GIB));
    }

    #[test]
    fn what_applies_is_said_with_its_reason() {
        let whole = Machine::with(16 * GIB, None);
        let small = Machine::with(16 * GIB, Some(2 * GIB));
        let told = |limit: &str, machine| {
            let limit = Some(limit).filter(|limit| !limit.is_empty()).map(|limit| limit.parse().unwrap());
            budget(limit, machine).map(|budget| (bytes(budget.bytes), budget.why))
        };
        let is = |size: &str, why: &str| Ok((size.to_owned(), why.to_owned()));
        assert_eq!(told("", whole), is("15.0 GiB", "the 16.0 GiB of this machine less a reserve of 1.0 GiB"));
        assert_eq!(told("", small), is("1.8 GiB", "the 2.0 GiB of this container less a reserve of 204.8 MiB"));
        assert_eq!(told("8GiB", whole), is("8.0 GiB", "`limits.memory`"));
        assert_eq!(told("64GiB", whole), is("64.0 GiB", "`limits.memory`"));
        assert_eq!(
            told("8GiB", small),
            is(
                "1.8 GiB",
                "the 2.0 GiB of this container less a reserve of 204.8 MiB, which does not have the 8GiB of `limits.memory`"
            )
        );
        assert_eq!(told("80%", whole), is("12.8 GiB", "80% of the 16.0 GiB of this machine"));
        assert_eq!(told("100%", small), is("2.0 GiB", "100% of the 2.0 GiB of this container"));
        assert_eq!(told("1GiB", Machine::default()), is("1.0 GiB", "`limits.memory`"));
        for limit in ["", "80%"] {
            assert_eq!(told(limit, Machine::default()), Err("the system does not say how much memory it has"));
        }
    }

    #[test]
    fn small_machines_keep_something_too() {
        for (total, kept) in [(64 * GIB, GIB), (GIB, GIB / 10), (256 * MIB, 64 * MIB), (100 * MIB, 25 * MIB)] {
            assert_eq!(reserve(total), kept);
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_allocated_is_held() {
        let before = held().unwrap();
        // A block that nobody looks at would not be made; it is large beside what other tests let go meanwhile.
        let block = std::hint::black_box(vec![1_u8; 256 << 20]);
        let after = held().unwrap();
        assert!(after >= before + (128 << 20), "{before} then {after} with {}", std::hint::black_box(&block).len());
        assert!(pause(90, 100) < pause(10, 100));
    }
}
