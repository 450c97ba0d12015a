//! Incidents and workflows over MCP: what is handed to the coordination, what a model reads of its answers, how long a
//! call waits, and who may do what.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use aiops::{config, mcp::tools::TOOLS};
use aiops_engine::{
    coordination::{Coordination, Decision, WorkloadName},
    issue::Severity,
    model::{
        action::{Action, Resources},
        caller::{Caller, Via},
        incident::IncidentStatus,
        phase::Phase,
        target::Target,
    },
};
use parking_lot::Mutex;
use rmcp::{
    ClientHandler, RoleClient,
    model::{
        CallToolRequest, ClientRequest, NumberOrString, ProgressNotificationParam, ProgressToken,
        RequestMetaObject,
    },
    service::{NotificationContext, PeerRequestOptions, RunningService},
};
use serde_json::{Value, json};

use super::{
    fake::{Ask, DIGEST, Fake, INCIDENT, WORKFLOW, incident, workflow},
    world::{World, call, text, until},
};

/// A world with this coordination and every toolset.
pub(super) fn world(fake: &Arc<Fake>) -> World {
    let mut world = World::new();
    let coordination: Arc<dyn Coordination> = fake.clone();
    world.coordination = Some(coordination);
    world.settings.toolsets.push(config::Toolset::Actions);
    world
}

pub(super) type Client = RunningService<RoleClient, ()>;

pub(super) async fn client(world: &World) -> Client {
    world.legacy(&world.server(), ()).await
}

/// What a tool answers, when it does.
pub(super) async fn answer(client: &Client, tool: &str, arguments: Value) -> Value {
    let result = client.call_tool(call(tool, arguments)).await.unwrap();
    assert_eq!(result.is_error, Some(false), "{tool}: {}", text(&result));
    let structured = result.structured_content.clone().unwrap();
    assert_eq!(serde_json::from_str::<Value>(&text(&result)).unwrap(), structured);
    structured
}

/// What it says when it does not.
pub(super) async fn refusal(client: &Client, tool: &str, arguments: Value) -> String {
    let result = client.call_tool(call(tool, arguments)).await.unwrap();
    assert_eq!(result.is_error, Some(true), "{tool}: {}", text(&result));
    text(&result)
}

pub(super) fn ada() -> Caller {
    Caller::identified("ada", Vec::new(), Via::Mcp)
}

fn trouble() -> Value {
    json!({"namespace": "shop", "resource_kind": "Deployment", "resource_name": "web", "issue_type": "image_pull"})
}

fn with(mut arguments: Value, more: Value) -> Value {
    arguments.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    arguments
}

pub(super) fn tokens(text: &str) -> usize {
    tiktoken_rs::o200k_base().unwrap().encode_ordinary(text).len()
}

#[tokio::test]
async fn tools_are_offered_where_they_can_be_answered_and_hidden_where_nothing_may_be_changed() {
    let names = |world: &World| -> BTreeSet<String> {
        world.server().tools().iter().map(|tool| tool.name.to_string()).collect()
    };
    let of = |wanted: &dyn Fn(&dyn aiops::mcp::tool::AnyTool) -> bool| -> BTreeSet<String> {
        let here = TOOLS.iter().filter(|tool| wanted(**tool) && !tool.is_membered());
        here.map(|tool| tool.meta().name.to_owned()).collect()
    };
    let fake = Arc::new(Fake::default());
    let mut full = world(&fake);
    assert_eq!(names(&full), of(&|_| true));
    full.settings.read_only = true;
    assert_eq!(names(&full), of(&|tool| tool.meta().hints.read_only));
    full.settings = config::Mcp::default();
    assert_eq!(names(&full), of(&|tool| tool.meta().toolset != aiops::mcp::tool::Toolset::Actions));

    let without = World::new();
    assert_eq!(names(&without), of(&|tool| !tool.is_coordinated()));
    let client = client(&without).await;
    let unknown = client.call_tool(call("trigger-remediation", trouble())).await.unwrap_err().to_string();
    assert!(unknown.contains("no coordination engine") && unknown.contains("--mode full"), "{unknown}");
    let resources = client.list_all_resources().await.unwrap();
    assert!(resources.iter().all(|resource| !resource.uri.contains("incident")), "{resources:?}");
    let prompts = client.list_all_prompts().await.unwrap();
    assert!(prompts.iter().all(|prompt| !prompt.name.contains("incident")), "{prompts:?}");
}

