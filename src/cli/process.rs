//! What only the program itself does: real streams, its end, its parent, its panics.

use std::io::{self, Write};
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

/// Starts the program again with so many threads for queries, unless it was started so.
///
/// The query engine reads the variable once, when it is first used, and a running process cannot
/// change its environment safely. The process keeps its id. Returns only on failure.
pub(super) fn limit_threads(world: &World, threads: u32) -> io::Result<()> {
    const VARIABLE: &str = "POLARS_MAX_THREADS";
    let wanted = threads.to_string();
    if !world.process || world.var(VARIABLE) == Some(wanted.as_str()) {
        return Ok(());
    }
    #[cfg(unix)]
    {
        use std::os::unix::process::CommandExt;
        let mut again = std::process::Command::new(std::env::current_exe()?);
        again.args(std::env::args_os().skip(1)).env(VARIABLE, &wanted).env("RAYON_NUM_THREADS", &wanted);
        Err(again.exec())
    }
    #[cfg(not(unix))]
    Ok(())
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
