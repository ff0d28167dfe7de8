//! The program `tenure`; everything is in the library.

/// Queries allocate from many threads at once. Where the allocator of the system is glibc's, that one does best when it is
/// told how.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    tenure::cli::main()
}
