//! Incidents by hand: what is required, how they are listed, how they are closed, what their story says.

use super::*;
use crate::{
    coordination::Coordination as _,
    coordinator::world::{MINUTE, World, ann, crashing},
    model::ids::IncidentId,
};

fn new(title: &str) -> NewIncident {
    NewIncident {
        title: title.to_owned(),
        description: "CPU >80% for 30m".to_owned(),
        severity: "high".to_owned(),
        target: Some("production".to_owned()),
        ..NewIncident::default()
    }
}

async fn create(world: &World, new: NewIncident) -> IncidentView {
    world.coordinator.create_incident(&ann(), new).await.unwrap()
}

async fn list(world: &World, query: IncidentQuery) -> IncidentList {
    world.coordinator.incidents(&ann(), query).await.unwrap()
}

fn titles(list: &IncidentList) -> Vec<&str> {
    list.incidents.iter().map(|incident| incident.title.as_str()).collect()
}

#[tokio::test]
async fn an_incident_is_kept_as_it_was_written() {
    let world = World::new();
    let written = NewIncident {
        labels: [("team".to_owned(), "x".to_owned())].into(),
        external_id: Some("JIRA-1".to_owned()),
        confidence: Some(0.9),
        ..new("High CPU")
    };
    let made = create(&world, written).await;
    assert!(made.id.starts_with("inc-"), "{}", made.id);
    assert_eq!((made.severity, made.status), (Severity::High, IncidentStatus::Active));
    assert_eq!((made.target.as_str(), made.namespace.as_str()), ("production", "production"));
    assert_eq!((made.resource.as_deref(), made.issue_type.as_str()), (None, "unspecified"));
    assert_eq!(made.created_by.as_deref(), Some("ann"));
    let id = IncidentId::parse(&made.id).unwrap();
    assert_eq!(world.coordinator.incident(&ann(), &id).await.unwrap(), made);
    // Two people may write the same words about two things.
    assert_ne!(create(&world, new("High CPU")).await.id, made.id);
}

#[tokio::test]
async fn what_is_missing_or_too_long_is_refused_in_the_words_of_the_contract() {
    let world = World::new();
    type Change = fn(&mut NewIncident);
    let ways: [(Change, &str); 13] = [
        (|n| n.title = String::new(), "title is required"),
        (|n| n.title = "x".repeat(201), "title must not exceed 200 characters"),
        // Bytes, not characters.
        (|n| n.title = "ä".repeat(101), "title must not exceed 200 characters"),
        (|n| n.description = "  ".to_owned(), "description is required"),
        (|n| n.description = "x".repeat(2_001), "description must not exceed 2000 characters"),
        (|n| n.severity = String::new(), "severity is required"),
        (|n| n.severity = "High".to_owned(), "severity must be one of: low, medium, high, critical"),
        (|n| n.target = Some("x".repeat(101)), "target must not exceed 100 characters"),
        (|n| n.confidence = Some(1.5), "confidence must be between 0 and 1"),
        (|n| n.confidence = Some(f64::NAN), "confidence must be between 0 and 1"),
        (
            |n| n.affected_resources = vec!["x".to_owned(); 101],
            "affected_resources must not have more than 100 entries",
        ),
        (
            |n| n.labels = (0..65).map(|i| (i.to_string(), String::new())).collect(),
            "labels must not have more than 64 entries",
        ),
        (|n| n.external_id = Some("x".repeat(129)), "external_id must not exceed 128 characters"),
    ];
    for (change, want) in ways {
        let mut wrong = new("x");
        change(&mut wrong);
        let error = world.coordinator.create_incident(&ann(), wrong).await.unwrap_err();
        let Error::Invalid { field, why } = error else { panic!("{error}") };
        assert_eq!(format!("{field} {why}"), want);
    }
    assert_eq!(list(&world, IncidentQuery::default()).await.total, 0);
}

#[tokio::test]
async fn the_target_defaults_to_the_namespace_label_and_then_to_the_cluster() {
    let world = World::new();
    let without = || NewIncident { target: None, ..new("x") };
    let labelled = NewIncident { labels: [("namespace".to_owned(), "shop".to_owned())].into(), ..without() };
    let labelled = create(&world, labelled).await;
    assert_eq!((labelled.target.as_str(), labelled.namespace.as_str()), ("shop", "shop"));
    let bare = create(&world, without()).await;
    assert_eq!((bare.target.as_str(), bare.namespace.as_str()), ("cluster", ""));
}

