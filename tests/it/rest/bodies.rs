//! How bodies are read: every spelling of a name, and nothing that is not known.

use serde_json::{Value, json};

use super::{Asked, World, examples::trigger, is_refusal, world};

const TRIGGER: &str = "/api/v1/remediation/trigger";

/// What is refused names the member and asks the engine nothing.
async fn refused(world: &World, path: &str, body: &str, field: &str) {
    let reply = world.post(path, body).await;
    let told = is_refusal(&reply, 400, "invalid_request");
    assert_eq!(told["details"]["field"], field, "{body}: {told}");
    world.fake.nothing();
}

#[tokio::test]
async fn every_spelling_of_a_name_is_read() {
    let world = world().await;
    let mut all = Vec::new();
    for body in [
        trigger(),
        json!({
            "incidentId": "inc-12345", "namespace": "production", "digest": null, "action": null,
            "resource": { "kind": "Deployment", "name": "payment-service", "namespace": "production" },
            "issue": { "type": "pod_crash_loop", "description": "Pods in CrashLoopBackOff", "severity": "HIGH" },
            "dryRun": false,
        }),
        json!({
            "INCIDENT_ID": "inc-12345",
            "Resource": { "Kind": "Deployment", "Name": "payment-service", "Namespace": "production" },
            "Issue": { "Type": "pod_crash_loop", "Description": "Pods in CrashLoopBackOff", "Severity": "high" },
        }),
    ] {
        let reply = world.post(TRIGGER, body.to_string()).await;
        assert_eq!(reply.status, 202, "{body}: {reply:?}");
        all.push(world.one());
    }
    assert_eq!(all[0], all[1]);
    assert_eq!(all[0], all[2]);
}

#[tokio::test]
async fn a_dry_run_is_one_in_every_spelling_and_a_misspelt_one_does_not_execute() {
    let world = world().await;
    for name in ["dry_run", "dryRun", "DRY_RUN", "dryrun"] {
        let mut body = trigger();
        body[name] = json!(true);
        world.fake.triggered.lock().dry_run = true;
        world.fake.triggered.lock().workflow_id = None;
        let reply = world.post(TRIGGER, body.to_string()).await;
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        assert_eq!(reply.json()["workflow_id"], Value::Null, "the member is there");
        let Asked::Trigger(asked) = world.one() else { panic!("a trigger") };
        assert!(asked.dry_run, "{name}");
    }
    for name in ["dry-run", "dy_run", "dryRunn", "dry run", "simulate"] {
        let mut body = trigger();
        body[name] = json!(true);
        refused(&world, TRIGGER, &body.to_string(), name).await;
    }
    for value in [json!("true"), json!(1), json!("yes"), json!([true])] {
        let mut body = trigger();
        body["dry_run"] = value;
        refused(&world, TRIGGER, &body.to_string(), "dry_run").await;
    }
}

