//! The end at the cluster: what a member does for an engine that it is granted to.
//!
//! Each request is judged by itself: who asks, where it acts, whether it is stopped, whether the change is one of its action.
//! It keeps no workflow and no object. A change is sent on at most once, and only while its request is young: one that was
//! held up on the way is refused, because whoever sent it has decided by now what became of it.

use std::{collections::VecDeque, sync::Arc, time::Duration};

use parking_lot::Mutex;

use super::{
    audit::Line,
    change::{Outcome, PERFORM, Perform, Performed, Reason},
    fits,
    sight::{OBSERVE, Observe, Observed, What, object},
};
use crate::{
    Engine,
    coordinator::switch::Switch,
    error::{Error, PortErrorKind},
    guard::{self, KillSwitch, names},
    model::{Millis, caller::Caller},
    ports::{
        ApiResource, Cluster, ListOptions, Timer,
        acting::{Acting, Mutation},
    },
    settings::{Settings, limits::millis},
};

/// How old an observation may be that a change names. With the API server's own time it stays well below the minute after
/// which an engine gives a lost request up.
const YOUNG: Millis = 15_000;
/// Requests that are remembered: as many as come in while one is young, by far.
const MOST: usize = 10_000;
/// Objects a page where nobody says how many.
const PAGE: u32 = 500;
/// When a member that is stopped is worth asking again.
const HELD: Duration = Duration::from_secs(5);

/// What a member is made of.
pub struct Parts {
    /// Live reads, and which cluster it is.
    pub engine: Engine,
    /// What changes the cluster.
    pub acting: Arc<dyn Acting>,
    /// The time by which a request is young.
    pub timer: Arc<dyn Timer>,
    /// A name that no other process has: an observation of another one is no pin.
    pub process: String,
    /// Whom it is granted to, where it acts, its kill switch.
    pub settings: Settings,
}

/// A member; cheap to clone.
#[derive(Clone)]
pub struct Member(Arc<Inner>);

struct Inner {
    parts: Parts,
    switch: Switch,
    /// Names of requests that came in, with when; held only to look and to add.
    recent: Mutex<VecDeque<(Millis, String)>>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member")
            .field("granted_to", &self.0.parts.settings.granted_to)
            .finish_non_exhaustive()
    }
}