#[tokio::test]
async fn a_trigger_takes_the_old_arguments_and_answers_the_old_members() {
    let fake = Arc::new(Fake::with_incident());
    let world = world(&fake);
    let client = client(&world).await;
    let old = with(
        trouble(),
        json!({"incident_id": "PD-7", "severity": "high", "description": "pods wait", "dry_run": true}),
    );
    let dry = answer(&client, "trigger-remediation", old.clone()).await;
    let Ask::Trigger(trigger) = fake.one().what else { panic!("it was triggered") };
    assert_eq!(
        (trigger.kind.as_str(), trigger.name.as_str(), trigger.namespace.as_str()),
        ("Deployment", "web", "shop")
    );
    assert_eq!((trigger.issue.as_str(), trigger.severity), ("image_pull", Some(Severity::High)));
    assert_eq!((trigger.incident.as_deref(), trigger.description.as_str()), (Some("PD-7"), "pods wait"));
    assert!(trigger.dry_run && trigger.action.is_none() && trigger.digest.is_none());
    assert_eq!((&dry["dry_run"], &dry["incident_id"]), (&json!(true), &json!("PD-7")));
    let said = dry["message"].as_str().unwrap();
    assert!(said.starts_with("DRY RUN: Deployment shop/web"), "{said}");
    assert_eq!(dry["plan"]["digest"], DIGEST);
    assert!(dry.get("workflow_id").is_none(), "{dry}");

    let meant = with(old, json!({"dry_run": false, "idempotency_key": "k-1", "digest": DIGEST}));
    let begun = answer(&client, "trigger-remediation", meant).await;
    let Ask::Trigger(trigger) = fake.one().what else { panic!("it was triggered") };
    assert_eq!((trigger.idempotency_key.as_deref(), trigger.digest.as_deref()), (Some("k-1"), Some(DIGEST)));
    for member in
        ["status", "workflow_id", "incident_id", "deployment_method", "estimated_duration", "message"]
    {
        assert!(begun[member].is_string(), "{member}: {begun}");
    }
    assert!(begun.get("dry_run").is_none() && begun.get("steps").is_none(), "{begun}");
    assert!(begun["message"].as_str().unwrap().contains(WORKFLOW), "{begun}");
}

