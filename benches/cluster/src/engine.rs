//! `make bench-engine`: how soon the coordination engine answers, how much it gets done, beside the machine's own floor.
//!
//! It takes some minutes. Latencies are measured in this process, on the model API server; what is done on a real one is
//! done by the binary.

mod darkness;
mod floor;
mod latency;
pub(crate) mod stored;
mod throughput;
mod times;
mod world;

use std::{path::Path, time::Duration};

use crate::report::Report;

/// Workflows that the store holds before anything is measured.
pub(crate) const STORED: usize = 10_000;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amounts {
    stored: usize,
    calls: usize,
    length: Duration,
    on_the_model: usize,
    on_kwok: usize,
}

impl Amounts {
    /// As much as the figures need, or as little as shows that it works.
    pub(crate) const fn of(is_quick: bool) -> Self {
        if is_quick {
            Self { stored: 200, calls: 20, length: Duration::from_secs(1), on_the_model: 20, on_kwok: 20 }
        } else {
            Self {
                stored: STORED,
                calls: 500,
                length: Duration::from_secs(4),
                on_the_model: 1_000,
                on_kwok: 400,
            }
        }
    }

    /// Only what needs no control plane.
    pub(crate) const fn without_plane(self) -> Self {
        Self { on_kwok: 0, ..self }
    }
}

/// Measures everything.
pub(crate) async fn measure(
    binary: &Path,
    root: &Path,
    scratch: &Path,
    amounts: Amounts,
    report: &mut Report,
) -> anyhow::Result<()> {
    let stored = stored::folder(scratch, amounts.stored).await?;
    let state = scratch.join("state-engine");
    let floors = latency::Floors::measure(scratch, amounts.calls, amounts.length).await?;
    floors.add(report);
    stored::copy(&stored, &state)?;
    latency::measure(&state, &floors, amounts.calls, amounts.length, report).await?;
    darkness::measure(binary, scratch, report)?;
    stored::copy(&stored, &state)?;
    throughput::on_the_model(&state, amounts.on_the_model, report).await?;
    if amounts.on_kwok > 0 {
        stored::copy(&stored, &state)?;
        throughput::on_kwok(binary, root, scratch, &state, amounts.on_kwok, report).await?;
    }
    std::fs::remove_dir_all(&state)?;
    Ok(())
}
