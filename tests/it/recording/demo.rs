//! The embedded recording: its story, its objects, its logs.
//!
//! How other recordings are read is not looked at here.

use aiops_engine::issue::Severity;

use super::*;

#[test]
fn the_demo_opens_quickly_and_names_every_planted_fault() {
    let begin = Instant::now();
    let demo = Recording::demo();
    let took = begin.elapsed();
    assert!(took.as_secs_f64() < 1.0, "took {took:?}");
    assert!(demo.opened.notes.is_empty(), "{:?}", demo.opened.notes);

    let health = demo.health();
    let size = serde_json::to_vec(&health).unwrap().len();
    let issues = health.issues.unwrap();
    println!(
        "opened in {took:?}; {} of {} problems by default, {size} bytes",
        health.problems.len(),
        issues.total
    );
    println!("{}", health.message);
    let request = ClusterHealth { limit: Some(50), ..ClusterHealth::default() };
    let all = demo.engine.cluster_health(&request).unwrap().problems;
    for p in &all {
        let age = p.age.as_deref().unwrap_or_default();
        println!(
            "{:?} {} {} {} {age} {}",
            p.severity,
            p.code,
            p.object,
            p.count,
            p.what.as_deref().unwrap_or_default()
        );
    }
    assert_eq!(health.status, "degraded");
    assert_eq!(health.standing.recording.as_deref(), Some("checkout-outage"));
    assert!(health.standing.missing.is_empty(), "{:?}", health.standing.missing);
    assert_eq!(issues.omitted, 0, "every fault stands in the default answer");
    let named: usize = health.problems.iter().map(|p| 1 + p.also.len()).sum();
    assert_eq!(named, issues.total, "as a row or beside its cause");
    let critical = all.iter().filter(|p| p.severity == Severity::Critical).count();
    assert!(critical > 0 && critical <= issues.critical);
    let found: Vec<String> = all.iter().map(|p| format!("{} {}", p.code, p.object)).collect();
    let shown: Vec<String> = health.problems.iter().map(|p| format!("{} {}", p.code, p.object)).collect();
    for planted in [
        "crash_loop Deployment shop/checkout",
        "service_without_endpoints Service shop/checkout",
        "container_config Deployment shop/promotions",
        "image_pull Deployment shop/frontend",
        "oom_kill Deployment payments/payments-worker",
        "pod_unschedulable Job shop/search-reindex",
        "pod_unschedulable Deployment kube-system/metrics-server",
        "quota_exceeded Deployment marketing/landing-page",
        "job_failed CronJob payments/settlement-export",
        "pdb_deadlock PodDisruptionBudget payments/payments-db",
        "node_not_ready Node node-c2",
        "hpa_cannot_scale HorizontalPodAutoscaler shop/cart",
    ] {
        assert!(shown.iter().any(|f| f == planted), "{planted} is missing from {shown:#?}");
    }
    let first = health.problems.first().map(|p| (p.code.as_ref(), p.object.as_str(), p.count));
    assert_eq!(first, Some(("crash_loop", "Deployment shop/checkout", 4)));
    let hurt = [
        "checkout",
        "promotions",
        "frontend",
        "payments-worker",
        "search-reindex",
        "metrics-server",
        "landing-page",
        "settlement-export",
        "payments-db",
        "node-c2",
        "cart",
        "team-quota",
    ];
    for problem in &found {
        assert!(hurt.iter().any(|name| problem.ends_with(name)), "nothing was planted there: {problem}");
    }
}

#[test]
fn ages_count_from_the_recordings_time() {
    let demo = Recording::demo();
    let at = demo.opened.at;
    let Source::Recorded { at: told, name } = demo.inventory.look().info().source.clone() else {
        panic!("not recorded")
    };
    assert_eq!((told, name.as_str()), (at.as_second(), "checkout-outage"));
    let health = demo.health();
    assert_eq!(health.standing.as_of.as_deref(), Some(at.to_string().as_str()));
    let node = health.problems.iter().find(|p| p.code == "node_not_ready").unwrap();
    let minutes: i64 = node.age.as_deref().unwrap().trim_end_matches('m').parse().unwrap();
    assert!((5..60).contains(&minutes), "{:?}", node.age);
}

