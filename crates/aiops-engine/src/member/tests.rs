//! Both ends of a member, and the way between them: what is let through, what becomes of it, and what is lost on the way.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    Engine, Error, SharedInventory,
    error::PortErrorKind,
    model::{
        Millis,
        action::{Action, Release, Resources},
        caller::{Caller, Via},
        target::Target,
    },
    ports::{
        Cluster as _, Ids, Timer,
        acting::{Accepted, Acting, Announcement, Mutation, NotDone, NotDoneKind, Verb},
    },
    settings::Settings,
    testing::{FakeCluster, FixedClock},
};

const UID: &str = "5b1a6c1e-0000-4000-8000-000000000001";

#[derive(Default)]
struct Ticks(AtomicI64);

#[async_trait]
impl Timer for Ticks {
    fn ticks(&self) -> Millis {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep_until(&self, _: Millis) {}
}

#[derive(Default)]
struct Counted(AtomicU64);

impl Ids for Counted {
    fn unique(&self) -> String {
        format!("{:04}", self.0.fetch_add(1, Ordering::SeqCst))
    }
}

/// Plays answers, and remembers what was sent.
#[derive(Default)]
struct Hand {
    sent: Mutex<Vec<Mutation>>,
    notes: Mutex<Vec<Announcement>>,
    answers: Mutex<VecDeque<Result<Accepted, NotDone>>>,
}

#[async_trait]
impl Acting for Hand {
    async fn perform(&self, mutation: &Mutation) -> Result<Accepted, NotDone> {
        self.sent.lock().push(mutation.clone());
        let next = self.answers.lock().pop_front();
        next.unwrap_or_else(|| {
            Ok(Accepted { status: 200, audit_id: Some("a-1".to_owned()), ..Accepted::default() })
        })
    }

    async fn announce(&self, note: &Announcement) {
        self.notes.lock().push(note.clone());
    }
}

/// What happens on the way.
#[derive(Debug, Clone, PartialEq)]
enum Way {
    Through,
    /// The answer is lost, and with it the certainty.
    AnswerLost,
    /// No connection.
    Cut,
    /// Another answer comes.
    Instead(Reply),
}

/// A line that passes JSON, as every line does.
struct Wire {
    member: Member,
    caller: Caller,
    ways: Mutex<VecDeque<Way>>,
    calls: Mutex<Vec<(&'static str, bool)>>,
}

fn replied<T: serde::Serialize>(done: Result<T, Error>) -> Reply {
    match done {
        Ok(answer) => {
            let text = serde_json::to_string(&answer).unwrap();
            Reply { structured: serde_json::from_str(&text).unwrap(), ..Reply::default() }
        }
        Err(error) => Reply {
            is_error: true,
            code: Some(error.code().to_owned()),
            text: error.to_string(),
            structured: None,
        },
    }
}

#[async_trait]
impl Line for Wire {
    async fn call(
        &self,
        tool: &'static str,
        arguments: Map<String, Value>,
        _: Duration,
        once: bool,
    ) -> Result<Reply, NotDone> {
        self.calls.lock().push((tool, once));
        let arguments: Value = serde_json::from_str(&Value::Object(arguments).to_string()).unwrap();
        let is_change = tool == PERFORM;
        let way = if is_change { self.ways.lock().pop_front().unwrap_or(Way::Through) } else { Way::Through };
        if way == Way::Cut {
            return Err(NotDone::new(NotDoneKind::NotSent, "no connection"));
        }
        let reply = if is_change {
            replied(self.member.perform(&self.caller, serde_json::from_value(arguments).unwrap()).await)
        } else {
            replied(self.member.observe(&self.caller, serde_json::from_value(arguments).unwrap()).await)
        };
        match way {
            Way::AnswerLost => Err(NotDone::new(NotDoneKind::Unknown, "the connection broke")),
            Way::Instead(other) => Ok(other),
            _ => Ok(reply),
        }
    }

    fn place(&self) -> &str {
        "a test"
    }
}

struct World {
    inventory: SharedInventory,
    cluster: Arc<FakeCluster>,
    hand: Arc<Hand>,
    ticks: Arc<Ticks>,
    wire: Arc<Wire>,
    far: MemberCluster,
}

fn engine() -> Caller {
    Caller::identified("hub", Vec::new(), Via::Mcp)
}

impl World {
    fn new() -> Self {
        Self::with(Settings { granted_to: vec!["hub".to_owned()], ..Settings::default() })
    }

