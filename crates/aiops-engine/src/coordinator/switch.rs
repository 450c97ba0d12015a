//! The kill switch in a ConfigMap, for whoever can reach the cluster and not us.
//!
//! It is read just before it counts and never watched: at rest it costs the API server nothing. One that cannot be read
//! is what it was for a minute, and then counts as `pause`: a switch that nobody can see must not be on by luck.

use serde_json::Value;

use parking_lot::Mutex;

use super::Inner;
use crate::{
    Engine,
    error::PortErrorKind,
    guard::{Figures, KillSwitch},
    model::Millis,
    ports::ApiResource,
    settings::limits::millis,
    text,
};

/// What was read is used again for so long: the guard asks more often than anybody throws a switch.
const FRESH: Millis = 500;

/// What the ConfigMap said when it was last read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    at: Millis,
    pub(crate) mode: KillSwitch,
    pub(crate) why: String,
}

impl Inner {
    /// Takes over what the ConfigMap says, where one is configured and it is stricter.
    pub(super) async fn external_switch(&self, figures: &mut Figures) {
        let Some(place) = &self.settings.kill_switch else { return };
        let trust = millis(self.settings.timing.control_trust);
        let seen = self.switch.read(&self.engine, place, trust).await;
        if seen.mode > figures.kill_switch {
            figures.kill_switch = seen.mode;
            figures.kill_switch_why = seen.why;
            figures.kill_switch_is_elsewhere = true;
        }
    }
}

/// Reads the ConfigMap, and remembers what it said. The lock is held only to copy it.
#[derive(Debug, Default)]
pub(crate) struct Switch(Mutex<Option<Seen>>);

impl Switch {
    /// What the ConfigMap of this namespace and name says; for `trust` milliseconds after it was last read, what it said then.
    pub(crate) async fn read(
        &self,
        engine: &Engine,
        (namespace, name): &(String, String),
        trust: Millis,
    ) -> Seen {
        let now = engine.now().as_millisecond();
        let known = self.0.lock().clone();
        if let Some(seen) = &known
            && (0..FRESH).contains(&now.saturating_sub(seen.at))
        {
            return seen.clone();
        }
        let resource = ApiResource {
            group: String::new(),
            version: "v1".to_owned(),
            kind: "ConfigMap".to_owned(),
            plural: "configmaps".to_owned(),
            singular: "configmap".to_owned(),
            short_names: Vec::new(),
            namespaced: true,
            verbs: vec!["get".to_owned()],
        };
        let what = format!("ConfigMap {namespace}/{name}");
        let read = match engine.cluster(&what) {
            Ok(cluster) => {
                cluster.get(&resource, Some(namespace), name).await.map_err(|e| (e.kind, e.message))
            }
            Err(error) => Err((PortErrorKind::Unavailable, error.to_string())),
        };
        let seen = match read {
            Ok(map) => said(&map, &what, now),
            Err((PortErrorKind::NotFound, _)) => {
                Seen { at: now, mode: KillSwitch::Run, why: format!("there is no {what}") }
            }
            Err((_, why)) => {
                // Not when it was read in the future: by a clock that was set back it would be trusted until then.
                let is_young = |known: &Seen| (0..=trust).contains(&now.saturating_sub(known.at));
                if let Some(known) = known.filter(is_young) {
                    return known;
                }
                let why = format!("{what} cannot be read, which counts as pause: {}", text::line(&why, 200));
                return Seen { at: now.saturating_sub(FRESH), mode: KillSwitch::Pause, why };
            }
        };
        *self.0.lock() = Some(seen.clone());
        seen
    }
}

/// What a ConfigMap says: `mode` is run, pause or stop; a word that is none of them was written to stop something.
fn said(map: &Value, what: &str, at: Millis) -> Seen {
    let word = |key: &str| map.pointer(&format!("/data/{key}")).and_then(Value::as_str).map(str::trim);
    let mode = match word("mode") {
        None | Some("") => KillSwitch::Run,
        Some(mode) => KillSwitch::parse(mode).unwrap_or(KillSwitch::Stop),
    };
    let reason = word("reason").map(|reason| text::line(reason, 200)).unwrap_or_default();
    Seen { at, mode, why: format!("set in {what}: {reason}") }
}

#[cfg(test)]
mod tests;
