//! Changes: what is sent, that it is sent once, and what each answer means.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use aiops::cluster::Rate;
use aiops_engine::{
    model::{action::Action, target::Target},
    ports::acting::{Acting, Announcement, Mutation, NotDone, NotDoneKind, Verb},
};
use aiops_inventory::inventory::Connection;
use serde_json::{Value, json};

use super::stub::{Change, Room, Stub, Verdict};

/// Nothing waits for its turn.
const FAST: Rate = Rate { per_second: 1_000, burst: 1_000 };

async fn connected(stub: &Stub, rate: Rate) -> (Room, Arc<dyn Acting>) {
    let (room, acting) = Room::acting_on(stub, rate);
    room.until(Duration::from_secs(5), "connected", |rows| {
        rows.info().connection == Connection::Up && rows.info().is_openshift.is_some()
    })
    .await;
    (room, acting)
}

fn pod() -> Target {
    Target::known("Pod", "shop", "web-1").with_uid("u-1")
}

fn mutation(verb: Verb) -> Mutation {
    let body = match verb {
        Verb::MergePatch => json!({"metadata": {"annotations": {"aiops.io/effect": "k"}}, "spec": {"x": 1}}),
        Verb::JsonPatch => json!([{"op": "test", "path": "/spec/x", "value": 1}]),
        Verb::Create => json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"}}),
        Verb::Evict | Verb::Delete => Value::Null,
    };
    Mutation {
        verb,
        target: pod(),
        body,
        uid: Some("u-1".to_owned()),
        resource_version: (verb != Verb::Evict).then(|| "42".to_owned()),
        dry_run: false,
        effect_key: "wf-1/0/do".to_owned(),
        workflow: "wf-1".to_owned(),
        action: Action::EvictPod { target: pod() },
    }
}

fn say(stub: &Stub, code: u16, headers: Vec<(&'static str, &'static str)>, body: impl ToString) {
    stub.story.lock().verdict = Verdict::Say(code, headers, body.to_string());
}

fn changes(stub: &Stub) -> Vec<Change> {
    std::mem::take(&mut stub.story.lock().changes)
}

fn status(code: u16, message: &str, causes: Value) -> Value {
    json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
        "details": {"causes": causes}})
}

fn object() -> Value {
    json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "web-1", "resourceVersion": "43"}})
}

#[tokio::test]
async fn each_form_of_change_is_written_as_the_api_wants_it() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, FAST).await;
    say(&stub, 200, vec![], object());
    let path = "/api/v1/namespaces/shop/pods/web-1";
    let strict = "?fieldManager=aiops&fieldValidation=Strict";
    let preconditions = json!({"uid": "u-1", "resourceVersion": "42"});
    for (verb, method, uri, content, body) in [
        (
            Verb::MergePatch,
            "PATCH",
            format!("{path}{strict}"),
            "application/merge-patch+json",
            json!({"metadata": {"annotations": {"aiops.io/effect": "k"}, "uid": "u-1", "resourceVersion": "42"},
                "spec": {"x": 1}}),
        ),
        (
            Verb::JsonPatch,
            "PATCH",
            format!("{path}{strict}"),
            "application/json-patch+json",
            json!([
                {"op": "replace", "path": "/metadata/uid", "value": "u-1"},
                {"op": "replace", "path": "/metadata/resourceVersion", "value": "42"},
                {"op": "test", "path": "/spec/x", "value": 1},
            ]),
        ),
        (
            Verb::Create,
            "POST",
            format!("/api/v1/namespaces/shop/pods{strict}"),
            "application/json",
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-1"}}),
        ),
        (
            Verb::Evict,
            "POST",
            format!("{path}/eviction{strict}"),
            "application/json",
            json!({"apiVersion": "policy/v1", "kind": "Eviction",
                "metadata": {"name": "web-1", "namespace": "shop"},
                "deleteOptions": {"preconditions": {"uid": "u-1"}}}),
        ),
        (
            Verb::Delete,
            "DELETE",
            path.to_owned(),
            "application/json",
            json!({"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions, "dryRun": []}),
        ),
    ] {
        let accepted = acting.perform(&mutation(verb)).await.unwrap();
        assert_eq!(accepted.object.unwrap()["metadata"]["resourceVersion"], "43");
        let sent = changes(&stub);
        let [sent] = sent.as_slice() else { panic!("{verb:?}: {sent:?}") };
        assert_eq!((sent.method.as_str(), &sent.uri), (method, &uri), "{verb:?}");
        assert_eq!((sent.content.as_str(), &sent.body), (content, &body), "{verb:?}");
        assert_eq!(sent.agent, concat!("aiops/", env!("CARGO_PKG_VERSION"), " wf/wf-1"), "{verb:?}");
    }
}

#[tokio::test]
async fn a_dry_run_says_so_in_every_form() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, FAST).await;
    say(&stub, 200, vec![], object());
    for verb in [Verb::MergePatch, Verb::JsonPatch, Verb::Create, Verb::Evict, Verb::Delete] {
        acting.perform(&Mutation { dry_run: true, ..mutation(verb) }).await.unwrap();
        let sent = changes(&stub);
        let [sent] = sent.as_slice() else { panic!("{verb:?}: {sent:?}") };
        assert!(sent.uri.contains("dryRun=All"), "{verb:?}: {}", sent.uri);
        // The API server reads no query beside the options of a deletion.
        assert!(verb != Verb::Delete || sent.body["dryRun"] == json!(["All"]), "{}", sent.body);
    }
}

