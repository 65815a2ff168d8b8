//! The worker's program: the worker on standard input and output. It ends when its input does, or when its parent dies.

use rustix::process::{Signal, set_parent_process_death_signal};

/// Runs it to its end.
pub fn run() {
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_env("WICK_LOG"))
        .with_writer(std::io::stderr)
        .init();
    crate::heap::keep_large_buffers_apart();
    die_with_parent();
    volunteer_to_be_killed();
    // Exits from the reading thread: a load or a step may take long, and nothing of it is wanted any more.
    crate::serve(std::io::stdin(), std::io::stdout(), || {
        std::process::exit(0)
    });
}

/// The end of the input says it too, but not to a worker that was stopped or hangs in a driver.
fn die_with_parent() {
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        tracing::warn!(%error, "the kernel will not end this worker with its parent");
    }
}

/// When memory runs out, the kernel shall take the worker and not the window, a download or another program.
fn volunteer_to_be_killed() {
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "1000") {
        tracing::warn!(%error, "oom_score_adj can't be set");
    }
}
