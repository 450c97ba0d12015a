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

use crate::{
    full,
    plane::{Plane, Size},
    report::{Report, say},
    subject::Lengths,
};

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
    /// Pods of the cluster on which it is weighed, and for how long it rests before.
    pods: usize,
    rest: Duration,
}

impl Amounts {
    /// As much as the figures need, or as little as shows that it works.
    pub(crate) const fn of(is_quick: bool) -> Self {
        if is_quick {
            Self {
                stored: 200,
                calls: 20,
                length: Duration::from_secs(1),
                on_the_model: 20,
                on_kwok: 20,
                pods: 1_000,
                rest: Duration::from_secs(10),
            }
        } else {
            Self {
                stored: STORED,
                calls: 500,
                length: Duration::from_secs(4),
                on_the_model: 1_000,
                on_kwok: 400,
                pods: 10_000,
                rest: Duration::from_secs(60),
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
        on_a_plane(binary, root, scratch, (&stored, &state), amounts, report).await?;
    }
    std::fs::remove_dir_all(&state)?;
    Ok(())
}

/// What is measured on a real API server: workflows first, and then its weight, with many more pods beside theirs.
async fn on_a_plane(
    binary: &Path,
    root: &Path,
    scratch: &Path,
    (stored, state): (&Path, &Path),
    amounts: Amounts,
    report: &mut Report,
) -> anyhow::Result<()> {
    let dir = scratch.join("plane-engine");
    if dir.exists() {
        std::fs::remove_dir_all(&dir)?;
    }
    let size = Size { nodes: (amounts.pods / 100).max(1), pods: amounts.pods };
    say("starting a control plane");
    let plane = Plane::start(root, &dir, size.nodes + amounts.on_kwok.div_ceil(40), "").await?;
    throughput::on_kwok(binary, &plane, scratch, state, amounts.on_kwok, report).await?;
    say(&format!("making {} pods", size.pods));
    plane.fill(root, size).await?;
    let pods = plane.count("/api/v1/pods").await?;
    report.note(format!("full mode is weighed on {pods} pods; it rests {} s before", amounts.rest.as_secs()));
    let lengths = Lengths { rest: amounts.rest, ..Lengths::NONE };
    full::weigh(binary, &plane, scratch, (stored, amounts.stored), &lengths, report).await?;
    std::fs::remove_dir_all(plane.end()?)?;
    Ok(())
}
