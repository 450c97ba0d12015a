//! The forms in which recordings come: must-gather, dumps, lists, lines, JSON and YAML, packed and not.
//!
//! All of them are well meant; the others are in `hostile`.

use super::*;

#[tokio::test]
async fn a_must_gather_loads_from_folder_and_archive_alike() {
    let folder = Recording::at(&fixture("must-gather"));
    assert!(folder.opened.notes.is_empty(), "{:?}", folder.opened.notes);
    assert_eq!(folder.opened.at, "2026-03-11T09:17:44.00312118Z".parse::<Timestamp>().unwrap());
    {
        let inventory = folder.inventory.look();
        let pod = inventory.pods().get("openshift-ingress", "router-default-7d9c8f6b5-x2x7k").unwrap();
        assert_eq!(pod.containers[0].restarts, 9, "the newer of the two records counts");
        assert_eq!(inventory.info().is_openshift, Some(true));
        assert_eq!(inventory.info().scope, Scope::Namespaces(vec!["openshift-ingress".into()]));
        assert_eq!(inventory.status(Kind::Job).sync, Sync::Synced, "an empty list was recorded");
        assert!(
            matches!(&inventory.status(Kind::StatefulSet).sync, Sync::Failing { reason } if reason.contains("statefulsets"))
        );
    }
    let health = folder.health();
    let found: Vec<String> = health.problems.iter().map(|p| format!("{} {}", p.code, p.object)).collect();
    assert!(
        found.contains(&"crash_loop Deployment openshift-ingress/router-default".to_owned()),
        "{found:?}"
    );
    assert!(found.iter().any(|f| f.ends_with("ClusterOperator ingress")), "{found:?}");
    assert!(health.standing.missing.iter().any(|m| m.kind == "StatefulSet"), "not recorded is said");

    let temp = tempfile::tempdir().unwrap();
    let archive = temp.path().join("must-gather.tar.gz");
    pack(&fixture("must-gather"), "must-gather.local.123", &archive);
    let packed = Recording::at(&archive);
    assert_eq!(rows(&packed.inventory), rows(&folder.inventory));
    assert_eq!(packed.opened.at, folder.opened.at);

    for recording in [&folder, &packed] {
        let pod = "router-default-7d9c8f6b5-x2x7k";
        let current = recording.log(log_of("openshift-ingress", pod)).await.unwrap();
        assert!(current.contains("address already in use") && current.lines().count() == 3);
        let previous = LogRequest {
            previous: true,
            container: Some("router".to_owned()),
            ..log_of("openshift-ingress", pod)
        };
        assert_eq!(recording.log(previous).await.unwrap().lines().count(), 1);

        let secrets = recording.resource("Secret").await;
        let secret =
            recording.opened.cluster.get(&secrets, Some("openshift-ingress"), "router-certs").await.unwrap();
        assert_eq!(secret["type"], "kubernetes.io/tls");
        assert!(!secret.to_string().contains("c2VjcmV0LWNhbmFyeS0x"), "{secret}");
    }
}

