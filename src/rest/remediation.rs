//! `POST /remediation/trigger`: the order to repair something, as the contract has it.
//!
//! What is misspelt here must not execute, so that nothing unknown is taken; what the trigger is worth, the engine says.

use aiops_engine::{
    Error,
    coordination::{Trigger, Triggered, WhyNot, completed},
    issue::Severity,
    model::{
        action::Action,
        target::{Target, group_of},
    },
};
use axum::{extract::State, http::StatusCode, response::Response};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    Rest,
    body::{Given, answer},
    caller::{Key, Who},
    error::Failure,
};

/// A trigger.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct TriggerBody {
    /// The incident it belongs to; one that is not known is opened under this id, or keeps it as `external_id`.
    incident_id: String,
    #[serde(flatten)]
    order: OrderBody,
}

/// A trigger that is only planned, or asked about.
#[derive(Debug, Deserialize, JsonSchema)]
pub(super) struct PlanBody {
    /// The incident it would belong to.
    incident_id: Option<String>,
    #[serde(flatten)]
    order: OrderBody,
}

/// What is to be repaired.
#[derive(Debug, Deserialize, JsonSchema)]
struct OrderBody {
    /// Namespace of the object; absent for objects of the cluster, such as nodes.
    #[serde(default)]
    namespace: String,
    /// The object. Without it and without an issue, both are taken from the incident.
    resource: Option<ResourceBody>,
    /// What is wrong with it. Its type may be left out when an action is named.
    #[serde(default)]
    issue: IssueBody,
    /// Plan and prove; keep nothing, change nothing.
    #[serde(default)]
    dry_run: bool,
    /// One action instead of the remedies' choice, such as `{"action":"restart-workload","target":{…}}`.
    action: Option<Action>,
    /// Only this plan, by the digest that a plan or a dry run showed.
    digest: Option<String>,
}

/// An object.
#[derive(Debug, Default, Deserialize, JsonSchema)]
struct ResourceBody {
    /// Such as `Deployment`.
    kind: String,
    /// Its name.
    name: String,
    /// The same as `namespace` beside `resource`, for those who write it here.
    namespace: Option<String>,
}

/// An issue.
#[derive(Debug, Default, Deserialize, JsonSchema)]
struct IssueBody {
    /// In any word that `docs/issues.md` lists, such as `pod_crash_loop`.
    #[serde(default, rename = "type")]
    kind: String,
    /// What was seen.
    #[serde(default)]
    description: String,
    /// `low`, `medium`, `high` or `critical`; absent: as bad as the issue is by itself.
    severity: Option<String>,
}

/// What became of a trigger.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct TriggerAnswer {
    /// The workflow; null for a dry run, which has none.
    workflow_id: Option<String>,
    #[serde(flatten)]
    triggered: Triggered,
}

/// `POST /remediation/trigger`.
pub(super) async fn trigger(
    State(rest): State<Rest>,
    who: Who,
    Key(key): Key,
    Given(body): Given<TriggerBody>,
) -> Result<Response, Failure> {
    let trigger = Trigger { idempotency_key: key, ..body.order.into_trigger(Some(body.incident_id))? };
    let trigger = filled(&rest, &who, trigger).await?;
    let caller = if trigger.dry_run { &who.caller } else { who.acts()? };
    let mut triggered = rest.engine().trigger(caller, trigger).await.map_err(spelt)?;
    // Accepted and kept is 202; a dry run is done with its answer.
    let status = if triggered.dry_run { StatusCode::OK } else { StatusCode::ACCEPTED };
    answer(status, &TriggerAnswer { workflow_id: triggered.workflow_id.take(), triggered })
}

/// `POST /remediation/why-not`.
pub(super) async fn why_not(
    State(rest): State<Rest>,
    who: Who,
    Given(body): Given<PlanBody>,
) -> Result<Response, Failure> {
    let question = WhyNot::Trigger(Box::new(body.into_trigger(&rest, &who).await?));
    answer(StatusCode::OK, &rest.engine().why_not(&who.caller, question).await.map_err(spelt)?)
}

