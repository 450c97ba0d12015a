//! The runtime that commands run in: few threads, and no wait for one that reads a terminal.

use super::Failure;

/// Threads that block: files, name lookups, stdin.
const BLOCKING_THREADS: usize = 8;

/// Runs a command to its end on at most this many threads.
pub(super) fn within(
    most_threads: usize,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(cores.min(most_threads))
        .max_blocking_threads(BLOCKING_THREADS)
        .thread_name("aiops")
        .enable_all()
        .build()?;
    let done = runtime.block_on(command);
    // A read of stdin cannot be interrupted; what is to be ended in order has ended before.
    runtime.shutdown_background();
    done
}