#[tokio::test]
async fn what_is_not_named_is_taken_from_the_incident() {
    let fake = Arc::new(Fake::with_incident());
    let mut nowhere = incident("inc-9", "web", IncidentStatus::Active);
    nowhere.resource = None;
    fake.put_incident(nowhere);
    let world = world(&fake);
    let client = client(&world).await;
    let plan = answer(&client, "plan-remediation", json!({"incident_id": INCIDENT})).await;
    let Ask::Plan(trigger) = fake.one().what else { panic!("it was planned") };
    assert_eq!(
        (trigger.kind.as_str(), trigger.name.as_str(), trigger.namespace.as_str()),
        ("Deployment", "web", "shop")
    );
    assert_eq!((trigger.issue.as_str(), trigger.incident.as_deref()), ("image_pull", Some(INCIDENT)));
    assert_eq!((&plan["digest"], &plan["approval"]), (&json!(DIGEST), &json!("approve")));
    let step = &plan["steps"][0];
    assert_eq!(
        (&step["allowed"], &step["dry_run_accepted"], &step["undo"]),
        (&json!(true), &json!(true), &json!("exact"))
    );
    assert!(step["diff"][0].as_str().unwrap().contains("web:2.0 -> registry.test/web:1.9"), "{step}");
    for (arguments, said) in [
        (json!({}), "\"resource_kind\": is needed: name an incident that is about an object"),
        (json!({"resource_kind": "Node", "resource_name": "n1"}), "\"issue_type\": is needed"),
        (json!({"incident_id": "inc-9"}), "\"resource_kind\": is needed"),
        (json!({"incident_id": "inc-8"}), "incident inc-8 not found"),
        (json!({"incident_id": "PD-7"}), "is no id"),
    ] {
        for tool in ["plan-remediation", "trigger-remediation"] {
            let why = refusal(&client, tool, arguments.clone()).await;
            assert!(why.contains(said), "{tool}: {why}");
        }
    }
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn a_fault_goes_from_question_to_verified_fix_in_three_calls_and_few_tokens() {
    let story = [Phase::Queued, Phase::Running, Phase::Verifying, Phase::Completed];
    for needs_approval in [false, true] {
        let fake = Fake::with_incident().story(&story);
        let fake = Arc::new(if needs_approval { fake.needs_approval() } else { fake });
        let world = world(&fake);
        let client = client(&world).await;
        let mut answers = vec![answer(&client, "list-incidents", json!({"status": "active"})).await];
        let id = answers[0]["incidents"][0]["id"].clone();
        let last = if needs_approval {
            let waits = answer(&client, "trigger-remediation", json!({"incident_id": id, "wait": 60})).await;
            assert_eq!(waits["phase"], "awaiting_approval");
            assert!(waits["steps"][0]["diff"][0].is_string(), "the plan is shown: {waits}");
            let (workflow, digest) = (waits["workflow_id"].clone(), waits["awaiting"]["digest"].clone());
            answers.push(waits);
            let approval = json!({"workflow_id": workflow, "digest": digest, "wait": 60});
            answer(&client, "approve-workflow", approval).await
        } else {
            answers.push(answer(&client, "plan-remediation", json!({"incident_id": id})).await);
            let digest = answers[1]["digest"].clone();
            let order = json!({"incident_id": id, "digest": digest, "wait": 60});
            answer(&client, "trigger-remediation", order).await
        };
        assert_eq!((&last["phase"], &last["status"]), (&json!("completed"), &json!("completed")), "{last}");
        assert_eq!(last["message"], "Verified: the target was seen healthy.");
        assert_eq!(last["checks"][0]["status"], "passed");
        assert!(last["steps"][0]["result"].as_str().unwrap().contains("3 of 3 ready"), "{last}");
        answers.push(last);
        assert_eq!(answers.len(), 3);
        let counts: Vec<usize> = answers.iter().map(|answer| tokens(&answer.to_string())).collect();
        println!("approval {needs_approval}: {counts:?} tokens");
        assert!(counts.iter().sum::<usize>() <= 1_500, "{counts:?}");
    }
}

#[tokio::test]
async fn a_call_waits_until_a_person_is_needed_or_its_time_is_over() {
    let fake = Arc::new(Fake::with_incident().story(&[Phase::Running, Phase::NeedsOperator]));
    let world = world(&fake);
    let client = client(&world).await;
    let parked = answer(&client, "trigger-remediation", with(trouble(), json!({"wait": 60}))).await;
    assert_eq!((&parked["phase"], &parked["needs_operator"]), (&json!("needs_operator"), &json!(true)));
    assert_eq!(parked["reason"], "somebody else changed the template meanwhile");

    // One that goes on: the time ends the waiting and not the workflow.
    fake.advance(Phase::Running);
    let began = tokio::time::Instant::now();
    let running = answer(&client, "get-workflow", json!({"workflow_id": WORKFLOW, "wait": 1})).await;
    assert!(began.elapsed() >= Duration::from_secs(1) && began.elapsed() < Duration::from_secs(8));
    assert_eq!((&running["phase"], &running["status"]), (&json!("running"), &json!("in_progress")));

    // One that rests is waited for until it moves.
    fake.advance(Phase::AwaitingApproval);
    let (moved, ()) =
        tokio::join!(answer(&client, "get-workflow", json!({"workflow_id": WORKFLOW, "wait": 30})), async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            fake.advance(Phase::Rejected);
        });
    assert_eq!(moved["phase"], "rejected");
    fake.advance(Phase::Completed);
    let done = answer(&client, "get-workflow", json!({"workflow_id": WORKFLOW})).await;
    assert_eq!(done["decision"], "approved by bob over rest");
    let why = refusal(&client, "get-workflow", json!({"workflow_id": WORKFLOW, "wait": 301})).await;
    assert!(why.contains("between 0 and 300"), "{why}");
}