impl PlanBody {
    pub(super) async fn into_trigger(self, rest: &Rest, who: &Who) -> Result<Trigger, Failure> {
        filled(rest, who, self.order.into_trigger(self.incident_id)?).await
    }
}

/// A failure, its member as these bodies have it.
pub(super) fn spelt(error: Error) -> Failure {
    Failure::spelt(error, |field| {
        let path = match field {
            "kind" => "resource.kind",
            "name" => "resource.name",
            "issue_type" => "issue.type",
            "severity" => "issue.severity",
            _ => return None,
        };
        Some(path.to_owned())
    })
}

/// The trigger with what its incident says, where it names nothing but that; refused where it does not say enough.
async fn filled(rest: &Rest, who: &Who, trigger: Trigger) -> Result<Trigger, Failure> {
    let names_trouble = !trigger.issue.is_empty() || trigger.action.is_some();
    let trigger = match (trigger.kind.is_empty(), names_trouble) {
        (false, true) => return Ok(trigger),
        (false, false) => return Err(Failure::required("issue.type")),
        (true, true) => return Err(Failure::required("resource")),
        (true, false) => match completed(rest.engine(), &who.caller, trigger).await {
            // An id that is not known is no fault by itself: a trigger may open an incident under it.
            Err(Error::NotFound { .. } | Error::Invalid { .. }) => return Err(Failure::required("resource")),
            completed => completed?,
        },
    };
    if trigger.kind.is_empty() { Err(Failure::required("resource")) } else { Ok(trigger) }
}

impl OrderBody {
    fn into_trigger(self, incident: Option<String>) -> Result<Trigger, Failure> {
        let Self { namespace, resource, issue, dry_run, action, digest } = self;
        let resource = resource.unwrap_or_default();
        let namespace = match resource.namespace {
            Some(inner) if namespace.is_empty() => inner,
            Some(inner) if inner != namespace => {
                let message = "resource.namespace and namespace name two namespaces; name one";
                return Err(Failure::invalid("resource.namespace", message));
            }
            _ => namespace,
        };
        Ok(Trigger {
            incident,
            namespace,
            kind: resource.kind,
            name: resource.name,
            issue: issue.kind.trim().to_owned(),
            description: issue.description,
            severity: severity("issue.severity", issue.severity.as_deref())?,
            dry_run,
            action: action.map(with_group).transpose()?,
            resources: Vec::new(),
            digest,
            idempotency_key: None,
            asked: None,
        })
    }
}

/// Severities as their senders write them; Prometheus's `warning` and `info` are as bad as `medium` and `low`.
fn severity(field: &str, word: Option<&str>) -> Result<Option<Severity>, Failure> {
    let Some(word) = word.map(str::trim).filter(|word| !word.is_empty()) else { return Ok(None) };
    match word.to_ascii_lowercase().as_str() {
        "critical" => Ok(Some(Severity::Critical)),
        "high" => Ok(Some(Severity::High)),
        "medium" | "warning" => Ok(Some(Severity::Medium)),
        "low" | "info" => Ok(Some(Severity::Low)),
        _ => {
            let shown: String = word.chars().take(40).collect();
            Err(Failure::invalid(
                field,
                format!("{field} must be low, medium, high or critical, not {shown:?}"),
            ))
        }
    }
}

/// The action with the API group of its target, which people leave out: `{"kind":"Deployment",…}`.
fn with_group(action: Action) -> Result<Action, Failure> {
    let target: &Target = action.target();
    let group = group_of(&target.kind);
    if !target.group.is_empty() || group.is_empty() {
        return Ok(action);
    }
    let unusable =
        |error: serde_json::Error| Failure::invalid("action", format!("the action is not usable: {error}"));
    let mut value: Value = serde_json::to_value(&action).map_err(unusable)?;
    if let Some(target) = value.get_mut("target").and_then(Value::as_object_mut) {
        target.insert("group".to_owned(), json!(group));
    }
    serde_json::from_value(value).map_err(unusable)
}