#[test]
fn all_forms_in_which_objects_are_written_are_read() {
    let temp = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &[u8]| {
        let path = temp.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    write("one.json", pod("one").as_bytes());
    write("lines.ndjson", format!("{}\n{}\n", pod("line-1"), pod("line-2")).as_bytes());
    write("pretty/several.json", format!("{}\n\n{}", pod("several-1"), pod("several-2")).as_bytes());
    let mixed = r#"{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"kube-system","uid":"0b0e0f60-3c1f-4d6e-9a50-000000000001"}}"#;
    write(
        "list.json",
        format!(
            r#"{{"apiVersion":"v1","items":[{mixed},{}],"kind":"List","metadata":{{"resourceVersion":""}}}}"#,
            pod("mixed")
        )
        .as_bytes(),
    );
    let bare = pod("typed").replace(r#""apiVersion":"v1","kind":"Pod","#, "");
    write(
        "dump.json",
        format!(r#"{{"kind":"PodList","apiVersion":"v1","metadata":{{}},"items":[{bare}]}}"#).as_bytes(),
    );
    let bare = pod("by-file").replace(r#""apiVersion":"v1","kind":"Pod","#, "");
    write("pods.json", format!(r#"{{"apiVersion":"v1","items":[{bare}],"kind":"PodList"}}"#).as_bytes());
    write("poddisruptionbudgets.json", br#"{"apiVersion":"v1","items":[],"kind":"List","metadata":{}}"#);
    write("yaml/two.yml", b"apiVersion: v1\nkind: Pod\nmetadata: {name: yaml-1, namespace: a}\n---\napiVersion: v1\nkind: Pod\nmetadata: {name: yaml-2, namespace: a}\n---\n");
    let mut gz = GzEncoder::new(Vec::new(), Compression::fast());
    gz.write_all(pod("packed").as_bytes()).unwrap();
    write("packed.json.gz", &gz.finish().unwrap());
    write(
        "version.json",
        br#"{"clientVersion":{"gitVersion":"v1.30.0"},"serverVersion":{"gitVersion":"v1.31.9"}}"#,
    );
    write("README.md", b"# not read");

    let read = Recording::at(temp.path());
    assert!(read.opened.notes.is_empty(), "{:?}", read.opened.notes);
    let inventory = read.inventory.look();
    let names: Vec<String> = inventory.pods().iter().map(|pod| pod.meta.key.name.to_string()).collect();
    let want = [
        "by-file",
        "line-1",
        "line-2",
        "mixed",
        "one",
        "packed",
        "several-1",
        "several-2",
        "typed",
        "yaml-1",
        "yaml-2",
    ];
    assert_eq!(names, want);
    assert_eq!(inventory.info().version, "v1.31.9");
    assert_eq!(inventory.info().uid, "0b0e0f60-3c1f-4d6e-9a50-000000000001");
    assert_eq!(inventory.status(Kind::PodDisruptionBudget).sync, Sync::Synced);
    assert_eq!(inventory.status(Kind::ClusterOperator).sync, Sync::Absent);
    assert_eq!(
        read.opened.at,
        "2026-01-05T10:00:00Z".parse::<Timestamp>().unwrap(),
        "the newest thing in it"
    );
    drop(inventory);
    let health = read.health();
    assert!(matches!(health.nodes, Omit::Unknown(())), "nodes were not recorded: null, not 0");
    assert!(
        health.standing.missing.iter().any(|m| m.kind == "Node" && m.reason.contains("kubectl get nodes"))
    );
}

#[tokio::test]
async fn a_cluster_info_dump_keeps_its_logs_apart() {
    let temp = tempfile::tempdir().unwrap();
    let folder = temp.path().join("shop/web-1");
    fs::create_dir_all(&folder).unwrap();
    let bare = pod("web-1")
        .replace(r#""apiVersion":"v1","kind":"Pod","#, "")
        .replace(r#""namespace":"a""#, r#""namespace":"shop""#);
    fs::write(
        temp.path().join("shop/pods.json"),
        format!(r#"{{"kind":"PodList","apiVersion":"v1","items":[{bare}]}}"#),
    )
    .unwrap();
    let text = "==== START logs for container web of pod shop/web-1 ====\nfrom web\n==== END logs for container web of pod shop/web-1 ====\n\
                ==== START logs for container proxy of pod shop/web-1 ====\nfrom proxy\n==== END logs for container proxy of pod shop/web-1 ====\n";
    fs::write(folder.join("logs.txt"), text).unwrap();
    let dump = Recording::at(temp.path());
    let proxy = LogRequest { container: Some("proxy".to_owned()), ..log_of("shop", "web-1") };
    assert_eq!(dump.log(proxy.clone()).await.unwrap(), "from proxy\n");
    let timeless = dump.log(LogRequest { since_seconds: Some(60), ..proxy }).await.unwrap_err();
    assert_eq!(timeless.kind, PortErrorKind::Unsupported, "{timeless}");
}