#[tokio::test]
async fn each_answer_has_its_kind_and_costs_one_request() {
    use NotDoneKind::{Blocked, Conflict, Denied, NotFound, Rejected, Throttled, Unknown};
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, FAST).await;
    let none = json!([]);
    let budget = json!([{"reason": "DisruptionBudget", "message": "needs 3 healthy pods"}]);
    let invalid = json!([{"reason": "FieldValueInvalid", "field": "spec"}]);
    let two =
        "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
    let full = "Cannot evict pod as it would violate the pod's disruption budget.";
    let (patch, json_patch, evict) = (Verb::MergePatch, Verb::JsonPatch, Verb::Evict);
    let text = |text: &str| Value::String(text.to_owned());
    for (verb, code, body, kind) in [
        (patch, 409, status(409, "the object has been modified", none.clone()), Conflict),
        (
            json_patch,
            422,
            status(422, "the server rejected our request due to an error in our request", none.clone()),
            Conflict,
        ),
        (json_patch, 422, status(422, "spec: Invalid value", invalid.clone()), Rejected),
        (patch, 422, status(422, "spec: Invalid value", invalid), Rejected),
        (patch, 404, status(404, "pods \"web-1\" not found", none.clone()), NotFound),
        (patch, 404, text("404 page not found"), NotFound),
        (patch, 400, status(400, "strict decoding error: unknown field \"spec.y\"", none.clone()), Rejected),
        (patch, 415, status(415, "unsupported media type", none.clone()), Rejected),
        (patch, 413, status(413, "too large", none.clone()), Rejected),
        (patch, 405, status(405, "not allowed", none.clone()), Rejected),
        (patch, 403, status(403, "pods is forbidden", none.clone()), Denied),
        (patch, 401, status(401, "Unauthorized", none.clone()), Denied),
        (patch, 429, text("Too many requests, please try again later."), Throttled),
        (evict, 429, text("Too many requests, please try again later."), Throttled),
        (evict, 429, status(429, full, budget), Blocked),
        (evict, 429, status(429, full, none.clone()), Blocked),
        (evict, 500, status(500, two, none.clone()), Rejected),
        (patch, 500, status(500, two, none.clone()), Unknown),
        (patch, 500, status(500, "etcdserver: request timed out", none.clone()), Unknown),
        (patch, 502, text("<html>bad gateway</html>"), Unknown),
        (patch, 503, status(503, "apiserver is shutting down", none.clone()), Unknown),
        (patch, 504, status(504, "request did not complete within the allotted timeout", none), Unknown),
        (patch, 302, text("elsewhere"), Unknown),
        (patch, 408, text("slow"), Unknown),
        (patch, 200, text("<html>welcome</html>"), Unknown),
    ] {
        say(&stub, code, vec![("retry-after", "3"), ("location", "/elsewhere")], body);
        let not_done = acting.perform(&mutation(verb)).await.unwrap_err();
        assert_eq!((not_done.kind, not_done.status), (kind, Some(code)), "{verb:?} {code}: {not_done}");
        assert_eq!(not_done.is_without_effect(), kind != Unknown);
        if code >= 300 {
            assert_eq!(not_done.after, Some(Duration::from_secs(3)), "{code}");
        }
        assert_eq!(changes(&stub).len(), 1, "{verb:?} {code}: exactly one request");
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_unknown_after_five_seconds() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, FAST).await;
    stub.story.lock().verdict = Verdict::Hang;
    let begun = Instant::now();
    let not_done = acting.perform(&mutation(Verb::MergePatch)).await.unwrap_err();
    assert_eq!(not_done.kind, NotDoneKind::Unknown);
    assert!(begun.elapsed() >= Duration::from_millis(4_900), "{:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(7), "{:?}", begun.elapsed());
    assert_eq!(changes(&stub).len(), 1);
}

