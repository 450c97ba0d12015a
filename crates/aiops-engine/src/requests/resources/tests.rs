//! Reading any kind, on the fake cluster: what is shown, what never is, and walks that add up.

use std::sync::Arc;

use aiops_inventory::Kind;
use serde_json::json;

use super::*;
use crate::{
    testing::{FakeCluster, api_resource, engine},
    text::estimate_tokens,
};

const NOW: &str = "2026-07-01T12:00:00Z";

fn with(fill: impl FnOnce(&mut FakeCluster)) -> (Engine, Arc<FakeCluster>) {
    let mut cluster = FakeCluster::new();
    cluster.kinds.push(api_resource("example.com", "v1", "Widget", "widgets", true));
    fill(&mut cluster);
    let cluster = Arc::new(cluster);
    let namespaces =
        ["shop", "kube-system"].map(|name| (Kind::Namespace, json!({"metadata": {"name": name}})));
    let pod =
        json!({"metadata": {"name": "web-1", "namespace": "shop"}, "spec": {"containers": [{"name": "a"}]}});
    let mut objects = namespaces.to_vec();
    objects.push((Kind::Pod, pod));
    (engine(&objects, Some(Arc::<FakeCluster>::clone(&cluster)), NOW), cluster)
}

fn get(kind: &str, name: &str, namespace: &str, fields: &[&str]) -> GetResource {
    GetResource {
        kind: kind.to_owned(),
        name: name.to_owned(),
        namespace: Some(namespace.to_owned()),
        fields: fields.iter().map(|f| (*f).to_owned()).collect(),
    }
}

/// A canary in every place where an object can carry it.
fn secret() -> Value {
    let canary = "Y2FuYXJ5LXNlY3JldA==";
    let copy = json!({"data": {"k": canary}}).to_string();
    json!({
        "metadata": {
            "name": "s", "namespace": "shop", "creationTimestamp": "2026-06-30T12:00:00Z",
            "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": copy,
                "objectset.rio.cattle.io/applied": copy,
                "backup.example.com/what-was": format!("backup of {copy}"),
            },
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:data": {"f:Y2FuYXJ5": {}}}}],
        },
        "type": "Opaque",
        "data": {"password": canary, "Y2FuYXJ5": canary},
        "stringData": {"x": "canary-secret"},
    })
}

#[tokio::test]
async fn a_secret_shows_counts_and_nothing_else() {
    let (engine, _) = with(|c| c.put("secrets", secret()));
    let fields: [&[&str]; 4] =
        [&[], &["data", "data.password", "stringData.x"], &["metadata", "metadata.managedFields"], &["*"]];
    for fields in fields {
        let answer = engine.get_resource(&get("secret", "s", "shop", fields)).await.unwrap();
        let text = serde_json::to_string(&answer).unwrap();
        assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
        let withheld = answer.withheld.unwrap();
        assert_eq!((withheld.keys, withheld.bytes), (Some(3), Some(13 + 13 + 13)));
        assert_eq!((answer.age.as_deref(), answer.status.as_deref()), (Some("24h"), Some("Opaque")));
    }
    let request = ListResources {
        kind: "secrets".to_owned(),
        fields: vec!["data".to_owned(), "data.password".to_owned(), "*".to_owned()],
        ..ListResources::default()
    };
    let text = serde_json::to_string(&engine.list_resources(&request).await.unwrap()).unwrap();
    assert!(!text.contains("canary") && !text.contains("Y2FuYXJ5"), "{text}");
}

#[tokio::test]
async fn values_of_a_config_map_are_shown_when_asked_for_by_name() {
    let map = json!({
        "metadata": {"name": "c", "namespace": "shop", "annotations": {"x/backup": "{\"data\":{\"other\":\"unasked\"}}"}},
        "data": {"app.conf": "port=80\nname=\u{202e}x", "other": "unasked", "url": "postgres://u:hunter2@db/x"},
        "binaryData": {"logo": "AAAA"},
    });
    let (engine, _) = with(|c| c.put("configmaps", map));
    let answer = engine.get_resource(&get("cm", "c", "shop", &[])).await.unwrap();
    let object = Value::Object(answer.object.unwrap());
    assert_eq!(
        object.pointer("/data"),
        Some(&json!(["app.conf (17 bytes)", "other (7 bytes)", "url (25 bytes)"]))
    );
    assert_eq!(object.pointer("/binaryData"), Some(&json!(["logo (3 bytes)"])));
    assert_eq!(answer.status.as_deref(), Some("4 keys"));
    assert_eq!(object.pointer("/metadata/annotations/x~1backup"), Some(&json!("[withheld: 28 bytes]")));
    let fields = [r"data.app\.conf", "data.url", "data"];
    let answer = engine.get_resource(&get("cm", "c", "shop", &fields)).await.unwrap();
    let text = serde_json::to_string(&answer).unwrap();
    assert_eq!(answer.fields.unwrap().get(fields[0]), Some(&json!("port=80\nname=\\u{202e}x")));
    assert!(!text.contains("hunter2") && !text.contains("unasked"), "{text}");
}

