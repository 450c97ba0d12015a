//! Plans as the planner would make them, and the objects they are about.

use serde_json::{Value, json};

use super::{CLUSTER, World};
use crate::{
    fingerprint,
    issue::Severity,
    model::{
        action::Action,
        caller::{Caller, Via},
        ids::{ApprovalId, IncidentId, WorkflowId},
        incident::{Incident, IncidentBody, IncidentSource, IncidentStatus},
        layer::Layer,
        method::{DeployMethod, Deployed},
        phase::Phase,
        plan::{Approval, Plan, Problem, Risk, Step},
        target::Target,
        workflow::{Order, Workflow},
    },
    ports::store::{Acceptance, Report, Store as _, Taken},
    workflow::record::Event,
};

pub(in super::super) fn node_target(name: &str) -> Target {
    Target::known("Node", "", name).with_uid(format!("uid-{name}"))
}

pub(in super::super) fn web() -> Target {
    Target::known("Deployment", "shop", "web").with_uid("uid-web")
}

pub(in super::super) fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": name, "uid": format!("uid-{name}"), "resourceVersion": "10"},
        "spec": {}, "status": {},
    })
}

/// What OpenShift says of itself while it is upgraded.
pub(super) fn upgrading() -> Value {
    json!({
        "apiVersion": "config.openshift.io/v1", "kind": "ClusterVersion", "metadata": {"name": "version"},
        "status": {"desired": {"version": "4.19.1"}, "conditions": [{"type": "Progressing", "status": "True"}]},
    })
}

/// A Deployment whose pods nobody makes.
pub(in super::super) fn deployment(name: &str, replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "shop", "uid": format!("uid-{name}"), "resourceVersion": "10",
            "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": []}}},
        "status": {},
    })
}

fn problem(target: &Target) -> Problem {
    Problem {
        issue: "node_not_ready".to_owned(),
        severity: Severity::High,
        description: String::new(),
        target: target.clone(),
        named: target.clone(),
    }
}

impl World {
    /// A plan of these actions.
    pub(in super::super) fn plan(actions: Vec<Action>) -> Plan {
        let target = actions[0].target().clone();
        let steps = actions.into_iter().enumerate().map(|(order, action)| Step {
            order: u32::try_from(order).unwrap(),
            layer: Layer::Infrastructure,
            description: action.name().to_owned(),
            undo: action.undo_class(),
            action,
            required: true,
            planned_on: std::collections::BTreeMap::new(),
            deploys_to: Vec::new(),
            takes_down: None,
            proof: None,
        });
        Plan {
            cluster: CLUSTER.to_owned(),
            problem: problem(&target),
            deployed: Deployed { method: DeployMethod::Manual, ..Deployed::unknown("a test") },
            layers: vec![Layer::Infrastructure],
            remedy: "cordon-node".to_owned(),
            remedy_version: 1,
            why: "a test".to_owned(),
            steps: steps.collect(),
            checkpoints: Vec::new(),
            risk: Risk::Low,
            expected: "it is done".to_owned(),
            left_alone: None,
            estimated_seconds: 60,
            approval: Approval::Auto,
            rule: "policy/all".to_owned(),
            at: 0,
        }
    }

    /// A plan that cordons these nodes, one after the other.
    pub(in super::super) fn cordons(names: &[&str]) -> Plan {
        Self::plan(names.iter().map(|name| Action::CordonNode { target: node_target(name) }).collect())
    }

    /// What the trouble of such a plan's target is known by.
    pub(in super::super) fn fingerprint(target: &Target) -> String {
        fingerprint::fingerprint(CLUSTER, target, &problem(target).issue)
    }

    /// A plan that scales the Deployment.
    pub(in super::super) fn scale(replicas: u32) -> Plan {
        Self::plan(vec![Action::ScaleWorkload { target: web(), replicas }])
    }

    /// A workflow that has this plan, as after planning.
    pub(in super::super) async fn planned(&self, plan: Plan) -> WorkflowId {
        self.planned_for(plan, Caller::identified("ann", Vec::new(), Via::Rest)).await
    }

    /// The same, asked for by this one.
    pub(in super::super) async fn planned_for(&self, plan: Plan, by: Caller) -> WorkflowId {
        let id = WorkflowId::of(&self.unique());
        let now = self.clock.at();
        let problem = plan.problem.clone();
        let print = fingerprint::fingerprint(CLUSTER, &problem.target, &problem.issue);
        let incident = Incident {
            id: IncidentId::of(&self.unique()),
            fingerprint: print.clone(),
            cluster: CLUSTER.to_owned(),
            target: problem.target.clone(),
            issue: problem.issue.clone(),
            severity: Severity::High,
            status: IncidentStatus::Remediating,
            source: IncidentSource::Trigger,
            occurrences: 1,
            first_seen: now,
            last_seen: now,
            closed_at: None,
            workflow: None,
            body: IncidentBody::default(),
        };
        let workflow = Workflow {
            id: id.clone(),
            incident: incident.id.clone(),
            cluster: CLUSTER.to_owned(),
            problem: problem.clone(),
            order: Order::default(),
            phase: Phase::Planning,
            plan: None,
            digest: None,
            dry_run: false,
            requested_by: by,
            cancel_requested: false,
            cursor: 0,
            recoveries: 0,
            wake_at: now,
            deadline: now + 120_000,
            created_at: now,
            started_at: None,
            finished_at: None,
            reason: None,
            rule: None,
            version: 1,
        };
        let acceptance = Acceptance {
            workflow,
            fingerprint: print,
            incident: Report { incident, into: None, line: None },
            idempotency: None,
            audit: Vec::new(),
            lock: Some(problem.target.key()),
            only_joins: false,
        };
        let taken = self.store.accept(&acceptance).await.unwrap();
        assert!(matches!(taken, Taken::New { .. }), "{taken:?}");
        let ask = (plan.approval != Approval::Auto).then(|| ApprovalId::of(&self.unique()));
        let digest = fingerprint::digest(&plan).unwrap();
        self.decide(&id, Event::Planned { plan: Box::new(plan), digest, ask }).await;
        id
    }
}
