//! The rows themselves: what is asked of each tool, route and command in a round.
//!
//! It sends nothing.

use super::*;

/// The calls of one round; those that can only read or keep are asked in the first one.
pub(super) fn fill(
    to: &mut Builder,
    round: &Round,
    names: &Names,
    waiting: &[Waiting],
    stage: Stage,
    is_first: bool,
) {
    let (pod, incident) = (names.pod.as_str(), names.incident.as_str());
    let namespace = round.namespace.as_str();
    let deployment = |name: &'static str| Some(("deployments", namespace, name));
    let workload = |name: &str| json!({"namespace": namespace, "kind": "Deployment", "name": name});
    let with = |mut value: Value, more: Value| {
        value.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        value
    };
    let [cordon, cordoned, drain] = &round.nodes;
    let [ask_mcp, ask_rest, ask_cli, deny_rest, deny_cli, cancel_mcp, cancel_rest, cancel_cli] = waiting
    else {
        unreachable!("one for each of {WAITING:?}");
    };

    if is_first {
        to.controls(stage);
        to.readers(round, pod, incident);
    }
    // What acts.
    to.mcp("restart-workload", workload("mcp-restart"), deployment("mcp-restart"));
    to.mcp(
        "rollback-workload",
        with(workload("mcp-rollback"), json!({"revision": 1})),
        deployment("mcp-rollback"),
    );
    to.mcp("scale-workload", with(workload("mcp-scale"), json!({"replicas": 2})), deployment("mcp-scale"));
    // It waits for an approval, which nobody gives.
    to.mcp("set-resources", resources(round, "mcp-resources"), None);
    to.mcp("evict-pod", json!({"namespace": namespace, "name": pod}), Some(("pods", namespace, pod)));
    to.mcp("cordon-node", json!({"name": cordon}), Some(("nodes", "", cordon)));
    to.mcp("uncordon-node", json!({"name": cordoned}), Some(("nodes", "", cordoned)));
    to.mcp("drain-node", json!({"name": drain}), Some(("nodes", "", drain)));
    to.mcp("delete-pod", json!({"namespace": namespace, "name": names.stuck}), None);
    to.mcp("rollback-application", json!({"namespace": namespace, "name": "app-old", "history": 0}), None);
    let nudge =
        json!({"namespace": namespace, "group": "argoproj.io", "kind": "Application", "name": "app-nudge"});
    to.mcp("nudge-operator", nudge, None);
    // There is no such pool, and no release: they are refused.
    to.mcp("await-pool", json!({"name": "worker"}), None);
    to.mcp("rollback-release", workload("mcp-scale"), None);
    to.mcp(
        "sync-application",
        json!({"namespace": namespace, "name": "app"}),
        Some(("applications", namespace, "app")),
    );
    let trouble = |name: &str| json!({"namespace": namespace, "resource_kind": "Deployment", "resource_name": name, "issue_type": "image_pull"});
    to.mcp("trigger-remediation", trouble("mcp-trigger"), deployment("mcp-trigger"));
    to.mcp("plan-remediation", trouble("rest-layers"), None);
    to.mcp(
        "approve-workflow",
        json!({"workflow_id": ask_mcp.id, "digest": ask_mcp.digest}),
        deployment("ask-mcp"),
    );
    to.mcp("cancel-workflow", json!({"workflow_id": cancel_mcp.id, "reason": "not needed"}), None);

    let trigger = |name: &str| {
        json!({"incident_id": "", "namespace": namespace, "resource": {"kind": "Deployment", "name": name},
            "issue": {"type": "image_pull", "description": "", "severity": "high"}})
    };
    let named = |name: &str| with(trigger(name), json!({"incident_id": format!("inc-{namespace}-{name}")}));
    to.rest("POST", "/api/v1/remediation/trigger", &[], named("rest-trigger"), deployment("rest-trigger"));
    let action = json!({"action": "restart-workload",
        "target": {"group": "apps", "kind": "Deployment", "namespace": namespace, "name": "rest-action"}});
    let ordered = with(named("rest-action"), json!({"action": action, "issue": {}}));
    to.rest("POST", "/api/v1/remediation/trigger", &[], ordered, deployment("rest-action"));
    to.rest("POST", "/api/v1/remediation/why-not", &[], named("rest-trigger"), None);
    to.rest("POST", "/api/v1/plans", &[], named("rest-trigger"), None);
    let layered = json!({"incident_id": format!("inc-{namespace}-layers"), "description": "pods cannot pull their image",
        "resources": [{"kind": "Deployment", "name": "rest-layers", "namespace": namespace, "issue": "image_pull"}]});
    to.rest("POST", "/api/v1/coordination/trigger", &[], layered, deployment("rest-layers"));
    let decided = |waiting: &Waiting| json!({"digest": waiting.digest, "reason": "seen"});
    to.rest(
        "POST",
        "/api/v1/workflows/{id}/approve",
        &[("id", ask_rest.id.as_str())],
        decided(ask_rest),
        deployment("ask-rest"),
    );
    to.rest(
        "POST",
        "/api/v1/workflows/{id}/deny",
        &[("id", deny_rest.id.as_str())],
        decided(deny_rest),
        None,
    );
    to.rest(
        "POST",
        "/api/v1/workflows/{id}/cancel",
        &[("id", cancel_rest.id.as_str())],
        json!({"reason": "not needed"}),
        None,
    );
    let found = json!({"outcome": "failed", "note": "looked at"});
    to.rest("POST", "/api/v1/workflows/{id}/resolve", &[("id", cancel_rest.id.as_str())], found, None);
    let alert = json!({"version": "4", "alerts": [{"status": "firing", "labels": {"alertname": "KubePodCrashLooping",
        "namespace": namespace, "deployment": "mcp-scale", "severity": "critical"},
        "annotations": {}, "startsAt": "2026-11-27T10:00:00Z", "endsAt": "0001-01-01T00:00:00Z", "fingerprint": "f"}]});
    to.rest("POST", "/api/v1/alerts", &[], alert, None);
    let opened = json!({"title": "Slow", "description": "seen", "severity": "low",
        "target": "Deployment", "affected_resources": [format!("Deployment/{namespace}/mcp-scale")]});
    to.rest("POST", "/api/v1/incidents", &[], opened, None);

    let namespace_is = format!("namespace={namespace}");
    let restart = ["restart-workload", namespace_is.as_str(), "kind=Deployment", "name=cli-call"];
    to.command("call", &restart, deployment("cli-call"));
    to.command("workflow approve", &[&ask_cli.id, "--digest", &ask_cli.digest], deployment("ask-cli"));
    to.command("workflow deny", &[&deny_cli.id, "--digest", &deny_cli.digest], None);
    to.command("workflow cancel", &[&cancel_cli.id], None);
    // Last: what is about an incident, which is closed.
    to.mcp("resolve-incident", json!({"incident_id": incident, "resolution": "over"}), None);
    to.rest(
        "POST",
        "/api/v1/incidents/{id}/resolve",
        &[("id", incident)],
        json!({"resolution": "over"}),
        None,
    );
    if is_first {
        to.command("incident resolve", &[incident], None);
    }
}