#[tokio::test]
async fn environment_values_and_credentials_do_not_pass_a_projection() {
    let pod = json!({
        "metadata": {"name": "web-1", "namespace": "shop", "annotations": {"x": "ghp_0123456789abcdefghijABCDEFGHIJ012345"}},
        "spec": {"containers": [{"name": "a", "env": [{"name": "GREETING", "value": "canary-value"}], "args": ["--password=hunter2x"]}]},
    });
    let (engine, _) = with(|c| c.put("pods", pod));
    let fields: [&[&str]; 3] = [
        &[],
        &["spec.containers[*].env[*].value", "metadata.annotations.x", "spec.containers[0].args"],
        &["spec.containers[0].env[0].value"],
    ];
    for fields in fields {
        let answer = engine.get_resource(&get("pod", "web-1", "shop", fields)).await.unwrap();
        let text = serde_json::to_string(&answer).unwrap();
        assert!(!text.contains("canary") && !text.contains("ghp_0") && !text.contains("hunter2x"), "{text}");
        assert!(text.contains("[redacted:"), "{text}");
    }
}

#[tokio::test]
async fn a_large_object_fits_the_budget_and_says_what_was_cut() {
    let steps: Vec<Value> =
        (0..400).map(|i| json!({"name": format!("step-{i}"), "script": "echo hello; ".repeat(20)})).collect();
    let widget = json!({
        "metadata": {"name": "w", "namespace": "shop", "uid": "x", "annotations": {"note": "y".repeat(9_000)}},
        "spec": {"replicas": 3, "steps": steps},
        "status": {"phase": "Bad"},
    });
    let (engine, _) = with(|c| c.put("widgets", widget));
    let answer = engine.get_resource(&get("widget.example.com", "w", "shop", &[])).await.unwrap();
    let text = serde_json::to_string(&answer).unwrap();
    assert!(estimate_tokens(&text) < 2_000, "{}", estimate_tokens(&text));
    assert_eq!(answer.status.as_deref(), Some("Bad"));
    assert_eq!(answer.cut, [r"metadata.annotations.note", "spec.steps"]);
    let answer = engine
        .get_resource(&get("widget", "w", "shop", &["spec.steps[399].name", "spec.replica"]))
        .await
        .unwrap();
    assert_eq!(
        serde_json::to_value(&answer.fields).unwrap(),
        json!({"spec.steps[399].name": "step-399", "spec.replica": null})
    );
    assert_eq!(answer.absent, ["spec.replica: spec has only replicas, steps"]);
}

#[tokio::test]
async fn digests_are_cut_to_fewer_bytes_than_words() {
    let digest =
        |i: u64| format!("registry/x@sha256:{:016x}{:016x}{:016x}", i * 0x9e37_79b9_7f4a, i * 31, !i);
    let images: Vec<String> = (0..400_u64).map(digest).collect();
    let widget = json!({"metadata": {"name": "w", "namespace": "shop"}, "status": {"images": images}});
    let (engine, _) = with(|c| c.put("widgets", widget));
    let answer = engine.get_resource(&get("widgets", "w", "shop", &[])).await.unwrap();
    let tokens = estimate_tokens(&serde_json::to_string(&answer).unwrap());
    assert!((800..2_000).contains(&tokens), "{tokens}");
    let request = ListResources {
        kind: "widgets".to_owned(),
        fields: vec!["status.images".to_owned()],
        ..ListResources::default()
    };
    let tokens =
        estimate_tokens(&serde_json::to_string(&engine.list_resources(&request).await.unwrap()).unwrap());
    assert!(tokens < 2_000, "{tokens}");
}