#[tokio::test]
async fn what_a_request_says_twice_must_be_the_same() {
    let world = world().await;
    let with = |members: &str| {
        format!(
            r#"{{{members},"incident_id":"inc-1","namespace":"a","resource":{{"kind":"Pod","name":"b"}},"issue":{{"type":"x"}}}}"#
        )
    };
    for twice in [
        r#""dry_run":true,"dry_run":false"#,
        r#""dryRun":true,"dry_run":false"#,
        r#""dry_run":false,"DRYRUN":true"#,
    ] {
        refused(&world, TRIGGER, &with(twice), "dry_run").await;
    }
    assert_eq!(world.post(TRIGGER, with(r#""dryRun":false,"dry_run":false"#)).await.status, 202);
    world.one();
    let two = r#"{"incident_id":"inc-1","namespace":"a","resource":{"kind":"Pod","name":"b","namespace":"c"},"issue":{"type":"x"}}"#;
    refused(&world, TRIGGER, two, "resource.namespace").await;
}

#[tokio::test]
async fn what_is_missing_is_named_in_the_old_words() {
    let world = world().await;
    for (path, missing) in [
        ("/incident_id", "incident_id"),
        ("/resource", "resource"),
        ("/resource/kind", "resource.kind"),
        ("/resource/name", "resource.name"),
        ("/issue", "issue.type"),
        ("/issue/type", "issue.type"),
    ] {
        for instead in [None, Some(Value::Null)] {
            let mut body = trigger();
            let (parent, name) = path.rsplit_once('/').unwrap();
            let parent = body.pointer_mut(parent).unwrap().as_object_mut().unwrap();
            match &instead {
                None => drop(parent.remove(name)),
                Some(value) => drop(parent.insert(name.to_owned(), value.clone())),
            }
            let reply = world.post(TRIGGER, body.to_string()).await;
            let told = is_refusal(&reply, 400, "invalid_request");
            assert_eq!(told["message"], format!("{missing} is required"), "{path}");
        }
    }
    let mut blank = trigger();
    blank["incident_id"] = json!(" ");
    refused(&world, TRIGGER, &blank.to_string(), "incident_id").await;
    // An empty body has no members, and null is no object with members either.
    for body in ["", " ", "null", "{}"] {
        refused(&world, TRIGGER, body, "incident_id").await;
    }
}

#[tokio::test]
async fn what_is_no_object_is_refused() {
    let world = world().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let deep_member = format!(r#"{{"issue":{}{}}}"#, r#"{"x":"#.repeat(50_000), "}".repeat(50_000));
    for body in [
        "[]",
        "3",
        "\"x\"",
        "true",
        "{",
        "{]",
        "{\"a\":1",
        "nul",
        "{} {}",
        "{}x",
        "\u{feff}{}",
        &deep,
        &deep_member,
    ] {
        refused(&world, TRIGGER, body, "body").await;
    }
    for (body, field) in [
        (r#"{"resource":"Deployment/x"}"#, "resource"),
        (r#"{"namespace":5}"#, "namespace"),
        (r#"{"issue":[]}"#, "issue"),
        (r#"{"resource":{"kind":["a"]}}"#, "resource.kind"),
        (r#"{"resource":{"kynd":"Pod"}}"#, "resource.kynd"),
        (r#"{"issue":{"sevrity":"low"}}"#, "issue.sevrity"),
    ] {
        refused(&world, TRIGGER, body, field).await;
    }
    let mut odd = trigger();
    odd["issue"]["severity"] = json!("terrible");
    refused(&world, TRIGGER, &odd.to_string(), "issue.severity").await;
}

#[tokio::test]
async fn names_that_are_near_are_offered() {
    let world = world().await;
    let mut body = trigger();
    body["namspace"] = json!("x");
    let reply = world.post(TRIGGER, body.to_string()).await;
    let told = is_refusal(&reply, 400, "invalid_request");
    assert!(told["message"].as_str().unwrap().contains("did you mean namespace?"), "{told}");
}

#[tokio::test]
async fn the_content_type_is_not_looked_at() {
    let world = world().await;
    for headers in ["", "content-type: text/plain\r\n", "content-type: application/json; charset=utf-8\r\n"] {
        let reply = world.send("POST", TRIGGER, headers, &trigger().to_string()).await;
        assert_eq!(reply.status, 202, "{headers}");
        world.one();
    }
}

#[tokio::test]
async fn an_action_may_be_named_and_is_read_as_strictly() {
    let world = world().await;
    let body = |action: Value| {
        json!({
            "incident_id": "inc-1", "namespace": "shop", "resource": { "kind": "Deployment", "name": "web" },
            "action": action,
        })
    };
    let target = json!({ "kind": "Deployment", "namespace": "shop", "name": "web" });
    let good = body(json!({ "action": "set-resources", "target": target, "container": "web",
        "resources": { "memory_limit": "512Mi" } }));
    let reply = world.post(TRIGGER, good.to_string()).await;
    assert_eq!(reply.status, 202, "{reply:?}");
    let Asked::Trigger(asked) = world.one() else { panic!("a trigger") };
    let action = serde_json::to_value(asked.action.unwrap()).unwrap();
    assert_eq!(action["action"], "set-resources");
    assert_eq!(action["target"]["group"], "apps", "the group of a kind that is known");
    assert_eq!(action["resources"], json!({ "memoryLimit": "512Mi" }));
    assert_eq!(asked.issue, "");
    let misspelt = body(json!({ "action": "set-resources", "target": target, "container": "web",
        "resources": { "memoryLimits": "512Mi" } }));
    refused(&world, TRIGGER, &misspelt.to_string(), "action.resources.memoryLimits").await;
    let without = body(json!({ "action": "scale-workload", "target": target }));
    refused(&world, TRIGGER, &without.to_string(), "action.replicas").await;
    let unknown = world
        .post(TRIGGER, body(json!({ "action": "delete-namespace", "target": target })).to_string())
        .await;
    is_refusal(&unknown, 400, "invalid_request");
    world.fake.nothing();
}

#[tokio::test]
async fn plans_and_questions_take_the_same_body_without_an_incident() {
    let world = world().await;
    let mut body = trigger();
    body.as_object_mut().unwrap().remove("incident_id");
    let reply = world.post("/api/v1/plans", body.to_string()).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert_eq!(reply.json()["approval"], "auto");
    assert_eq!(reply.json()["digest"], super::super::support::coordination::DIGEST);
    let Asked::Plan(asked) = world.one() else { panic!("a plan") };
    assert_eq!(asked.trigger.incident, None);
    let reply = world.post("/api/v1/remediation/why-not", body.to_string()).await;
    assert_eq!((reply.status, &reply.json()["allowed"]), (200, &json!(false)));
    assert!(matches!(world.one(), Asked::WhyNot(_)));
    body["dy_run"] = json!(true);
    refused(&world, "/api/v1/plans", &body.to_string(), "dy_run").await;
}

#[tokio::test]
async fn a_request_that_names_only_its_incident_takes_the_rest_from_it() {
    let world = world().await;
    let body = json!({ "incident_id": "inc-12345", "digest": "d1" }).to_string();
    for (path, status) in [(TRIGGER, 202), ("/api/v1/plans", 200)] {
        let reply = world.post(path, body.as_str()).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        let asked = world.fake.took();
        let [(_, Asked::Incident(incident)), (_, ordered)] = asked.as_slice() else { panic!("{asked:?}") };
        assert_eq!(incident, "inc-12345");
        let trigger = match ordered {
            Asked::Trigger(trigger) => trigger,
            Asked::Plan(request) => &request.trigger,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            (trigger.kind.as_str(), trigger.namespace.as_str(), trigger.name.as_str()),
            ("Deployment", "production", "payment-service")
        );
        assert_eq!((trigger.issue.as_str(), trigger.digest.as_deref()), ("pod_crash_loop", Some("d1")));
    }
    // An incident that is about no object says too little.
    world.fake.incident.lock().resource = None;
    let reply = world.post(TRIGGER, body.as_str()).await;
    assert!(matches!(world.one(), Asked::Incident(_)));
    assert_eq!(is_refusal(&reply, 400, "invalid_request")["message"], "resource is required");
}
