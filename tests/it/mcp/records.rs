//! What is kept, as resources that can be read and listened to, as prompts and as completions.

use std::{sync::Arc, time::Duration};

use aiops_engine::{
    coordination::{Coordination, WorkflowView},
    model::{incident::IncidentStatus, phase::Phase},
};
use parking_lot::Mutex;
use rmcp::{
    ClientHandler, RoleClient,
    model::{
        ArgumentInfo, CompleteRequestParams, GetPromptRequestParams, ReadResourceRequestParams, Reference,
        ResourceContents, ResourceUpdatedNotificationParam, SubscribeRequestParams,
    },
    service::{NotificationContext, RunningService},
};
use serde_json::{Value, json};

use super::{
    fake::{Fake, INCIDENT, WORKFLOW, incident, workflow},
    world::{World, until},
};

fn world(fake: &Arc<Fake>) -> World {
    let mut world = World::new();
    let coordination: Arc<dyn Coordination> = fake.clone();
    world.coordination = Some(coordination);
    world
}

async fn read<C: ClientHandler>(client: &RunningService<RoleClient, C>, uri: &str) -> Value {
    let result = client.read_resource(ReadResourceRequestParams::new(uri)).await.unwrap();
    let [ResourceContents::TextResourceContents { text, .. }] = result.contents.as_slice() else {
        panic!("{:?}", result.contents)
    };
    assert!(!text.contains("[redacted:"), "{text}");
    serde_json::from_str(text).unwrap()
}

fn ended(id: &str, phase: Phase, seconds: u32) -> WorkflowView {
    WorkflowView {
        completed_at: Some(format!("2026-11-24T10:00:{:02}Z", seconds + 1)),
        ..workflow(id, phase)
    }
}

#[tokio::test]
async fn incidents_are_a_resource_with_the_old_members() {
    let fake = Arc::new(Fake::with_incident());
    fake.put_incident(incident("inc-2", "cart", IncidentStatus::Failed));
    fake.put_incident(incident("inc-3", "done", IncidentStatus::Resolved));
    fake.put_incident(incident("inc-4", "in-hand", IncidentStatus::Remediating));
    let world = world(&fake);
    let client = world.legacy(&world.server(), ()).await;
    let uris: Vec<String> = client.list_all_resources().await.unwrap().into_iter().map(|r| r.uri).collect();
    assert!(uris.contains(&"cluster://incidents".to_owned()), "{uris:?}");
    assert!(uris.contains(&"cluster://remediation-history".to_owned()), "{uris:?}");
    assert_eq!(client.list_all_resource_templates().await.unwrap().len(), 5);
    let open = read(&client, "cluster://incidents").await;
    assert_eq!((&open["active_incidents"], &open["total_incidents"]), (&json!(3), &json!(3)));
    assert_eq!(open["summary"], json!({"critical": 0, "high": 3, "medium": 0, "low": 0}));
    assert_eq!(open["timestamp"], "2026-11-24T10:00:00Z");
    let in_hand = &open["incidents"][0];
    assert_eq!((&in_hand["id"], &in_hand["remediation_state"]), (&json!("inc-4"), &json!("in_progress")));
    let first = &open["incidents"][2];
    assert_eq!((&first["id"], &first["type"]), (&json!(INCIDENT), &json!("image_pull")));
    assert_eq!((&first["status"], &first["remediation_state"]), (&json!("pending"), &json!("pending")));
    assert_eq!(
        (&first["affected_resource"], &first["namespace"]),
        (&json!("Deployment/web"), &json!("shop"))
    );
    assert_eq!(open["incidents"][1]["remediation_state"], "failed");
    let one = read(&client, &format!("cluster://incidents/{INCIDENT}")).await;
    assert_eq!((&one["id"], &one["status"]), (&json!(INCIDENT), &json!("active")));
    let none = client.read_resource(ReadResourceRequestParams::new("cluster://incidents/inc-9")).await;
    assert!(none.unwrap_err().to_string().contains("incident inc-9 not found"));
    for uri in ["cluster://incidents/wf-1", "cluster://workflows/..%2f", "cluster://workflow/wf-1"] {
        assert!(client.read_resource(ReadResourceRequestParams::new(uri)).await.is_err(), "{uri}");
    }
}

#[tokio::test]
async fn the_history_counts_what_acted_and_invents_nothing() {
    let fake = Arc::new(Fake::default());
    let world = world(&fake);
    let client = world.legacy(&world.server(), ()).await;
    let empty = read(&client, "cluster://remediation-history").await;
    assert_eq!(empty["summary"]["total_actions"], 0);
    assert!(empty["summary"]["success_rate_percent"].is_null(), "{empty}");
    assert!(empty["summary"]["average_duration_seconds"].is_null(), "{empty}");
    for (n, phase) in [(1, Phase::Completed), (2, Phase::Completed), (3, Phase::RolledBack)] {
        fake.put_workflow(ended(&format!("wf-{n}"), phase, 10 * n));
    }
    fake.put_workflow(workflow("wf-4", Phase::Running));
    fake.put_workflow(WorkflowView { started_at: None, ..workflow("wf-5", Phase::Refused) });
    // The first client may keep what it read for a second.
    let client = world.legacy(&world.server(), ()).await;
    let history = read(&client, "cluster://remediation-history").await;
    let summary = &history["summary"];
    assert_eq!(
        (&summary["total_actions"], &summary["completed"], &summary["failed"]),
        (&json!(3), &json!(2), &json!(1))
    );
    assert_eq!(
        (&summary["success_rate_percent"], &summary["average_duration_seconds"]),
        (&json!(66.7), &json!(20.0))
    );
    assert_eq!(summary["most_common_action"], "rollback-workload");
    assert!(summary["most_successful_action"].is_null(), "three runs say nothing of it");
    assert_eq!(history["top_actions"][0]["total_executions"], 3);
    assert_eq!(history["patterns"][0]["success_rate_percent"], 66.7);
    assert_eq!(history["recent_actions"].as_array().unwrap().len(), 3);
    assert_eq!(history["recent_actions"][0]["success"], false);
    assert_eq!(history["message"], "3 of the newest 5 workflows acted and are over; 5 there are in all");
}