/// Notes every progress report.
#[derive(Clone, Default)]
struct Watching(Arc<Mutex<Vec<Report>>>);

/// Its number and its words.
type Report = (f64, Option<String>);

impl ClientHandler for Watching {
    async fn on_progress(&self, report: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        self.0.lock().push((report.progress, report.message));
    }
}

#[tokio::test]
async fn who_waits_is_told_of_progress_and_going_away_cancels_no_workflow() {
    let fake = Arc::new(Fake::with_incident());
    let world = world(&fake);
    let watching = Watching::default();
    let client = world.legacy(&world.server(), watching.clone()).await;
    let mut asked = call("trigger-remediation", with(trouble(), json!({"wait": 60})));
    asked.meta = Some(RequestMetaObject::with_progress_token(ProgressToken(NumberOrString::Number(7))));
    let request = ClientRequest::CallToolRequest(CallToolRequest::new(asked));
    let handle = client.send_cancellable_request(request, PeerRequestOptions::default()).await.unwrap();
    until("the first report", || !watching.0.lock().is_empty()).await;
    fake.advance(Phase::Running);
    until("the second report", || watching.0.lock().len() == 2).await;
    let reports = watching.0.lock().clone();
    assert_eq!(reports[0], (1.0, Some("planning".to_owned())));
    let (number, said) = reports[1].clone();
    assert_eq!(number, 2.0);
    assert!(said.unwrap().starts_with("running, 0 of 1 steps taken: Set the pod template"), "{reports:?}");
    handle.cancel(Some("the user went home".to_owned())).await.unwrap();
    let metrics = || world.metrics.render();
    until("the call was counted", || {
        metrics().contains("tool=\"trigger-remediation\",outcome=\"cancelled\"")
    })
    .await;
    let asked = fake.asked();
    assert!(matches!(asked.as_slice(), [one] if matches!(one.what, Ask::Trigger(_))), "{asked:?}");
}

#[tokio::test]
async fn waiting_calls_hold_up_no_other() {
    let fake = Arc::new(Fake::with_incident());
    let mut world = world(&fake);
    world.settings.max_concurrent_calls = 1;
    fake.put_workflow(workflow(WORKFLOW, Phase::Running));
    let client = client(&world).await;
    let wait = || client.call_tool(call("get-workflow", json!({"workflow_id": WORKFLOW, "wait": 30})));
    let others = async {
        answer(&client, "get-cluster-health", json!({})).await;
        answer(&client, "get-workflow", json!({"workflow_id": WORKFLOW})).await;
        fake.advance(Phase::Completed);
    };
    let (one, two, ()) = tokio::join!(wait(), wait(), others);
    for waited in [one, two] {
        assert_eq!(waited.unwrap().structured_content.unwrap()["phase"], "completed");
    }
}

#[tokio::test]
async fn a_plan_is_approved_denied_and_cancelled_as_it_is_said() {
    for (approve, phase) in [(true, "queued"), (false, "rejected")] {
        let fake = Arc::new(Fake::with_incident());
        fake.put_workflow(workflow(WORKFLOW, Phase::AwaitingApproval));
        let world = world(&fake);
        let client = client(&world).await;
        let waits = answer(&client, "get-workflow", json!({"workflow_id": WORKFLOW})).await;
        assert_eq!(waits["awaiting"]["digest"], DIGEST);
        let forged = json!({"workflow_id": WORKFLOW, "digest": "0".repeat(64)});
        assert!(refusal(&client, "approve-workflow", forged).await.contains("another plan"));
        fake.asked();
        let decision =
            json!({"workflow_id": WORKFLOW, "digest": DIGEST, "approve": approve, "reason": "seen"});
        let decided = answer(&client, "approve-workflow", decision).await;
        assert_eq!(decided["phase"], phase);
        let asked = fake.one();
        let decision = Decision {
            digest: DIGEST.to_owned(),
            approve,
            reason: Some("seen".to_owned()),
            by_elicitation: false,
        };
        assert_eq!((asked.caller, asked.what), (ada(), Ask::Decide(WORKFLOW.to_owned(), decision)));
        let stopped =
            answer(&client, "cancel-workflow", json!({"workflow_id": WORKFLOW, "reason": "no need"})).await;
        assert_eq!(stopped["phase"], "cancelled");
        assert_eq!(fake.one().what, Ask::Cancel(WORKFLOW.to_owned(), Some("no need".to_owned())));
    }
}