#[tokio::test]
async fn an_object_with_a_known_issue_is_the_same_trouble_as_a_detectors() {
    let world = World::new();
    world.put(&crashing("web", 100, 1));
    let written = |resource: &str| NewIncident {
        target: Some("shop".to_owned()),
        affected_resources: vec!["something else".to_owned(), resource.to_owned()],
        labels: [("issue_type".to_owned(), "CrashLoopBackOff".to_owned())].into(),
        ..new("web is down")
    };
    let one = create(&world, written("pods/web-7d9c8f6b5-00000")).await;
    assert_eq!((one.resource.as_deref(), one.issue_type.as_str()), (Some("Deployment/web"), "crash_loop"));
    let two = create(&world, written("Deployment/shop/web")).await;
    assert_eq!((two.id.as_str(), two.occurrences), (one.id.as_str(), 2));
}

#[tokio::test]
async fn credentials_in_what_people_write_are_not_kept() {
    let world = World::new();
    let made =
        create(&world, NewIncident { description: "password=hunter2hunter2 fails".to_owned(), ..new("x") })
            .await;
    assert!(!made.description.contains("hunter2"), "{}", made.description);
}

#[tokio::test]
async fn lists_filter_by_the_words_of_all_doors_and_count_before_the_limit() {
    let world = World::new();
    for n in 0..60 {
        world.pass(MINUTE);
        let severity = if n % 3 == 0 { "critical" } else { "low" };
        let target = Some(if n < 10 { "shop" } else { "web" }.to_owned());
        let new = NewIncident { severity: severity.to_owned(), target, ..new(&format!("t{n}")) };
        let made = create(&world, new).await;
        if n < 5 {
            let id = IncidentId::parse(&made.id).unwrap();
            world.coordinator.resolve_incident(&ann(), &id, None).await.unwrap();
        }
    }
    let all = list(&world, IncidentQuery::default()).await;
    assert_eq!((all.incidents.len(), all.total), (50, 60));
    assert_eq!(all.incidents[0].title, "t59");
    let summary = &all.summary;
    assert_eq!((summary.total, summary.active, summary.completed, summary.failed), (60, 55, 5, 0));
    assert_eq!((summary.by_severity["critical"], summary.by_severity["medium"]), (20, 0));
    let with = |status: &str, severity: &str, namespace: &str, limit, offset| IncidentQuery {
        namespace: Some(namespace.to_owned()),
        severity: Some(severity.to_owned()),
        status: Some(status.to_owned()),
        limit,
        offset,
    };
    for (status, severity, namespace, want) in [
        ("all", "all", "", 60),
        ("active", "", "", 55),
        ("pending", "", "shop", 5),
        ("OPEN", "Critical", "", 18),
        ("completed", "", "", 5),
        ("resolved", "", "shop", 5),
        ("closed", "", "web", 0),
        ("failed", "", "", 0),
        ("in_progress", "", "", 0),
        ("", "low", "shop", 6),
    ] {
        let found = list(&world, with(status, severity, namespace, None, None)).await;
        assert_eq!(found.total, want, "{status} {severity} {namespace}");
    }
    let page = list(&world, with("all", "all", "", Some(3), Some(57))).await;
    assert_eq!(titles(&page), ["t2", "t1", "t0"]);
    for (query, part) in [
        (with("activ", "", "", None, None), "did you mean"),
        (with("", "severe", "", None, None), "critical, high, medium, low, all"),
        (with("", "", "", Some(0), None), "must be 1 to 1000"),
        (with("", "", "", Some(1_001), None), "must be 1 to 1000"),
    ] {
        let error = world.coordinator.incidents(&ann(), query).await.unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[tokio::test]
async fn what_a_workflow_has_in_hand_is_still_active_and_open() {
    let world = World::new();
    let nothing = create(&world, new("untouched")).await;
    let entry = Entry {
        at: 0,
        actor: "aiops".to_owned(),
        via: crate::model::caller::Via::System,
        action: "x".to_owned(),
        object: String::new(),
        body: json!({}),
    };
    for (title, to) in [
        ("in hand", IncidentStatus::Remediating),
        ("unrepaired", IncidentStatus::Failed),
        ("over", IncidentStatus::Resolved),
    ] {
        let made = IncidentId::parse(&create(&world, new(title)).await.id).unwrap();
        let active = [IncidentStatus::Active];
        world.inner().store.set_incident(&made, &active, to, None, &entry).await.unwrap();
    }
    for (word, want) in [
        ("active", &["in hand", "untouched"][..]),
        ("pending", &["untouched"]),
        ("in_progress", &["in hand"]),
        ("failed", &["unrepaired"]),
        ("open", &["unrepaired", "in hand", "untouched"]),
        ("closed", &["over"]),
    ] {
        let query = IncidentQuery { status: Some(word.to_owned()), ..IncidentQuery::default() };
        let listed = list(&world, query).await;
        let (mut found, mut wanted) = (titles(&listed), want.to_vec());
        found.sort_unstable();
        wanted.sort_unstable();
        assert_eq!(found, wanted, "{word}");
        assert_eq!(listed.total, u64::try_from(want.len()).unwrap(), "{word}");
        // The word of the filter and the word of the counts agree.
        if word == "active" {
            assert_eq!((listed.summary.active, listed.summary.total), (2, 2));
        }
    }
    assert_eq!(nothing.status, IncidentStatus::Active);
}

#[tokio::test]
async fn closing_is_recorded_and_twice_is_once() {
    let world = World::new();
    let made = create(&world, new("x")).await;
    let id = IncidentId::parse(&made.id).unwrap();
    let ann = ann();
    let close =
        || world.coordinator.resolve_incident(&ann, &id, Some("rebooted; token=s3cr3ts3cr3t".to_owned()));
    let closed = close().await.unwrap();
    assert_eq!(closed.status, IncidentStatus::Resolved);
    assert!(closed.resolved_at.is_some());
    let resolution = closed.resolution.clone().unwrap();
    assert!(resolution.contains("rebooted") && !resolution.contains("s3cr3ts3cr3t"), "{resolution}");
    assert_eq!(close().await.unwrap(), closed);
    let lines = world.coordinator.audit(&ann, "control", 0, 10).await.unwrap().lines;
    let told: Vec<_> =
        lines.iter().map(|l| (l.actor.as_str(), l.action.as_str(), l.object.as_str())).collect();
    assert_eq!(told, [("ann", "incident_opened", &*made.id), ("ann", "incident_closed", &*made.id)]);
    let unknown = IncidentId::parse("inc-none").unwrap();
    let error = world.coordinator.resolve_incident(&ann, &unknown, None).await.unwrap_err();
    assert_eq!(error.code(), "not_found");
}

#[tokio::test]
async fn one_that_a_workflow_acts_on_is_not_closed_by_hand() {
    let world = World::new();
    let made = create(&world, new("x")).await;
    let id = IncidentId::parse(&made.id).unwrap();
    let entry = Entry {
        at: 0,
        actor: "aiops".to_owned(),
        via: crate::model::caller::Via::System,
        action: "x".to_owned(),
        object: String::new(),
        body: json!({}),
    };
    let active = [IncidentStatus::Active];
    let to = IncidentStatus::Remediating;
    world.inner().store.set_incident(&id, &active, to, None, &entry).await.unwrap();
    let error = world.coordinator.resolve_incident(&ann(), &id, None).await.unwrap_err();
    assert_eq!(error.code(), "conflict");
    assert!(error.to_string().contains("cancel it first"), "{error}");
}

#[tokio::test]
async fn the_story_of_an_incident_without_a_workflow_says_so() {
    let world = World::new();
    let made = create(&world, new("High *CPU* | `now`")).await;
    let id = IncidentId::parse(&made.id).unwrap();
    let story = world.coordinator.incident_report(&ann(), &id).await.unwrap();
    for part in [
        "High \\*CPU\\* \\| \\`now\\`",
        "No workflow acted on it.",
        "It is still open.",
        "namespace production",
    ] {
        assert!(story.contains(part), "{part:?} is missing in:\n{story}");
    }
}

#[tokio::test]
async fn the_story_tells_who_closed_it_and_what_was_switched_meanwhile() {
    let world = World::new();
    let switch = async |mode: &str| {
        let change =
            crate::coordination::ControlChange { mode: mode.to_owned(), reason: Some("freeze".to_owned()) };
        world.coordinator.set_control(&ann(), change).await.unwrap();
        world.pass(MINUTE);
    };
    switch("pause").await;
    let made = create(&world, new("x")).await;
    let other = create(&world, new("y")).await;
    switch("stop").await;
    for id in [&made.id, &other.id] {
        let id = IncidentId::parse(id).unwrap();
        world.coordinator.resolve_incident(&ann(), &id, Some("rebooted".to_owned())).await.unwrap();
    }
    world.pass(MINUTE);
    switch("run").await;
    let id = IncidentId::parse(&made.id).unwrap();
    let story = world.coordinator.incident_report(&ann(), &id).await.unwrap();
    let told: Vec<&str> = story.lines().filter(|line| line.contains("control #")).collect();
    assert_eq!(told.len(), 3, "{story}");
    assert!(told[0].contains("incident_opened") && told[0].contains(&made.id), "{story}");
    assert!(told[1].contains("\"mode\":\"stop\"") && told[1].contains("`ann`"), "{story}");
    assert!(told[2].contains("incident_closed") && told[2].contains(&made.id), "{story}");
    assert!(story.contains("Closed with: `rebooted`."), "{story}");
}
