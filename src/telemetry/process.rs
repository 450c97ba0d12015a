//! What the system knows about this process: how much memory it holds, since when it runs.
//!
//! Where the system does not say (there is no /proc), the answer is nothing, not zero.

use std::{sync::LazyLock, time::Instant};

/// Memory of this process in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Resident.
    pub resident: u64,
    /// Of it not backed by a file: heap and stacks.
    pub anonymous: u64,
}

/// The memory held now.
pub fn memory() -> Option<Memory> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let bytes = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
        kib.checked_mul(1024)
    };
    Some(Memory { resident: bytes("VmRSS:")?, anonymous: bytes("RssAnon:")? })
}

static STARTED: LazyLock<Instant> = LazyLock::new(Instant::now);

/// To be called once at the start, so that the time counts from there.
pub fn started() {
    LazyLock::force(&STARTED);
}

/// Seconds since [`started`].
pub fn uptime() -> u64 {
    STARTED.elapsed().as_secs()
}
