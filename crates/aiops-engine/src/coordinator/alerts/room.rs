//! How many incidents may be open, and which messages were sent back because there was no room.
//!
//! Only what detectors and alerts opened counts: what people write and trigger is nobody's flood. It closes nothing.

use std::{collections::VecDeque, time::Duration};

use super::super::Inner;
use crate::{
    coordination::Alert,
    error::Error,
    fingerprint::sha256,
    model::incident::{Incident, IncidentSource, IncidentStatus},
    ports::store::{IncidentFilter, StoreError},
    sweep::{COUNTED, MOST_OPEN},
};

/// When a message that was sent back makes sense again: the sweep closes what is gone for two minutes.
const AGAIN: Duration = Duration::from_secs(60);
/// Messages that are remembered: more groups than a flood of alerts has at once.
const MOST_REMEMBERED: usize = 256;

/// Messages that were taken in part. Their sender sends them again as they are, and what was counted of them is not to be
/// counted again. Losing it only makes a count too high by one message.
#[derive(Debug, Default)]
pub(crate) struct Refused(VecDeque<String>);

impl Refused {
    pub(super) fn knows(&self, message: &str) -> bool {
        self.0.iter().any(|known| known == message)
    }

    pub(super) fn keep(&mut self, message: String) {
        if !self.knows(&message) {
            self.0.truncate(MOST_REMEMBERED - 1);
            self.0.push_front(message);
        }
    }

    pub(super) fn forget(&mut self, message: &str) {
        self.0.retain(|known| known != message);
    }
}

/// What tells a message from others.
pub(super) fn digest(alerts: &[Alert]) -> String {
    let told = |a: &Alert| format!("{} {} {:?}", a.is_resolved, a.starts_at, a.labels);
    sha256(&alerts.iter().map(told).collect::<Vec<_>>().join("\n"))
}

/// There was no room for the incidents of `left` of these alerts.
pub(super) fn full(left: u64, received: u64) -> Error {
    Error::Unavailable {
        what: "taking alerts".to_owned(),
        why: format!(
            "{MOST_OPEN} incidents of detectors and alerts are open and no more are opened, so {left} of {received} alerts \
             were not taken (the others were); close incidents that are over, and send them again"
        ),
        retry_after: Some(AGAIN),
    }
}

/// Whether an incident fills the room.
pub(in crate::coordinator) fn counts(incident: &Incident) -> bool {
    COUNTED.contains(&incident.source)
}

fn open(sources: &[IncidentSource], limit: u32) -> IncidentFilter {
    IncidentFilter {
        status: IncidentStatus::ALL.into_iter().filter(|s| !s.is_closed()).collect(),
        source: sources.to_vec(),
        limit,
        ..IncidentFilter::default()
    }
}

impl Inner {
    /// Open incidents, those that fill the room first: all of them, and as many of the others.
    pub(in crate::coordinator) async fn open_incidents(&self) -> Result<Vec<Incident>, StoreError> {
        let most = u32::try_from(MOST_OPEN).unwrap_or(u32::MAX);
        let mut all = self.store.incidents(&open(&COUNTED, most)).await?.rows;
        let others = [IncidentSource::Manual, IncidentSource::Trigger];
        all.extend(self.store.incidents(&open(&others, most)).await?.rows);
        Ok(all)
    }

    /// Whether so many incidents are open that no more are opened; in words, for whoever asks how the engine is.
    pub(in crate::coordinator) async fn is_full(&self) -> Result<Option<String>, StoreError> {
        let open = self.store.incidents(&open(&COUNTED, 1)).await?.total;
        let most = u64::try_from(MOST_OPEN).unwrap_or(u64::MAX);
        Ok((open >= most).then(|| {
            format!(
                "{open} incidents of detectors and alerts are open and no more are opened until some are closed: what is \
                 found meanwhile waits, and alerts are sent back to their sender"
            )
        }))
    }
}