#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<String>>>);

impl Told {
    fn times(&self, uri: &str) -> usize {
        self.0.lock().iter().filter(|told| *told == uri).count()
    }
}

impl ClientHandler for Told {
    async fn on_resource_updated(
        &self,
        told: ResourceUpdatedNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.0.lock().push(told.uri);
    }
}

#[tokio::test]
#[expect(deprecated, reason = "resources/subscribe is what 2025-11-25 has")]
async fn who_listens_hears_of_records_that_changed_and_of_no_others() {
    let fake = Arc::new(Fake::with_incident());
    fake.put_workflow(workflow(WORKFLOW, Phase::Queued));
    let world = world(&fake);
    let told = Told::default();
    let client = world.legacy(&world.server(), told.clone()).await;
    let (one, all, flow) = (
        format!("cluster://incidents/{INCIDENT}"),
        "cluster://incidents".to_owned(),
        format!("cluster://workflows/{WORKFLOW}"),
    );
    for uri in [&one, &all, &flow, &"cluster://health".to_owned()] {
        client.subscribe(SubscribeRequestParams::new(uri.clone())).await.unwrap();
    }
    fake.advance(Phase::Running);
    // The incident tells of its workflows, the list of incidents does not.
    until("the workflow and its incident are announced", || told.times(&flow) == 1 && told.times(&one) == 1)
        .await;
    assert_eq!(told.times(&all), 0);
    // Seen once more is no news; a new incident is.
    let mut again = incident(INCIDENT, "web", IncidentStatus::Active);
    again.occurrences += 1;
    again.last_seen = "2026-11-24T10:03:00Z".to_owned();
    fake.put_incident(again);
    fake.put_incident(incident("inc-2", "cart", IncidentStatus::Active));
    until("the list is announced", || told.times(&all) == 1).await;
    assert_eq!((told.times(&one), told.times(&flow), told.times("cluster://health")), (1, 1, 0));
    // A change of the cluster makes nobody read the store.
    fake.asked();
    world.put_pod("web-1", "Failed");
    until("health is announced", || told.times("cluster://health") == 1).await;
    assert_eq!(fake.asked(), []);
    tokio::time::timeout(Duration::from_secs(5), client.cancel()).await.unwrap().unwrap();
}

#[tokio::test]
async fn ids_are_completed_and_prompts_walk_an_incident_to_its_end() {
    let fake = Arc::new(Fake::with_incident());
    fake.put_workflow(workflow(WORKFLOW, Phase::Running));
    let mut world = world(&fake);
    world.settings.tool_prefix = "k8s_".to_owned();
    let client = world.legacy(&world.server(), ()).await;
    for (reference, argument, typed, offered) in [
        (Reference::for_resource("cluster://incidents/{id}"), "id", "inc", INCIDENT),
        (Reference::for_resource("cluster://workflows/{id}"), "id", "01k3", WORKFLOW),
        (Reference::for_prompt("remediate-incident"), "incident_id", "", INCIDENT),
        (Reference::for_prompt("correlate-incidents"), "severity", "crit", "critical"),
    ] {
        let info = ArgumentInfo::new(argument, typed);
        let found = client.complete(CompleteRequestParams::new(reference, info)).await.unwrap();
        assert_eq!(found.completion.values, [offered], "{argument}");
    }
    let text = async |name: &str, arguments: Value| {
        let mut request = GetPromptRequestParams::new(name);
        request.arguments = arguments.as_object().cloned();
        let result = client.get_prompt(request).await.map_err(|error| error.to_string())?;
        let texts = result.messages.iter().filter_map(|message| message.content.as_text());
        Ok::<String, String>(texts.map(|block| block.text.clone()).collect())
    };
    let walk = text("remediate-incident", json!({"incident_id": INCIDENT})).await.unwrap();
    let order = [
        "k8s_get-incident",
        "k8s_plan-remediation",
        "k8s_trigger-remediation",
        "k8s_approve-workflow",
        "k8s_get-workflow",
    ];
    let places: Vec<usize> =
        order.iter().map(|tool| walk.find(tool).unwrap_or_else(|| panic!("{tool}: {walk}"))).collect();
    assert!(places.is_sorted(), "{walk}");
    assert!(walk.contains(&format!("{INCIDENT:?}")), "{walk}");
    assert!(text("remediate-incident", json!({})).await.unwrap().contains("k8s_list-incidents"));
    let correlate =
        text("correlate-incidents", json!({"time_window": "6h", "severity": "high"})).await.unwrap();
    assert!(
        correlate.contains("the last \"6h\"") && correlate.contains("k8s_create-incident"),
        "{correlate}"
    );
    let wrong = text("correlate-incidents", json!({"severity": "fatal"})).await.unwrap_err();
    assert!(wrong.contains("must be one of all, critical, high, medium, low"), "{wrong}");
    // Nothing that writes is named where nothing may be written.
    world.settings.read_only = true;
    let reader = world.legacy(&world.server(), ()).await;
    let listed = reader.get_prompt(GetPromptRequestParams::new("remediate-incident")).await.unwrap();
    assert!(!format!("{listed:?}").contains("trigger-remediation"), "{listed:?}");
}