impl Builder {
    /// The switches; where everything is stopped it stays so.
    fn controls(&mut self, stage: Stage) {
        let mode = if stage == Stage::Stopped { "stop" } else { "run" };
        self.command("control pause", &["--reason", "a test"], None);
        self.command("control stop", &["--reason", "a test"], None);
        if stage != Stage::Stopped {
            self.command("control run", &["--reason", "a test"], None);
        }
        self.rest("PUT", "/api/v1/control", &[], json!({"mode": mode}), None);
        self.command("control show", &[], None);
    }

    /// What can do no more than read or keep, asked once.
    fn readers(&mut self, round: &Round, pod: &str, incident: &str) {
        let namespace = round.namespace.as_str();
        let web = json!({"namespace": namespace, "kind": "Deployment", "name": "mcp-scale"});
        self.mcp(
            "analyze-scaling-impact",
            json!({"namespace": namespace, "deployment": "mcp-scale", "target_replicas": 8}),
            None,
        );
        self.mcp("calculate-pod-capacity", json!({"namespace": namespace, "pod_profile": "small"}), None);
        self.mcp("detect-deployment-method", web.clone(), None);
        self.mcp("diagnose-pod", json!({"namespace": namespace, "pod": "deployment/mcp-trigger"}), None);
        self.mcp("get-cluster-health", json!({}), None);
        self.mcp("get-pod-logs", json!({"namespace": namespace, "pod": pod}), None);
        self.mcp(
            "get-resource",
            json!({"kind": "deployment", "namespace": namespace, "name": "mcp-scale"}),
            None,
        );
        self.mcp("get-workload", web, None);
        self.mcp("get-incident", json!({"incident_id": incident}), None);
        self.mcp("get-workflow", json!({"workflow_id": NO_WORKFLOW}), None);
        self.mcp("list-resources", json!({"kind": "services", "namespace": namespace, "limit": 5}), None);
        for tool in ["list-events", "list-pods", "list-workloads"] {
            self.mcp(tool, json!({"namespace": namespace}), None);
        }
        for tool in ["list-namespaces", "list-nodes", "list-incidents", "list-workflows"] {
            self.mcp(tool, json!({}), None);
        }
        // Where this is no member they are not offered; the stages of the member call them for real.
        let seen = json!({"group": "apps", "kind": "Deployment", "namespace": namespace, "name": "member"});
        self.mcp("observe-object", seen, None);
        let asked = json!({"moment": "m", "request": "r", "cluster": "c", "change": {"delete": {}}});
        self.mcp("perform-action", asked, None);
        let opened = json!({"title": "Slow too", "description": "seen", "severity": "low",
            "affected_resources": [format!("Deployment/{namespace}/mcp-trigger")]});
        self.mcp("create-incident", opened, None);
        let id = [("id", incident)];
        for path in [
            "/api/v1/health",
            "/api/v1/workflows",
            "/api/v1/incidents",
            "/api/v1/detect/cache/stats",
            "/api/v1/coordination/workflows",
            "/api/v1/control",
            "/api/v1/policy",
        ] {
            self.rest("GET", path, &[], Value::Null, None);
        }
        for path in ["/api/v1/incidents/{id}", "/api/v1/incidents/{id}/report"] {
            self.rest("GET", path, &id, Value::Null, None);
        }
        let workflow = [("id", NO_WORKFLOW)];
        for path in [
            "/api/v1/workflows/{id}",
            "/api/v1/workflows/{id}/events",
            "/api/v1/workflows/{id}/why-not",
            "/api/v1/coordination/workflows/{id}",
        ] {
            self.rest("GET", path, &workflow, Value::Null, None);
        }
        self.rest("GET", "/api/v1/audit/{chain}", &[("chain", "control")], Value::Null, None);
        for path in ["deployment", "statefulset", "daemonset"] {
            let path = format!("/api/v1/detect/{path}/{{namespace}}/{{name}}");
            self.rest("GET", &path, &[("namespace", namespace), ("name", "mcp-scale")], Value::Null, None);
        }
        self.rest("POST", "/api/v1/detect/cache/clear", &[], Value::Null, None);
        self.command("tools", &[], None);
        self.command("workflow list", &[], None);
        for leaf in ["workflow show", "workflow watch", "workflow why-not"] {
            self.command(leaf, &[NO_WORKFLOW], None);
        }
        self.command("workflow resolve", &[NO_WORKFLOW, "--outcome", "failed", "--note", "looked at"], None);
        self.command("incident list", &[], None);
        for leaf in ["incident show", "incident report"] {
            self.command(leaf, &[incident], None);
        }
        let about = format!("Deployment/{namespace}/mcp-scale");
        let create = ["Slow again", "--description", "seen", "--severity", "low", "--about", about.as_str()];
        self.command("incident create", &create, None);
        self.command("policy show", &[], None);
        let test = [
            "--namespace",
            namespace,
            "--kind",
            "Deployment",
            "--name",
            "mcp-scale",
            "--issue",
            "image_pull",
        ];
        self.command("policy test", &test, None);
    }
}