#[tokio::test]
async fn a_connection_that_breaks_before_the_answer_leaves_it_unknown() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, FAST).await;
    stub.story.lock().verdict = Verdict::Drop;
    let not_done = acting.perform(&mutation(Verb::Evict)).await.unwrap_err();
    assert_eq!(not_done.kind, NotDoneKind::Unknown, "{not_done}");
    assert!(not_done.why.contains("not known"), "{not_done}");
    assert_eq!(changes(&stub).len(), 1);
}

#[tokio::test]
async fn an_answer_whose_body_never_ends_is_accepted_by_its_status() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, FAST).await;
    stub.story.lock().verdict = Verdict::Stall(200);
    let accepted = acting.perform(&mutation(Verb::MergePatch)).await.unwrap();
    assert_eq!((accepted.status, accepted.object), (200, None));
    assert_eq!(changes(&stub).len(), 1);
}

#[tokio::test]
async fn audit_id_and_warnings_are_kept_and_what_a_secret_holds_is_not() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, FAST).await;
    let secret = json!({"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "db", "namespace": "shop",
        "annotations": {"a": "kept"}}, "data": {"p": "Y2FuYXJ5"}, "stringData": {"p": "canary"}});
    let headers = vec![
        ("audit-id", "5e0b"),
        ("warning", "299 - \"spec.x is deprecated\""),
        ("warning", "299 - \"and so is y\""),
    ];
    say(&stub, 201, headers, &secret);
    let create = Mutation {
        target: Target::known("Secret", "shop", "db"),
        body: secret,
        uid: None,
        resource_version: None,
        ..mutation(Verb::Create)
    };
    let accepted = acting.perform(&create).await.unwrap();
    assert_eq!((accepted.status, accepted.audit_id.as_deref()), (201, Some("5e0b")));
    assert_eq!(accepted.warnings, ["spec.x is deprecated", "and so is y"]);
    let object = accepted.object.unwrap().to_string();
    assert!(
        object.contains("kept") && !object.contains("Y2FuYXJ5") && !object.contains("canary"),
        "{object}"
    );
}

#[tokio::test]
async fn a_change_that_has_nowhere_to_go_was_not_sent() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, FAST).await;
    say(&stub, 200, vec![], object());
    // Discovery is known now.
    acting.perform(&mutation(Verb::MergePatch)).await.unwrap();
    let story = Arc::clone(&stub.story);
    drop(stub);
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match acting.perform(&mutation(Verb::MergePatch)).await {
            // The pooled connection may end while it is used.
            Err(NotDone { kind: NotDoneKind::Unknown, .. }) | Ok(_) => assert!(Instant::now() < deadline),
            Err(not_done) => {
                assert_eq!(not_done.kind, NotDoneKind::NotSent, "{not_done}");
                break;
            }
        }
    }
    let before = story.lock().changes.len();
    let not_done = acting.perform(&mutation(Verb::MergePatch)).await.unwrap_err();
    assert_eq!(not_done.kind, NotDoneKind::NotSent, "{not_done}");
    assert_eq!(story.lock().changes.len(), before);
}

