//! Files incidents where they belong, that came in before it was known which cluster this is or who owns a pod.
//!
//! Nothing is refused and nothing waits for the cluster when an incident comes in; it is put right here, so that what is
//! reported later is counted with it. One on which a workflow acts is left alone.

use serde_json::json;

use super::super::{
    Inner,
    alerts::{at, host},
};
use crate::{
    error::Error,
    fingerprint::fingerprint,
    model::{
        Millis,
        caller::Via,
        incident::{Incident, IncidentSource},
        target::Target,
    },
    ports::store::{Entry, Filing, StoreError},
};

/// Most that one sweep files; the rest with the next ones.
const MOST_FILED: usize = 100;

impl Inner {
    /// How many were filed.
    pub(super) async fn file(&self, cluster: &str, open: &[Incident], now: Millis) -> Result<usize, Error> {
        let mut filed = 0;
        let wrong = open.iter().filter_map(|incident| Some((incident, self.place(cluster, incident)?)));
        for (incident, filing) in wrong.take(MOST_FILED) {
            let entry = Entry {
                at: now,
                actor: "aiops".to_owned(),
                via: Via::Sweep,
                action: "incident_filed".to_owned(),
                object: incident.id.to_string(),
                body: json!({"cluster": filing.cluster, "target": filing.target.to_string()}),
            };
            match self.store.file_incident(&incident.id, &filing, &entry).await {
                Ok(Some(_)) => filed += 1,
                // Somebody was faster, or a workflow took it up.
                Ok(None) | Err(StoreError::Changed(_)) => {}
                Err(error) => return Err(Error::from_store("filing an incident", error)),
            }
        }
        if filed > 0 {
            self.touch();
        }
        Ok(filed)
    }

    /// Where an incident belongs, when that is not where it is.
    fn place(&self, cluster: &str, incident: &Incident) -> Option<Filing> {
        if cluster.is_empty() || (!incident.cluster.is_empty() && incident.cluster != cluster) {
            return None;
        }
        let mut key = key(incident);
        // What somebody wrote without an issue is merged with nothing: its fingerprint is its own.
        let is_own = key.is_none();
        let mut target = if is_own { incident.target.clone() } else { self.owner_of(&incident.target) };
        // An instance that turns out to be a node.
        let instance = incident.body.labels.get("instance");
        if let (Some(key), Some(instance)) = (key.as_mut(), instance)
            && let Some(plain) = key.strip_suffix(&at("", instance)).map(str::to_owned)
            && let Some(node) = self.node_called(host(instance))
        {
            *key = plain;
            target = Target::known("Node", "", &node);
        }
        if incident.cluster == cluster && is_same(&target, &incident.target) {
            return None;
        }
        let fingerprint = match key {
            Some(key) => fingerprint(cluster, &target, &key),
            None => incident.fingerprint.clone(),
        };
        Some(Filing { cluster: cluster.to_owned(), target, fingerprint })
    }
}

fn is_same(one: &Target, other: &Target) -> bool {
    one.key() == other.key()
}

/// What told the incident from others of its object when it was opened; `None` when nothing did.
fn key(incident: &Incident) -> Option<String> {
    let of = |key: &str| fingerprint(&incident.cluster, &incident.target, key) == incident.fingerprint;
    if of(&incident.issue) {
        return Some(incident.issue.clone());
    }
    let label = |key: &str| {
        incident.body.labels.get(key).filter(|_| incident.source == IncidentSource::Alert).cloned()
    };
    let named = format!("alert:{}", label("alertname")?);
    let instance = label("instance").unwrap_or_default();
    let keys = [at(&incident.issue, &instance), at(&named, &instance), named];
    keys.into_iter().find(|key| of(key))
}
