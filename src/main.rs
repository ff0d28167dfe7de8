//! The program `tenure`; everything is in the library.

/// Queries allocate from many threads at once.
#[global_allocator]
static GLOBAL: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() {
    tenure::cli::main()
}