    fn with(settings: Settings) -> Self {
        let inventory = SharedInventory::default();
        inventory.change(|rows| rows.set_info(|info| info.uid = UID.into()));
        let cluster = Arc::new(FakeCluster::new());
        let (hand, ticks) = (Arc::new(Hand::default()), Arc::new(Ticks::default()));
        let clock = Arc::new(FixedClock(Timestamp::from_second(1_790_000_000).unwrap()));
        let member = Member::new(Parts {
            engine: Engine::new(inventory.clone(), Some(Arc::<FakeCluster>::clone(&cluster)), clock),
            acting: Arc::<Hand>::clone(&hand),
            timer: Arc::<Ticks>::clone(&ticks),
            process: "p1".to_owned(),
            settings,
        });
        let wire =
            Arc::new(Wire { member, caller: engine(), ways: Mutex::default(), calls: Mutex::default() });
        let far = MemberCluster::new(Arc::<Wire>::clone(&wire), Arc::new(Counted::default()));
        Self { inventory, cluster, hand, ticks, wire, far }
    }

    fn member(&self) -> &Member {
        &self.wire.member
    }

    async fn asked(&self) -> Perform {
        let asked = Observe { what: What::Moment, ..Observe::default() };
        let seen = self.member().observe(&engine(), asked).await.unwrap();
        Perform::of(&scale(), "r1".to_owned(), seen.moment, UID.to_owned()).unwrap()
    }
}

fn deployment() -> Target {
    Target::known("Deployment", "shop", "web")
}

fn mutation(action: Action, verb: Verb, body: Value) -> Mutation {
    Mutation {
        verb,
        target: action.target().clone().with_uid("u-1"),
        body,
        uid: Some("u-1".to_owned()),
        resource_version: Some("7".to_owned()),
        dry_run: false,
        effect_key: "wf-1/0/do".to_owned(),
        workflow: "wf-1".to_owned(),
        action,
    }
}

fn scale() -> Mutation {
    let body =
        json!({"metadata": {"annotations": {"aiops.io/effect": "wf-1/0/do"}}, "spec": {"replicas": 3}});
    mutation(Action::ScaleWorkload { target: deployment(), replicas: 3 }, Verb::MergePatch, body)
}

#[tokio::test]
async fn a_change_passes_as_it_is_and_comes_back_as_what_became_of_it() {
    let world = World::new();
    let accepted = world.far.perform(&scale()).await.unwrap();
    assert_eq!((accepted.status, accepted.audit_id.as_deref()), (200, Some("a-1")));
    assert_eq!(*world.hand.sent.lock(), [scale()]);
    let kinds = [
        NotDoneKind::Conflict,
        NotDoneKind::NotFound,
        NotDoneKind::Rejected,
        NotDoneKind::Denied,
        NotDoneKind::Blocked,
        NotDoneKind::Throttled,
        NotDoneKind::NotSent,
        NotDoneKind::Unsupported,
        NotDoneKind::Unknown,
    ];
    for kind in kinds {
        let after = Some(Duration::from_millis(1_500));
        let said = NotDone { kind, status: Some(418), why: "because".to_owned(), after };
        world.hand.answers.lock().push_back(Err(said.clone()));
        let told = world.far.perform(&scale()).await.unwrap_err();
        assert_eq!((told.kind, told.status, told.after), (said.kind, said.status, said.after));
        assert!(told.why.ends_with("because"), "{told}");
    }
    // Each was called once, and every call of a change was one that may not be repeated.
    let calls = world.wire.calls.lock().clone();
    let changes = calls.iter().filter(|(tool, _)| *tool == PERFORM);
    assert_eq!(changes.clone().count(), 1 + kinds.len());
    assert!(calls.iter().all(|(tool, once)| (*tool == PERFORM) == *once), "{calls:?}");
    assert_eq!(world.hand.sent.lock().len(), 1 + kinds.len());
}

#[tokio::test]
async fn what_is_lost_on_the_way_is_not_known_and_never_sent_again() {
    let world = World::new();
    world.wire.ways.lock().push_back(Way::AnswerLost);
    assert_eq!(world.far.perform(&scale()).await.unwrap_err().kind, NotDoneKind::Unknown);
    assert_eq!(world.hand.sent.lock().len(), 1);
    world.wire.ways.lock().push_back(Way::Cut);
    assert_eq!(world.far.perform(&scale()).await.unwrap_err().kind, NotDoneKind::NotSent);
    assert_eq!(world.hand.sent.lock().len(), 1);
    let structured = |value: Value| Reply { structured: value.as_object().cloned(), ..Reply::default() };
    let failed = |code: &str| Reply { is_error: true, code: Some(code.to_owned()), ..Reply::default() };
    for (reply, kind) in [
        // Answers that contradict themselves or say nothing are no certainty.
        (Reply::default(), NotDoneKind::Unknown),
        (structured(json!({"outcome": "not_done"})), NotDoneKind::Unknown),
        (structured(json!({"outcome": "done"})), NotDoneKind::Unknown),
        (structured(json!({"outcome": "done", "reason": "conflict", "status": 200})), NotDoneKind::Unknown),
        (structured(json!({"outcome": "perhaps"})), NotDoneKind::Unknown),
        (failed("internal"), NotDoneKind::Unknown),
        (failed("dependency_timeout"), NotDoneKind::Unknown),
        (failed("cancelled"), NotDoneKind::Unknown),
        (failed("a_code_of_tomorrow"), NotDoneKind::Unknown),
        (failed("invalid_request"), NotDoneKind::Rejected),
        (failed("refused_by_guard"), NotDoneKind::Denied),
        (failed("not_in_this_mode"), NotDoneKind::Unsupported),
        (failed("dependency_unavailable"), NotDoneKind::NotSent),
    ] {
        world.wire.ways.lock().push_back(Way::Instead(reply.clone()));
        assert_eq!(world.far.perform(&scale()).await.unwrap_err().kind, kind, "{reply:?}");
    }
}

#[tokio::test]
async fn a_request_is_taken_once_and_only_while_it_is_young() {
    let world = World::new();
    let asked = world.asked().await;
    let performed = world.member().perform(&engine(), asked.clone()).await.unwrap();
    assert_eq!(performed.outcome, Outcome::Done);
    // A proxy, or a network, that says it again.
    let again = world.member().perform(&engine(), asked.clone()).await.unwrap();
    assert_eq!(again.outcome, Outcome::Unknown, "{again:?}");
    let named = |request: &str| Perform { request: request.to_owned(), ..asked.clone() };
    world.ticks.0.store(15_000, Ordering::SeqCst);
    assert_eq!(world.member().perform(&engine(), named("r2")).await.unwrap().outcome, Outcome::Done);
    world.ticks.0.store(15_001, Ordering::SeqCst);
    for late in [
        named("r3"),
        Perform { moment: "p0:15000".to_owned(), ..named("r4") },
        Perform { moment: "p1:99999".to_owned(), ..named("r5") },
        Perform { moment: "now".to_owned(), ..named("r6") },
    ] {
        let performed = world.member().perform(&engine(), late.clone()).await.unwrap();
        assert_eq!(performed.outcome, Outcome::NotDone, "{late:?}");
        assert_eq!(performed.reason, Some(Reason::NotSent), "{late:?}");
    }
    assert_eq!(world.hand.sent.lock().len(), 2);
}

#[tokio::test]
async fn only_who_is_named_is_served() {
    let world = World::with(Settings { granted_to: vec!["group:engines".to_owned()], ..Settings::default() });
    let of_group = Caller::identified("hub-2", vec!["engines".to_owned()], Via::Mcp);
    assert!(world.member().grants(&of_group));
    let named_so = Caller { is_identified: false, ..of_group };
    for stranger in [engine(), Caller::anonymous(Via::Mcp), named_so] {
        assert!(!world.member().grants(&stranger));
        let seen = world.member().observe(&stranger, Observe::default()).await.unwrap_err();
        assert_eq!(seen.code(), "refused_by_guard");
        let asked = Perform::of(&scale(), "r".to_owned(), "p1:0".to_owned(), UID.to_owned()).unwrap();
        assert_eq!(world.member().perform(&stranger, asked).await.unwrap_err().code(), "refused_by_guard");
    }
    // Nobody in particular is nobody.
    let open = World::with(Settings::default());
    assert!(!open.member().grants(&engine()));
    // Over the line: what was not granted was not done.
    assert_eq!(world.far.perform(&scale()).await.unwrap_err().kind, NotDoneKind::Denied);
    assert_eq!(world.far.resources().await.unwrap_err().kind, PortErrorKind::Denied);
    assert!(world.hand.sent.lock().is_empty());
}

#[tokio::test]
async fn a_members_namespaces_kill_switch_and_cluster_hold() {
    let world = World::with(Settings {
        granted_to: vec!["hub".to_owned()],
        namespaces: vec!["edge-*".to_owned()],
        ..Settings::default()
    });
    let refused = world.far.perform(&scale()).await.unwrap_err();
    assert_eq!(refused.kind, NotDoneKind::Denied);
    assert!(refused.why.contains("acting.namespaces"), "{refused}");

    let settings = Settings {
        granted_to: vec!["hub".to_owned()],
        kill_switch: Some(("aiops".to_owned(), "control".to_owned())),
        ..Settings::default()
    };
    for (mode, does, undoes) in
        [("run", true, true), ("pause", false, true), ("stop", false, false), ("halt!", false, false)]
    {
        let world = World::with(settings.clone());
        let map = json!({"metadata": {"namespace": "aiops", "name": "control"}, "data": {"mode": mode}});
        world.cluster.put("configmaps", map);
        let done = world.far.perform(&scale()).await;
        assert_eq!(done.is_ok(), does, "{mode}: {done:?}");
        if let Err(held) = done {
            // Waited for, and no attempt that counts.
            assert_eq!((held.kind, held.status), (NotDoneKind::Throttled, Some(429)), "{mode}");
            assert!(held.after.is_some(), "{mode}");
        }
        let undo = Mutation { effect_key: "wf-1/0/undo".to_owned(), ..scale() };
        assert_eq!(world.far.perform(&undo).await.is_ok(), undoes, "{mode}");
        let dry = Mutation { dry_run: true, ..scale() };
        assert!(world.far.perform(&dry).await.is_ok(), "{mode}: a dry run changes nothing");
    }

    let world = World::new();
    let elsewhere = Perform { cluster: "another".to_owned(), ..world.asked().await };
    let refused = world.member().perform(&engine(), elsewhere).await.unwrap_err();
    assert!(refused.to_string().contains("is the cluster"), "{refused}");
    // One that has just started does not know its cluster yet, which is no refusal.
    world.inventory.change(|rows| rows.set_info(|info| info.uid = "".into()));
    let early = world.far.perform(&scale()).await.unwrap_err();
    assert_eq!((early.kind, early.after.is_some()), (NotDoneKind::NotSent, true), "{early}");
    assert!(world.hand.sent.lock().is_empty());
    world.inventory.change(|rows| rows.set_info(|info| info.uid = UID.into()));
    world.far.perform(&scale()).await.unwrap();
}

#[tokio::test]
async fn a_change_that_its_action_does_not_make_is_refused() {
    let world = World::new();
    let target = deployment;
    let effect = "/metadata/annotations/aiops.io~1effect";
    let secret = || Target::known("Secret", "shop", "web");
    let release = || Release { name: "web".to_owned(), namespace: "shop".to_owned(), from: 2, to: 1 };
    let revert = |target: Target| Action::RevertManifest { target, release: release() };
    let replace = |path: &str| json!([{"op": "replace", "path": path, "value": 1}]);
    let scale_to = |body: Value| {
        mutation(Action::ScaleWorkload { target: target(), replicas: 3 }, Verb::MergePatch, body)
    };
    let resources = || Action::SetResources {
        target: target(),
        container: "web".to_owned(),
        resources: Resources::default(),
    };
    let record = Target::known("Secret", "shop", "sh.helm.release.v1.web.v3");
    let recorded = json!({"apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1",
        "metadata": {"name": record.name, "namespace": "shop", "annotations": {"aiops.io/effect": "k"}}});
    let with_data = {
        let mut body = recorded.clone();
        body["data"] = json!({"release": "eA=="});
        body
    };
    let create = |body: Value| {
        let action = Action::RecordRelease { target: record.clone(), release: release() };
        Mutation { uid: None, resource_version: None, ..mutation(action, Verb::Create, body) }
    };
    let bad = [
        scale_to(json!({"spec": {"replicas": 3, "template": {}}})),
        scale_to(json!({"spec": 3})),
        scale_to(json!({"metadata": {"labels": {"a": "b"}}, "spec": {"replicas": 3}})),
        scale_to(json!({"metadata": {"annotations": {"example.com/x": "y"}}, "spec": {"replicas": 3}})),
        scale_to(json!({"metadata": {"finalizers": []}})),
        scale_to(json!([])),
        Mutation { verb: Verb::Delete, ..scale() },
        Mutation { verb: Verb::JsonPatch, body: replace("/spec/replicas"), ..scale() },
        Mutation { uid: None, ..scale() },
        Mutation { resource_version: Some(String::new()), ..scale() },
        Mutation { effect_key: String::new(), ..scale() },
        mutation(Action::RestartWorkload { target: secret() }, Verb::MergePatch, json!({})),
        mutation(revert(secret()), Verb::JsonPatch, replace("/data/x")),
        mutation(revert(target()), Verb::JsonPatch, replace("/metadata/ownerReferences")),
        mutation(revert(target()), Verb::JsonPatch, replace("/status/replicas")),
        mutation(revert(target()), Verb::JsonPatch, replace("")),
        mutation(revert(target()), Verb::JsonPatch, json!([])),
        mutation(
            revert(target()),
            Verb::JsonPatch,
            json!([{"op": "copy", "from": "/spec", "path": "/spec/x"}]),
        ),
        mutation(resources(), Verb::JsonPatch, replace("/spec/template/spec/containers/0/image")),
        mutation(resources(), Verb::JsonPatch, replace("/spec/template/spec/containers/x/resources")),
        mutation(Action::AwaitPool { target: target() }, Verb::MergePatch, json!({})),
        mutation(Action::EvictPod { target: target() }, Verb::Evict, Value::Null),
        create(with_data),
        create(json!({"type": "Opaque"})),
    ];
    for mutation in bad {
        let refused = world.far.perform(&mutation).await.unwrap_err();
        assert_eq!(refused.kind, NotDoneKind::Rejected, "{mutation:?}: {refused}");
    }
    assert!(world.hand.sent.lock().is_empty());
    let good = [
        scale_to(json!({"metadata": {"annotations": null}, "spec": {"replicas": null}})),
        mutation(revert(target()), Verb::JsonPatch, replace("/spec/replicas")),
        mutation(revert(target()), Verb::JsonPatch, replace("/metadata/labels/app")),
        mutation(
            resources(),
            Verb::JsonPatch,
            json!([{"op": "test", "path": "/spec/template/spec/containers/0/name", "value": "web"},
                {"op": "add", "path": "/spec/template/spec/containers/0/resources", "value": {}},
                {"op": "add", "path": "/metadata/annotations", "value": {}},
                {"op": "add", "path": effect, "value": "k"}]),
        ),
        create(recorded),
    ];
    for mutation in good {
        world.far.perform(&mutation).await.unwrap();
    }
    assert_eq!(world.hand.sent.lock().len(), 5);
}

#[tokio::test]
async fn what_is_seen_is_what_stands_there_and_absence_is_only_said() {
    let world = World::new();
    let web = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "u-1", "resourceVersion": "7",
            "managedFields": [{"manager": "kubectl"}]},
        "spec": {"template": {"spec": {"containers": [{"name": "web",
            "env": [{"name": "PASSWORD", "value": "hunter2-canary"}]}]}}}});
    world.cluster.put("deployments", web.clone());
    let kinds = world.far.resources().await.unwrap();
    assert_eq!(kinds, world.cluster.kinds);
    let kind = kinds.iter().find(|kind| kind.plural == "deployments").unwrap();
    // With its managedFields and with what an undo would have to write back.
    assert_eq!(world.far.get(kind, Some("shop"), "web").await.unwrap(), web);
    let gone = world.far.get(kind, Some("shop"), "gone").await.unwrap_err();
    assert_eq!(gone.kind, PortErrorKind::NotFound);
    let unserved = crate::ports::ApiResource { kind: "Gadget".to_owned(), ..kind.clone() };
    let unserved = world.far.get(&unserved, Some("shop"), "web").await.unwrap_err();
    assert_eq!(
        unserved.kind,
        PortErrorKind::Unsupported,
        "not served is not the same as not there: {unserved}"
    );
    let page = world.far.list(kind, Some("shop"), &crate::ports::ListOptions::default()).await.unwrap();
    assert_eq!(page.items.len(), 1);
    assert!(world.far.may("patch", "apps", "deployments", Some("shop")).await.unwrap());
}

#[tokio::test]
async fn events_about_what_was_done_are_written_there() {
    let world = World::new();
    let note = Announcement {
        about: deployment(),
        reason: "RemediationCompleted",
        message: "workflow wf-1".to_owned(),
        is_warning: false,
        action: "scale".to_owned(),
    };
    world.far.announce(&note).await;
    assert_eq!(*world.hand.notes.lock(), std::slice::from_ref(&note));
    let foreign = Note { reason: "Killing".to_owned(), ..Note::from(&note) };
    assert_eq!(foreign.announcement(), None);
}