impl Member {
    /// A member of these parts.
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Inner { parts, switch: Switch::default(), recent: Mutex::default() }))
    }

    /// Whether it is granted to this caller: by name or by group, and never to everybody.
    pub fn grants(&self, caller: &Caller) -> bool {
        let settings = &self.0.parts.settings;
        !settings.granted_to.is_empty() && guard::is_entitled(settings, caller)
    }

    fn granted(&self, caller: &Caller, what: &str) -> Result<(), Error> {
        if self.grants(caller) {
            return Ok(());
        }
        let why = format!("acting.grantedTo of this aiops names neither {} nor a group of it", caller.name);
        Err(Error::refused(what, names::GRANTED_TO, why))
    }

    /// The moment, as the next change names it.
    fn moment(&self) -> String {
        let parts = &self.0.parts;
        format!("{}:{}", parts.process, parts.timer.ticks())
    }

    fn cluster_uid(&self) -> String {
        self.0.parts.engine.look().info().uid.to_string()
    }

    /// Observes.
    ///
    /// # Errors
    /// The caller is not granted it, an argument is missing, or the cluster cannot be read. An object that is not there is no
    /// error.
    pub async fn observe(&self, caller: &Caller, asked: Observe) -> Result<Observed, Error> {
        self.granted(caller, OBSERVE)?;
        let mut seen = Observed {
            // What is seen is not older than this.
            moment: self.moment(),
            cluster: self.cluster_uid(),
            version: self.0.parts.engine.look().info().version.to_string(),
            ..Observed::default()
        };
        let engine = &self.0.parts.engine;
        let failed = |what: &str| {
            let what = what.to_owned();
            move |error| Error::from_port(what, error)
        };
        match asked.what {
            What::Moment => {}
            What::Kinds => {
                let what = "discovering kinds";
                let kinds = engine.cluster(what)?.resources().await.map_err(failed(what))?;
                seen.kinds = Some(kinds.into_iter().map(Into::into).collect());
            }
            What::Object => {
                let (kind, name) = (needed("kind", asked.kind)?, needed("name", asked.name)?);
                let namespace = asked.namespace.unwrap_or_default();
                let what = format!("observing {kind} {namespace}/{name}");
                let cluster = engine.cluster(&what)?;
                let kind = served(cluster, &asked.group.unwrap_or_default(), &kind, &what).await?;
                let within = (kind.namespaced && !namespace.is_empty()).then_some(namespace.as_str());
                match cluster.get(&kind, within, &name).await {
                    Ok(found) => seen.object = object(found),
                    Err(error) if error.kind == PortErrorKind::NotFound => seen.absent = true,
                    Err(error) => return Err(failed(&what)(error)),
                }
            }
            What::List => {
                let kind = needed("kind", asked.kind)?;
                let namespace = asked.namespace.unwrap_or_default();
                let what = format!("observing {kind} objects");
                let cluster = engine.cluster(&what)?;
                let kind = served(cluster, &asked.group.unwrap_or_default(), &kind, &what).await?;
                let within = (kind.namespaced && !namespace.is_empty()).then_some(namespace.as_str());
                let options = ListOptions {
                    label_selector: asked.label_selector,
                    field_selector: asked.field_selector,
                    limit: asked.limit.unwrap_or(PAGE),
                    continue_token: asked.continue_token,
                };
                let page = cluster.list(&kind, within, &options).await.map_err(failed(&what))?;
                seen.items = Some(page.items.into_iter().filter_map(object).collect());
                seen.continue_token = page.continue_token;
                seen.remaining = page.remaining;
            }
            What::Rights => {
                let (verb, resource) = (needed("verb", asked.verb)?, needed("resource", asked.resource)?);
                let what = format!("asking whether {verb} {resource} is allowed");
                let (group, namespace) = (asked.group.unwrap_or_default(), asked.namespace.as_deref());
                let may = engine.cluster(&what)?.may(&verb, &group, &resource, namespace).await;
                seen.allowed = Some(may.map_err(failed(&what))?);
            }
            What::Release => {
                let (name, namespace) = (needed("name", asked.name)?, needed("namespace", asked.namespace)?);
                let revision = asked.revision.ok_or_else(|| missing("revision"))?;
                let what = format!("observing revision {revision} of the Helm release {namespace}/{name}");
                let release = engine.cluster(&what)?.release(&namespace, &name, revision).await;
                seen.release = Some(release.map_err(failed(&what))?.into());
            }
        }
        Ok(seen)
    }

    /// Performs, once.
    ///
    /// # Errors
    /// It was refused before anything was sent: the caller is not granted it, it acts out of bounds, the change is none of
    /// its action. What became of a change that was let through is no error.
    pub async fn perform(&self, caller: &Caller, asked: Perform) -> Result<Performed, Error> {
        self.granted(caller, PERFORM)?;
        let settings = &self.0.parts.settings;
        if let Some(note) = asked.note {
            let about = note.about.clone();
            guard::in_scope(settings, &about.namespace)
                .map_err(|why| Error::refused(PERFORM, names::SCOPE, why))?;
            let reason = || Error::invalid("note.reason", "is none that the engine writes Events with");
            let note = note.announcement().ok_or_else(reason)?;
            self.0.parts.acting.announce(&note).await;
            return Ok(Performed { status: Some(200), ..held(Outcome::Done, None, None) });
        }
        let (Some(action), Some(change)) = (asked.action, asked.change) else {
            return Err(missing("action and change"));
        };
        let (verb, body) = change.parts();
        let target = action.target().clone();
        let mutation = Mutation {
            verb,
            target: match &asked.uid {
                Some(uid) => target.with_uid(uid),
                None => target,
            },
            body,
            uid: asked.uid,
            resource_version: asked.resource_version,
            dry_run: asked.dry_run,
            effect_key: asked.effect_key,
            workflow: asked.workflow,
            action,
        };
        let what = format!("{} on {}", mutation.action.name(), mutation.target);
        fits::check(&mutation).map_err(|why| Error::invalid("change", why))?;
        guard::in_scope(settings, &mutation.target.namespace)
            .map_err(|why| Error::refused(&*what, names::SCOPE, why))?;
        let cluster = self.cluster_uid();
        if cluster.is_empty() {
            let why = "this member does not know yet which cluster it is at".to_owned();
            let unknown = held(Outcome::NotDone, Some(Reason::NotSent), Some(why));
            return Ok(Performed { after_ms: u64::try_from(HELD.as_millis()).ok(), ..unknown });
        }
        if cluster != asked.cluster {
            let why = format!("this is the cluster {cluster:?}, and not {:?}", asked.cluster);
            return Err(Error::refused(&*what, names::CLUSTER, why));
        }
        if let Some(why) = self.stopped(&mutation).await {
            let stopped = held(Outcome::NotDone, Some(Reason::Throttled), Some(why));
            let after_ms = u64::try_from(HELD.as_millis()).ok();
            return Ok(Performed { status: Some(429), after_ms, ..stopped });
        }
        // Last of all: nothing is waited for between this and the sending.
        if let Err(told) = self.take(&asked.moment, &asked.request) {
            return Ok(told);
        }
        let line = Line::intent(caller, &mutation, &asked.request);
        let performed = Performed::from(self.0.parts.acting.perform(&mutation).await);
        line.outcome(&performed);
        Ok(performed)
    }

    /// Why nothing may be changed now. A pause lets what was done be undone, a dry run changes nothing.
    async fn stopped(&self, mutation: &Mutation) -> Option<String> {
        let settings = &self.0.parts.settings;
        let place = settings.kill_switch.as_ref().filter(|_| !mutation.dry_run)?;
        let trust = millis(settings.timing.control_trust);
        let seen = self.0.switch.read(&self.0.parts.engine, place, trust).await;
        let is_undo = mutation.effect_key.ends_with("/undo");
        match seen.mode {
            KillSwitch::Run => None,
            KillSwitch::Pause if is_undo => None,
            mode => Some(format!("the member's kill switch says {} ({})", mode.as_str(), seen.why)),
        }
    }

    /// Takes a request that is young and was not taken before.
    fn take(&self, moment: &str, request: &str) -> Result<(), Performed> {
        let parts = &self.0.parts;
        let now = parts.timer.ticks();
        let seen = moment.rsplit_once(':').filter(|(process, _)| *process == parts.process);
        let age = seen.and_then(|(_, at)| at.parse::<Millis>().ok()).map(|at| now.saturating_sub(at));
        if !age.is_some_and(|age| (0..=YOUNG).contains(&age)) {
            let why = "the request is older than the member lets it be, or meant for one that has ended; look again";
            return Err(held(Outcome::NotDone, Some(Reason::NotSent), Some(why.to_owned())));
        }
        let mut recent = self.0.recent.lock();
        while recent.front().is_some_and(|(at, _)| now.saturating_sub(*at) > 2 * YOUNG) {
            recent.pop_front();
        }
        if request.is_empty() || recent.iter().any(|(_, known)| known == request) {
            // The other one is on its way, or was.
            let why = "this request came in before; what became of it only the cluster can tell";
            return Err(held(Outcome::Unknown, None, Some(why.to_owned())));
        }
        if recent.len() >= MOST {
            let why = format!("{MOST} requests came in within {} s", 2 * YOUNG / 1_000);
            return Err(held(Outcome::NotDone, Some(Reason::NotSent), Some(why)));
        }
        recent.push_back((now, request.to_owned()));
        Ok(())
    }
}

const fn held(outcome: Outcome, reason: Option<Reason>, why: Option<String>) -> Performed {
    Performed { outcome, reason, status: None, why, after_ms: None, audit_id: None, warnings: Vec::new() }
}

fn missing(argument: &str) -> Error {
    Error::invalid(format!("argument {argument:?}"), "is needed for this")
}

fn needed(argument: &str, value: Option<String>) -> Result<String, Error> {
    value.filter(|value| !value.is_empty()).ok_or_else(|| missing(argument))
}

/// The kind as the cluster serves it.
async fn served(cluster: &dyn Cluster, group: &str, kind: &str, what: &str) -> Result<ApiResource, Error> {
    let kinds = cluster.resources().await.map_err(|error| Error::from_port(what, error))?;
    let is_meant =
        |known: &ApiResource| known.group == group && known.kind == kind && !known.plural.contains('/');
    kinds.into_iter().find(is_meant).ok_or_else(|| Error::NotInThisMode {
        what: what.to_owned(),
        why: format!(
            "the cluster serves no {kind} in {}",
            if group.is_empty() { "the core group" } else { group }
        ),
    })
}
