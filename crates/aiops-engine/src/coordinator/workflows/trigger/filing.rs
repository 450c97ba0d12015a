//! Under which incident a trigger is filed: the open one that it names, else the open one of the same trouble, else a new
//! one.
//!
//! It files nothing under an incident of another object: the end of the workflow would close that one as repaired.

use super::super::Inner;
use crate::{
    coordination::Trigger,
    error::Error,
    fingerprint::fingerprint,
    model::{
        Millis,
        caller::Caller,
        ids::IncidentId,
        incident::{Incident, IncidentBody, IncidentSource, IncidentStatus},
        plan::Problem,
        workflow::Order,
    },
    ports::store::Report,
};

/// Longest id of an incident that a trigger may name, in bytes.
const LONGEST: usize = 128;

/// Refuses an id that could not be kept whole.
pub(super) fn check(given: Option<&str>) -> Result<(), Error> {
    let length = given.map_or(0, str::len);
    if length > LONGEST {
        let why = format!("must not exceed {LONGEST} bytes, and has {length}");
        return Err(Error::invalid("incident_id", why));
    }
    Ok(())
}

impl Inner {
    /// What a trigger says about its incident.
    pub(super) async fn report(
        &self,
        caller: &Caller,
        trigger: &Trigger,
        (problem, order): (&Problem, &Order),
        now: Millis,
    ) -> Result<Report, Error> {
        let cluster = self.cluster_uid().unwrap_or_default();
        let mut body = IncidentBody {
            title: format!("{} on {}", problem.issue, problem.target),
            description: problem.description.clone(),
            created_by: Some(caller.name.clone()),
            ..IncidentBody::default()
        };
        let mut into = None;
        let mut id = IncidentId::of(&self.ids.unique());
        if let Some(given) = trigger.incident.as_deref().map(str::trim).filter(|given| !given.is_empty()) {
            let parsed = IncidentId::parse(given).ok();
            let held = match &parsed {
                Some(parsed) => {
                    let read = self.store.incident(parsed).await;
                    read.map_err(|error| Error::from_store(format!("reading incident {parsed}"), error))?
                }
                None => None,
            };
            match (parsed, held) {
                (Some(parsed), Some(held)) if !held.status.is_closed() => {
                    self.is_its_own(&held, &cluster, problem, order)?;
                    self.is_free(&held, problem).await?;
                    into = Some(parsed);
                }
                (parsed, held) => {
                    // Kept beside, since the open incident of the same trouble takes this report up under its own id. A
                    // closed one is not opened again by a trigger, and what is no id of ours is somebody else's.
                    body.external_id = Some(given.to_owned());
                    if let (Some(parsed), None) = (parsed, held) {
                        id = parsed;
                    }
                }
            }
        }
        let incident = Incident {
            id,
            fingerprint: fingerprint(&cluster, &problem.target, &problem.issue),
            cluster,
            target: problem.target.clone(),
            issue: problem.issue.clone(),
            severity: problem.severity,
            status: IncidentStatus::Remediating,
            source: IncidentSource::Trigger,
            occurrences: 1,
            first_seen: now,
            last_seen: now,
            closed_at: None,
            workflow: None,
            body,
        };
        Ok(Report { incident, into, line: None })
    }

    /// Refuses an incident on which a workflow acts for another trouble: one of the two would tell how it ended for both.
    async fn is_free(&self, held: &Incident, problem: &Problem) -> Result<(), Error> {
        let Some(by) = held.workflow.as_ref().filter(|_| held.status == IncidentStatus::Remediating) else {
            return Ok(());
        };
        let active = self.active().await?;
        let other = active
            .iter()
            .filter(|active| active.id == *by)
            .find(|active| active.target.key() != problem.target.key() || active.issue != problem.issue);
        let Some(other) = other else { return Ok(()) };
        Err(Error::Conflict {
            what: format!("remediating {} on {}", problem.issue, problem.target),
            why: format!(
                "{by} acts on {} for {} already; wait until it is over, or leave incident_id out",
                other.target, held.id
            ),
            workflow: Some(by.to_string()),
        })
    }

    /// Refuses an open incident that is about none of the objects which the trigger names. One about no object is what its
    /// writer says it is about.
    fn is_its_own(
        &self,
        held: &Incident,
        cluster: &str,
        problem: &Problem,
        order: &Order,
    ) -> Result<(), Error> {
        let is_here = held.cluster.is_empty() || held.cluster == cluster;
        // Rows that came since may tell an owner that was not known when it was opened.
        let about = [held.target.key(), self.owner_of(&held.target).key()];
        let mut named = std::iter::once(problem)
            .chain(&order.resources)
            .flat_map(|problem| [problem.target.key(), problem.named.key()]);
        if held.target.kind.is_empty() || (is_here && named.any(|key| about.contains(&key))) {
            return Ok(());
        }
        let place = if is_here { "" } else { " of another cluster" };
        Err(Error::Conflict {
            what: format!("remediating {} on {}", problem.issue, problem.target),
            why: format!(
                "{} is about {}{place}, and a repair of {} would not end it; leave incident_id out, or name the incident of {}",
                held.id, held.target, problem.target, problem.target
            ),
            workflow: None,
        })
    }
}