#[tokio::test]
async fn each_action_is_a_workflow_of_that_one_action() {
    let fake = Arc::new(Fake::default());
    let world = world(&fake);
    let client = client(&world).await;
    let web = Target::known("Deployment", "shop", "web");
    let node = Target::known("Node", "", "n1");
    let named = json!({"namespace": "shop", "kind": "Deployment", "name": "web"});
    let cases = [
        ("restart-workload", named.clone(), Action::RestartWorkload { target: web.clone() }),
        (
            "scale-workload",
            with(named.clone(), json!({"replicas": 5})),
            Action::ScaleWorkload { target: web.clone(), replicas: 5 },
        ),
        (
            "rollback-workload",
            with(named.clone(), json!({"revision": 6})),
            Action::RollbackWorkload { target: web.clone(), revision: 6, source: String::new() },
        ),
        (
            "set-resources",
            with(named.clone(), json!({"container": "app", "memory_limit": "512Mi"})),
            Action::SetResources {
                target: web,
                container: "app".to_owned(),
                resources: Resources { memory_limit: Some("512Mi".to_owned()), ..Resources::default() },
            },
        ),
        (
            "evict-pod",
            json!({"namespace": "shop", "name": "web-1"}),
            Action::EvictPod { target: Target::known("Pod", "shop", "web-1") },
        ),
        ("cordon-node", json!({"name": "n1"}), Action::CordonNode { target: node.clone() }),
        ("uncordon-node", json!({"name": "n1"}), Action::UncordonNode { target: node }),
        (
            "sync-application",
            json!({"namespace": "argocd", "name": "shop"}),
            Action::SyncApplication { target: Target::known("Application", "argocd", "shop") },
        ),
        (
            "rollback-application",
            json!({"namespace": "argocd", "name": "shop", "history": 3}),
            Action::RollbackApplication {
                target: Target::known("Application", "argocd", "shop"),
                history: 3,
            },
        ),
        (
            "delete-pod",
            json!({"namespace": "shop", "name": "load-1"}),
            Action::DeletePod { target: Target::known("Pod", "shop", "load-1") },
        ),
        (
            "nudge-operator",
            json!({"kind": "Etcd", "group": "operator.openshift.io", "name": "cluster"}),
            Action::NudgeOperator { target: Target::new("operator.openshift.io", "Etcd", "", "cluster") },
        ),
        (
            "await-pool",
            json!({"name": "worker"}),
            Action::AwaitPool { target: Target::known("MachineConfigPool", "", "worker") },
        ),
    ];
    for (tool, arguments, action) in cases {
        let more = json!({"dry_run": true, "reason": "asked for", "idempotency_key": "k"});
        let dry = answer(&client, tool, with(arguments.clone(), more)).await;
        assert_eq!(dry["dry_run"], true, "{tool}");
        let Ask::Trigger(trigger) = fake.one().what else { panic!("{tool}") };
        let target = action.target();
        assert_eq!(
            (&trigger.kind, &trigger.name, &trigger.namespace),
            (&target.kind, &target.name, &target.namespace)
        );
        assert_eq!(trigger.action.as_ref(), Some(&action), "{tool}");
        assert!(trigger.dry_run && trigger.issue.is_empty(), "{tool}");
        assert_eq!(
            (trigger.description.as_str(), trigger.idempotency_key.as_deref()),
            ("asked for", Some("k"))
        );
        let meant = answer(&client, tool, arguments).await;
        assert_eq!(meant["workflow_id"], WORKFLOW, "{tool}");
        let Ask::Trigger(trigger) = fake.one().what else { panic!("{tool}") };
        assert!(!trigger.dry_run, "{tool}");
    }
    let dry =
        answer(&client, "drain-node", json!({"name": "n1", "dry_run": true, "reason": "asked for"})).await;
    assert_eq!(dry["dry_run"], true);
    let Ask::Trigger(trigger) = fake.one().what else { panic!("drain-node") };
    assert_eq!(
        (trigger.kind.as_str(), trigger.name.as_str(), trigger.issue.as_str()),
        ("Node", "n1", "node_drain")
    );
    assert!(trigger.dry_run && trigger.action.is_none(), "a drain is a remedy of many steps");
    answer(&client, "rollback-release", with(named.clone(), json!({"dry_run": true}))).await;
    let Ask::Trigger(trigger) = fake.one().what else { panic!("rollback-release") };
    assert_eq!(
        (trigger.kind.as_str(), trigger.namespace.as_str(), trigger.name.as_str(), trigger.issue.as_str()),
        ("Deployment", "shop", "web", "release_rollback")
    );
    assert!(trigger.action.is_none(), "a release goes back by many steps");
    let why = refusal(&client, "set-resources", with(named.clone(), json!({"container": "app"}))).await;
    assert!(why.contains("at least one of cpu_request"), "{why}");
    let why =
        refusal(&client, "restart-workload", json!({"namespace": "shop", "kind": "Secret", "name": "x"}))
            .await;
    assert!(why.contains("must be one of Deployment, StatefulSet, DaemonSet"), "{why}");
    assert_eq!(fake.asked(), []);
}