#[tokio::test]
async fn what_cannot_be_named_is_refused_before_it_is_sent() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, FAST).await;
    say(&stub, 200, vec![], object());
    for (target, kind) in [
        (Target::known("Gadget", "shop", "x"), NotDoneKind::NotFound),
        (Target::known("Pod", "", "x"), NotDoneKind::Rejected),
        (Target::known("Pod", "shop", "../secrets/x"), NotDoneKind::Rejected),
        (Target::known("Pod", "shop/../kube-system", "x"), NotDoneKind::Rejected),
    ] {
        let not_done = acting.perform(&Mutation { target, ..mutation(Verb::MergePatch) }).await.unwrap_err();
        assert_eq!(not_done.kind, kind, "{not_done}");
    }
    assert!(changes(&stub).is_empty());
}

#[tokio::test]
async fn changes_keep_to_their_rate_and_one_that_gives_up_leaves_its_turn() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, Rate { per_second: 1, burst: 1 }).await;
    say(&stub, 200, vec![], object());
    let changed = mutation(Verb::MergePatch);
    let (acting, changed) = (&acting, &changed);
    let one = move |patience: u64| async move {
        let done = async {
            acting.turn().await;
            acting.perform(changed).await
        };
        tokio::time::timeout(Duration::from_millis(patience), done).await
    };
    let done = futures::future::join_all((0..8).map(|_| one(2_500))).await;
    let sent = done.iter().filter(|done| matches!(done, Ok(Ok(_)))).count();
    assert!((2..=3).contains(&sent), "{sent} within two seconds and a half");
    assert_eq!(changes(&stub).len(), sent);
    // Five gave up: the next comes within a second, not after them.
    one(3_000).await.unwrap().unwrap();
}

#[tokio::test]
async fn dry_runs_keep_to_the_rate_too_and_those_that_wait_too_long_are_not_sent() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, Rate { per_second: 1, burst: 1 }).await;
    say(&stub, 200, vec![], object());
    let changed = Mutation { dry_run: true, ..mutation(Verb::MergePatch) };
    let done = futures::future::join_all((0..6).map(|_| acting.perform(&changed))).await;
    let sent = done.iter().filter(|done| done.is_ok()).count();
    assert!((2..=3).contains(&sent), "{sent} within two seconds");
    for not_done in done.into_iter().filter_map(Result::err) {
        assert_eq!(not_done.kind, NotDoneKind::NotSent);
        assert!(not_done.after.is_some(), "{not_done}");
    }
    assert_eq!(changes(&stub).len(), sent);
}

#[tokio::test]
async fn an_event_says_what_was_done_on_the_object() {
    let stub = Stub::start().await;
    let (_room, acting) = connected(&stub, FAST).await;
    say(&stub, 201, vec![], json!({"kind": "Event", "metadata": {}}));
    let note = Announcement {
        about: pod(),
        reason: "RemediationCompleted",
        message: "evicted, and the new pod is ready".to_owned(),
        is_warning: false,
        action: "evict-pod".to_owned(),
    };
    acting.announce(&note).await;
    let sent = changes(&stub);
    let [sent] = sent.as_slice() else { panic!("{sent:?}") };
    assert!(sent.uri.starts_with("/apis/events.k8s.io/v1/namespaces/shop/events?"), "{}", sent.uri);
    let regarding =
        json!({"apiVersion": "v1", "kind": "Pod", "namespace": "shop", "name": "web-1", "uid": "u-1"});
    assert_eq!(sent.body["regarding"], regarding);
    assert_eq!(
        (&sent.body["reason"], &sent.body["type"]),
        (&json!("RemediationCompleted"), &json!("Normal"))
    );

    // A failure is tried once more and then only logged.
    say(&stub, 503, vec![], "");
    acting.announce(&note).await;
    assert_eq!(changes(&stub).len(), 2);
    say(&stub, 403, vec![], status(403, "events is forbidden", json!([])));
    acting.announce(&note).await;
    assert_eq!(changes(&stub).len(), 1);
}
