//! Full mode on a cluster of many pods: what it weighs, and what it costs at rest, with what a year of the coordination
//! engine left behind.
//!
//! It triggers nothing: what a workflow costs is measured elsewhere.

use std::path::Path;

use crate::{
    engine::{STORED, stored},
    plane::Plane,
    report::Report,
    subject::{Aiops, Lengths},
};

/// Put before these figures, with as many workflows as the goal names and with fewer.
const MANY: &str = "full mode, 10,000 stored workflows: ";
const FEW: &str = "full mode, few stored workflows: ";
/// The most that it may weigh, in MiB.
const MOST: f64 = 28.0;

/// Starts it over a copy of the stored workflows, calls every tool once and lets it rest while pods change.
pub(crate) async fn weigh(
    aiops: &Path,
    plane: &Plane,
    scratch: &Path,
    (stored, count): (&Path, usize),
    lengths: &Lengths,
    report: &mut Report,
) -> anyhow::Result<()> {
    let state = scratch.join("state");
    stored::copy(stored, &state)?;
    let prefix = if count < STORED { FEW } else { MANY };
    let mut subject = Aiops::start(aiops, plane, scratch, prefix, &["--mode", "full"], report).await?;
    subject.every_tool(plane).await?;
    let _churn = plane.churn(20)?;
    subject.rest(plane, lengths, MOST, report).await?;
    drop(subject);
    std::fs::remove_dir_all(&state)?;
    Ok(())
}