#[tokio::test]
async fn what_cannot_be_read_is_an_error_that_helps() {
    let (engine, _) = with(|c| {
        c.put("configmaps", json!({"metadata": {"name": "settings", "namespace": "shop"}}));
        c.kinds.push(ApiResource {
            verbs: vec!["create".to_owned()],
            ..api_resource("authentication.k8s.io", "v1", "TokenReview", "tokenreviews", false)
        });
    });
    for (request, part) in [
        (get("pod", "web-1", "shopp", &[]), "namespace \"shopp\" not found; did you mean shop?"),
        (get("pod", "web-2", "shop", &[]), "Pod \"web-2\" in namespace shop not found; did you mean web-1?"),
        (get("cm", "setting", "shop", &[]), "did you mean settings?"),
        (get("pod", "web-1", "", &[]), "the namespace is needed; one of that name is in shop"),
        (get("pod", "web-1", "kube-system", &[]), "one of that name is in namespace shop"),
        (get("pod", "../secrets/s", "shop", &[]), "cannot be the name of an object"),
        (get("pod", "web-1", "a/../b", &[]), "cannot be a namespace"),
        (get("pod", "web-1", "shop", &["a..b"]), "argument \"fields\": path \"a..b\" has an empty part"),
        (get("pod", "web-1", "shop", &["a"; 21]), "at most 20 paths"),
        (get("tokenreview", "x", "", &[]), "can only be create, not get"),
        (get("podd", "x", "", &[]), "did you mean pod"),
    ] {
        let error = engine.get_resource(&request).await.unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let nobody = crate::testing::engine(&[], None, NOW);
    assert_eq!(
        nobody.get_resource(&get("pod", "a", "b", &[])).await.unwrap_err().code(),
        "dependency_unavailable"
    );
}

fn many(count: usize) -> (Engine, Arc<FakeCluster>) {
    with(|c| {
        for i in 0..count {
            let tier = if i % 3 == 0 { "front" } else { "back" };
            let labels = json!({"tier": tier});
            let metadata = json!({"name": format!("w-{i:04}"), "namespace": "shop", "labels": labels});
            c.put("widgets", json!({"metadata": metadata, "spec": {"size": i}, "status": {"phase": "Fine"}}));
        }
    })
}

#[tokio::test]
async fn a_walk_names_each_object_once_and_adds_up() {
    for (count, limit) in
        [(0, None), (7, None), (330, None), (330, Some(60)), (330, Some(500)), (120, Some(1))]
    {
        let (engine, _) = many(count);
        let mut request = ListResources { kind: "widgets".to_owned(), limit, ..ListResources::default() };
        let mut seen = Vec::new();
        loop {
            let answer = engine.list_resources(&request).await.unwrap();
            assert_eq!(answer.shown, answer.items.len());
            if limit.is_none() {
                let tokens = estimate_tokens(&serde_json::to_string(&answer).unwrap());
                assert!(tokens < 2_000, "{tokens}");
            }
            seen.extend(answer.items.iter().map(|item| item.name.clone()));
            assert_eq!(answer.total, Some(count as u64));
            assert_eq!(answer.omitted, Some((count - seen.len()) as u64));
            request.cursor = answer.next_cursor;
            if request.cursor.is_none() {
                break;
            }
            assert!(answer.shown > 0);
        }
        assert_eq!(seen.len(), count);
        seen.dedup();
        assert_eq!(seen.len(), count);
    }
}

#[tokio::test]
async fn a_narrowed_list_is_not_counted_and_says_so() {
    let (engine, _) = many(90);
    let mut request = ListResources {
        kind: "widgets".to_owned(),
        label_selector: Some("tier=front".to_owned()),
        limit: Some(20),
        fields: vec!["spec.size".to_owned()],
        ..ListResources::default()
    };
    let first = engine.list_resources(&request).await.unwrap();
    assert_eq!((first.total, first.omitted, first.shown), (None, None, 20));
    assert!(first.uncounted.unwrap().contains("narrowed by a selector"));
    assert_eq!(
        serde_json::to_value(&first.items[1]).unwrap(),
        json!({"namespace": "shop", "name": "w-0003", "age": null, "fields": {"spec.size": 3}})
    );
    request.cursor = first.next_cursor;
    let last = engine.list_resources(&request).await.unwrap();
    assert_eq!((last.total, last.omitted, last.shown, last.next_cursor), (Some(30), Some(0), 10, None));
}

#[tokio::test]
async fn cursors_that_are_forged_foreign_or_old_are_refused() {
    let (engine, cluster) = many(90);
    let mut request =
        ListResources { kind: "widgets".to_owned(), limit: Some(20), ..ListResources::default() };
    let cursor = engine.list_resources(&request).await.unwrap().next_cursor;
    request.cursor = Some("Zm9yZ2Vk".to_owned());
    assert!(
        engine
            .list_resources(&request)
            .await
            .unwrap_err()
            .to_string()
            .contains("not one that this server gave out")
    );
    request.cursor = cursor;
    request.label_selector = Some("tier=front".to_owned());
    assert!(engine.list_resources(&request).await.unwrap_err().to_string().contains("other arguments"));
    request.label_selector = None;
    *cluster.expired.lock() = true;
    let error = engine.list_resources(&request).await.unwrap_err();
    assert!(error.to_string().contains("call again without cursor"), "{error}");
    assert_eq!(error.code(), "invalid_request");
    for (labels, fields, part) in [
        ("app=../x", "", "label_selector"),
        ("", "metadata.name", "field_selector"),
        ("", "a b=c", "field_selector"),
        ("", "=x", "field_selector"),
    ] {
        let request = ListResources {
            kind: "widgets".to_owned(),
            label_selector: Some(labels.to_owned()),
            field_selector: Some(fields.to_owned()),
            ..ListResources::default()
        };
        assert!(
            engine.list_resources(&request).await.unwrap_err().to_string().contains(part),
            "{labels} {fields}"
        );
    }
}

#[tokio::test]
async fn the_inventory_counts_what_the_api_server_does_not() {
    let (engine, _) = with(|c| c.put("pods", json!({"metadata": {"name": "web-1", "namespace": "shop"}})));
    let count = |namespace| engine.left(&engine_pods(), namespace, false, 0);
    assert_eq!((count(None), count(Some("shop")), count(Some("kube-system"))), (Some(1), Some(1), Some(0)));
    assert_eq!(engine.left(&engine_pods(), None, true, 0), None);
}

fn engine_pods() -> ApiResource {
    api_resource("", "v1", "Pod", "pods", true)
}
