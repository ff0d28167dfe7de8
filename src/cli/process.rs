//! What only the program itself does: real streams, its end, its parent, its panics.

use std::io::{self, Write};
use std::num::NonZeroUsize;
use std::panic;
use std::sync::Mutex;

use super::{World, run_in};

/// Where the last panic happened.
static PLACE: Mutex<Option<String>> = Mutex::new(None);

/// Runs the program and ends the process.
pub fn main() -> ! {
    // Panics are told once, by whoever catches them, with the run they belong to.
    panic::set_hook(Box::new(|info| {
        let place = info.location().map(ToString::to_string);
        tracing::debug!(place, "panic: {info}");
        if let Ok(mut last) = PLACE.lock() {
            *last = place;
        }
    }));
    let code = run_in(&World::of_process(), std::env::args_os().collect(), &mut io::stdout(), &mut io::stderr());
    // Nothing can be done about a stream that is gone.
    let _ = io::stdout().flush();
    // Queries that a stopped run left behind end here.
    std::process::exit(i32::from(code))
}

/// Where the last panic of the program happened.
pub(super) fn panic_place() -> Option<String> {
    PLACE.lock().ok().and_then(|mut place| place.take())
}

/// Starts the program again with what a process reads once, when it starts, unless it was started so: how many threads
/// queries have, where that is limited, and how memory is kept.
///
/// A running process cannot change its environment safely. The process keeps its id. Returns only where nothing has to
/// change, or on failure; that memory is kept in another way is none.
pub(super) fn start_again(world: &World, threads: Option<u32>) -> io::Result<()> {
    let cores = || std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let (limits, memory) = (limits(world, threads), memory(world, threads.map_or_else(cores, |n| n as usize)));
    if !world.process || limits.is_empty() && memory.is_empty() {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let again = || {
            let mut again = std::process::Command::new(std::env::current_exe()?);
            again.args(std::env::args_os().skip(1)).envs(limits.iter().chain(&memory).cloned());
            Err(again.exec())
        };
        again().or_else(|error| if limits.is_empty() { Ok(()) } else { Err(error) })
    }
    #[cfg(not(unix))]
    Ok(())
}

/// Variables that limit threads, and are not set to that yet. The query engine reads its own when it is first used.
fn limits(world: &World, threads: Option<u32>) -> Vec<(&'static str, String)> {
    let wanted = |name| threads.map(|threads| (name, threads.to_string()));
    let wanted = ["POLARS_MAX_THREADS", "RAYON_NUM_THREADS"].into_iter().filter_map(wanted);
    wanted.filter(|(name, value)| world.var(name) != Some(value)).collect()
}

/// Variables by which the allocator of glibc keeps memory for whoever asks next, and that nobody has set: batches are made
/// by one thread and let go by another, and are too large for what it does of itself, which is to give each back.
fn memory(world: &World, threads: usize) -> Vec<(&'static str, String)> {
    /// The largest blocks that are kept, in bytes; more does not fit into what an arena is made of.
    const KEPT: u64 = 32 << 20;
    /// What may lie unused before some of it is given back: more than there is.
    const UNUSED: u64 = 1 << 40;
    if cfg!(not(all(target_os = "linux", target_env = "gnu"))) {
        return Vec::new();
    }
    let all = [
        ("MALLOC_ARENA_MAX", threads.to_string()),
        ("MALLOC_MMAP_THRESHOLD_", KEPT.to_string()),
        ("MALLOC_TRIM_THRESHOLD_", UNUSED.to_string()),
    ];
    all.into_iter().filter(|(name, _)| world.var(name).is_none()).collect()
}

/// Asks the system to send SIGTERM when the parent ends.
#[cfg(target_os = "linux")]
pub(super) fn die_with_parent() -> io::Result<()> {
    use rustix::process::{Signal, getppid, set_parent_process_death_signal};
    let parent = getppid();
    set_parent_process_death_signal(Some(Signal::TERM))?;
    // It may have ended in between; the signal would never come.
    if getppid() != parent {
        return Err(io::Error::other("the parent process has ended"));
    }
    Ok(())
}

/// Asks the system to send SIGTERM when the parent ends.
#[cfg(not(target_os = "linux"))]
pub(super) fn die_with_parent() -> io::Result<()> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn world(vars: &[(&'static str, String)]) -> World {
        World { vars: vars.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(), ..World::default() }
    }

    #[test]
    fn threads_are_limited_once() {
        assert_eq!(limits(&world(&[]), None), []);
        let set = limits(&world(&[]), Some(3));
        assert_eq!(set, [("POLARS_MAX_THREADS", "3".to_owned()), ("RAYON_NUM_THREADS", "3".to_owned())]);
        assert_eq!(limits(&world(&set), Some(3)), []);
        assert_eq!(limits(&world(&set), Some(2)).len(), 2);
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn the_allocator_is_told_what_nobody_else_told_it() {
        let set = memory(&world(&[]), 2);
        assert_eq!(set[0], ("MALLOC_ARENA_MAX", "2".to_owned()));
        assert_eq!(memory(&world(&set), 4), []);
        let own = [("MALLOC_TRIM_THRESHOLD_", "0".to_owned())];
        let names: Vec<&str> = memory(&world(&own), 2).into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["MALLOC_ARENA_MAX", "MALLOC_MMAP_THRESHOLD_"]);
    }
}