#[tokio::test]
async fn a_deployment_method_is_told_with_its_evidence() {
    let fake = Arc::new(Fake::default());
    let world = world(&fake);
    let client = client(&world).await;
    let named = json!({"namespace": "shop", "kind": "Deployment", "name": "web"});
    let found = answer(&client, "detect-deployment-method", named).await;
    let name =
        WorkloadName { kind: "Deployment".to_owned(), namespace: "shop".to_owned(), name: "web".to_owned() };
    assert_eq!(fake.one().what, Ask::Method(name));
    assert_eq!((&found["method"], &found["confidence"]), (&json!("manual"), &json!(0.6)));
    assert_eq!(found["source"], "managedFields:kubectl-client-side-apply");
}

#[tokio::test]
async fn every_answer_fits_its_schema_and_nothing_of_ours_is_taken_for_a_credential() {
    let fake = Arc::new(Fake::with_incident().story(&[Phase::Running, Phase::Completed]));
    fake.put_workflow(workflow(WORKFLOW, Phase::AwaitingApproval));
    let world = world(&fake);
    let client = client(&world).await;
    let args: Value = serde_json::from_str(include_str!("../../clients/tool_args.json")).unwrap();
    let mut called = 0;
    for tool in world.server().tools() {
        if !TOOLS.iter().any(|known| known.meta().name == tool.name && known.is_coordinated()) {
            continue;
        }
        called += 1;
        fake.put_workflow(workflow(WORKFLOW, Phase::AwaitingApproval));
        let found = answer(&client, &tool.name, args["coordinated"][tool.name.as_ref()].clone()).await;
        let schema = Value::Object((**tool.output_schema.as_ref().unwrap()).clone());
        let validator = jsonschema::validator_for(&schema).unwrap();
        let errors: Vec<String> = validator.iter_errors(&found).map(|e| e.to_string()).collect();
        assert!(errors.is_empty(), "{}: {errors:?} in {found}", tool.name);
        assert!(!found.to_string().contains("[redacted:"), "{}: {found}", tool.name);
    }
    assert_eq!(called, TOOLS.iter().filter(|tool| tool.is_coordinated()).count());
}