#[tokio::test]
async fn the_demos_objects_can_be_read_one_by_one_and_in_pages() {
    let demo = Recording::demo();
    let cluster = &demo.opened.cluster;
    let deployments = demo.resource("Deployment").await;
    assert_eq!((deployments.plural.as_str(), deployments.version.as_str()), ("deployments", "v1"));
    assert_eq!(deployments.short_names, ["deploy"]);
    let checkout = cluster.get(&deployments, Some("shop"), "checkout").await.unwrap();
    assert_eq!(checkout["spec"]["strategy"]["type"], "Recreate");
    assert!(checkout["metadata"].get("managedFields").is_none());
    let missing = cluster.get(&deployments, Some("shop"), "nothing").await.unwrap_err();
    assert_eq!(missing.kind, PortErrorKind::NotFound);

    let pods = demo.resource("Pod").await;
    let mut options = ListOptions { limit: 7, ..ListOptions::default() };
    let mut names = Vec::new();
    loop {
        let page = cluster.list(&pods, None, &options).await.unwrap();
        assert!(page.items.len() <= 7);
        let left = page.remaining.unwrap_or(0);
        names.extend(
            page.items
                .iter()
                .map(|pod| (pod["metadata"]["namespace"].to_string(), pod["metadata"]["name"].to_string())),
        );
        let Some(token) = page.continue_token else {
            assert_eq!(left, 0);
            break;
        };
        assert_eq!(u64::try_from(demo.inventory.look().pods().len()).unwrap(), names.len() as u64 + left);
        options.continue_token = Some(token);
    }
    let listed = names.len();
    names.sort();
    names.dedup();
    assert_eq!((names.len(), listed), (demo.inventory.look().pods().len(), listed));

    let of_checkout = ListOptions {
        label_selector: Some("app.kubernetes.io/name=checkout".to_owned()),
        ..ListOptions::default()
    };
    assert_eq!(cluster.list(&pods, Some("shop"), &of_checkout).await.unwrap().items.len(), 4);
    let on_node = ListOptions {
        field_selector: Some("spec.nodeName=node-a1,status.phase!=Failed".to_owned()),
        ..ListOptions::default()
    };
    let there = cluster.list(&pods, None, &on_node).await.unwrap().items;
    assert!(!there.is_empty() && there.iter().all(|pod| pod["spec"]["nodeName"] == "node-a1"));
    for (options, kind) in [
        (
            ListOptions { label_selector: Some("a in (".to_owned()), ..ListOptions::default() },
            PortErrorKind::Invalid,
        ),
        (
            ListOptions { field_selector: Some("nonsense".to_owned()), ..ListOptions::default() },
            PortErrorKind::Invalid,
        ),
        (
            ListOptions { continue_token: Some("nonsense".to_owned()), ..ListOptions::default() },
            PortErrorKind::Expired,
        ),
    ] {
        assert_eq!(cluster.list(&pods, None, &options).await.unwrap_err().kind, kind, "{options:?}");
    }
    let secrets = ApiResource { kind: "Secret".to_owned(), plural: "secrets".to_owned(), ..pods.clone() };
    let unknown = cluster.list(&secrets, None, &ListOptions::default()).await.unwrap_err();
    assert_eq!(unknown.kind, PortErrorKind::Unsupported, "not recorded is not none: {unknown}");
    for (verb, may) in [("get", true), ("list", true), ("delete", false), ("patch", false), ("create", false)]
    {
        assert_eq!(cluster.may(verb, "", "pods", None).await.unwrap(), may, "{verb}");
    }
}

#[tokio::test]
async fn the_demos_logs_can_be_read_in_part() {
    let demo = Recording::demo();
    let pod = demo.a_pod("shop", "checkout-", true);
    let whole = demo.log(log_of("shop", &pod)).await.unwrap();
    assert!(whole.contains("invalid value \"5\" for flag -payment-timeout"), "{whole}");
    let previous = demo.log(LogRequest { previous: true, ..log_of("shop", &pod) }).await.unwrap();
    assert!(previous.contains("-payment-timeout"));

    let two = demo.log(LogRequest { tail_lines: Some(2), ..log_of("shop", &pod) }).await.unwrap();
    assert!(two.lines().count() == 2 && whole.ends_with(&two), "{two}");
    let bytes = demo.log(LogRequest { limit_bytes: Some(40), ..log_of("shop", &pod) }).await.unwrap();
    assert!(bytes.len() == 40 && whole.starts_with(&bytes), "{bytes}");

    let frontend = demo.a_pod("shop", "frontend-", false);
    let all = demo.log(log_of("shop", &frontend)).await.unwrap();
    let late = demo.log(LogRequest { since_seconds: Some(120), ..log_of("shop", &frontend) }).await.unwrap();
    assert!(all.ends_with(&late) && late.len() < all.len() && !late.is_empty());
    let first: Timestamp = late.split(' ').next().unwrap().parse().unwrap();
    assert!(demo.opened.at.duration_since(first).as_secs() <= 120, "{first}");

    let none = demo.log(log_of("shop", &demo.a_pod("shop", "promotions-", true))).await.unwrap_err();
    assert_eq!(none.kind, PortErrorKind::Unsupported);
    assert!(none.message.contains("checkout-outage"), "{none}");
}

#[test]
fn the_list_of_embedded_files_is_the_folder() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/clusters/checkout-outage");
    let from_folder = Recording::at(&folder);
    let demo = Recording::demo();
    assert_eq!(rows(&from_folder.inventory), rows(&demo.inventory));
    assert_eq!(from_folder.opened.at, demo.opened.at);
}
