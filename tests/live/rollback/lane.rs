//! The objects of one lane: workloads with revisions behind them, two nodes, a Helm release with an autoscaler.
//!
//! They are made and read with the test's own client.

use std::{collections::BTreeMap, time::Duration};

use aiops_engine::model::target::Target;
use serde_json::{Value, json};

use super::{order, release};
use crate::support::{Dice, Plane};

const SOON: Duration = Duration::from_secs(300);

/// The image of a revision; its tag says nothing to KWOK but that it starts.
pub(super) fn image(revision: usize) -> String {
    format!("registry.example.com/library/nginx:1.{}", 27 + revision)
}

/// Kind and name of the workloads.
pub(super) const WORKLOADS: [(&str, &str); 4] =
    [("Deployment", "web"), ("Deployment", "api"), ("StatefulSet", "db"), ("DaemonSet", "agent")];

pub(super) struct Lane {
    pub(super) namespace: String,
    /// Their names; the first has the DaemonSet's pod.
    pub(super) nodes: [String; 2],
}

pub(super) fn workload(namespace: &str, kind: &str, name: &str) -> String {
    format!("/apis/apps/v1/namespaces/{namespace}/{}s/{name}", kind.to_lowercase())
}

/// Whether the controller of a workload has nothing left to do.
fn is_settled(object: &Value) -> bool {
    let status = &object["status"];
    if status["observedGeneration"] != object["metadata"]["generation"] {
        return false;
    }
    let number = |of: &str| status[of].as_i64().unwrap_or(0);
    match object["kind"].as_str().unwrap() {
        "DaemonSet" => {
            let all = number("desiredNumberScheduled");
            all > 0 && number("updatedNumberScheduled") == all && number("numberReady") == all
        }
        kind => {
            let all = object["spec"]["replicas"].as_i64().unwrap();
            let same = ["updatedReplicas", "readyReplicas", "replicas"].iter().all(|of| number(of) == all);
            same && (kind == "Deployment" || status["currentRevision"] == status["updateRevision"])
        }
    }
}

impl Lane {
    pub(super) async fn make(plane: &Plane, dice: &mut Dice, number: usize) -> Self {
        let namespace = plane.namespace(dice).await;
        let nodes = plane.get("/api/v1/nodes").await.unwrap();
        let mut names: Vec<String> = nodes["items"]
            .as_array()
            .unwrap()
            .iter()
            .map(|node| node["metadata"]["name"].as_str().unwrap().to_owned())
            .collect();
        names.sort();
        // The last four are nobody's: something can be scheduled at any time.
        let nodes = [names[2 * number].clone(), names[2 * number + 1].clone()];
        let lane = Self { namespace, nodes };
        for (kind, name) in WORKLOADS {
            lane.workload(plane, kind, name).await;
        }
        order::never_well(plane, &lane.namespace).await;
        release::install(plane, &lane.namespace).await;
        lane
    }

    /// A workload with three revisions, of which the last is current.
    async fn workload(&self, plane: &Plane, kind: &str, name: &str) {
        let place =
            if kind == "DaemonSet" { json!({"kubernetes.io/hostname": self.nodes[0]}) } else { Value::Null };
        let container = |revision: usize| {
            json!({"name": "main", "image": image(revision),
                "env": [{"name": "PASSWORD", "value": "canary"}, {"name": "STEP", "value": revision.to_string()}],
                "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}}})
        };
        let mut spec = json!({
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {
                "terminationGracePeriodSeconds": 0, "containers": [container(0)]}},
        });
        if !place.is_null() {
            spec["template"]["spec"]["nodeSelector"] = place;
        }
        if kind != "DaemonSet" {
            spec["replicas"] = json!(2);
        }
        if kind == "Deployment" {
            // With a deadline what never comes up would be given minutes.
            spec["progressDeadlineSeconds"] = json!(i32::MAX);
        }
        if kind == "StatefulSet" {
            spec["serviceName"] = json!(name);
            spec["podManagementPolicy"] = json!("Parallel");
        }
        let path = workload(&self.namespace, kind, name);
        let mut made =
            json!({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec});
        if kind != "StatefulSet" {
            made["metadata"]["annotations"] = json!({"example.com/owner": "ann"});
        }
        plane.post(path.rsplit_once('/').unwrap().0, &made).await;
        for revision in 1..3 {
            let is_seen =
                |object: &Value| object["status"]["observedGeneration"] == object["metadata"]["generation"];
            plane.wait(&path, "seen", SOON, is_seen).await;
            let patch = json!({"spec": {"template": {"spec": {"containers": [container(revision)]}}}});
            plane.patch(&path, &patch).await;
        }
    }

    /// Waits until nothing moves, and lets the dice say which of the nodes takes pods.
    pub(super) async fn settle(&self, plane: &Plane, dice: &mut Dice) {
        let closed = dice.number(2);
        for (node, place) in self.nodes.iter().zip(0..) {
            let cordoned = if place == closed { json!(true) } else { Value::Null };
            plane
                .patch(&format!("/api/v1/nodes/{node}"), &json!({"spec": {"unschedulable": cordoned}}))
                .await;
        }
        let release = [("Deployment", release::NAME)];
        for (kind, name) in WORKLOADS.into_iter().chain(release) {
            plane.wait(&workload(&self.namespace, kind, name), "settled", SOON, is_settled).await;
        }
    }

    /// Every object of the lane that a plan may touch, by its path.
    pub(super) async fn images(&self, plane: &Plane) -> BTreeMap<String, Value> {
        let mut paths: Vec<String> =
            WORKLOADS.iter().map(|(kind, name)| workload(&self.namespace, kind, name)).collect();
        paths.extend(self.nodes.iter().map(|node| format!("/api/v1/nodes/{node}")));
        paths.extend(
            ["ConfigMap", "Deployment", "HorizontalPodAutoscaler"]
                .map(|kind| release::path(&self.namespace, kind)),
        );
        let mut images = BTreeMap::new();
        for path in paths {
            let object = plane.get(&path).await.unwrap();
            images.insert(path, object);
        }
        images
    }

    /// A workload as a target, by what it is now.
    pub(super) fn target(&self, object: &Value) -> Target {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap();
        let kind = text("/kind");
        let namespace = if kind == "Node" { "" } else { self.namespace.as_str() };
        Target::known(kind, namespace, text("/metadata/name")).with_uid(text("/metadata/uid"))
    }

    /// The revisions of a workload that are kept: number, holder, and the image and resources of its template.
    pub(super) async fn revisions(&self, plane: &Plane, object: &Value) -> Vec<(i64, String, Value)> {
        let plural = if object["kind"] == "Deployment" { "replicasets" } else { "controllerrevisions" };
        let all = plane.get(&format!("/apis/apps/v1/namespaces/{}/{plural}", self.namespace)).await.unwrap();
        let mut found = Vec::new();
        for held in all["items"].as_array().unwrap() {
            let owner = &held["metadata"]["ownerReferences"][0]["uid"];
            if *owner != object["metadata"]["uid"] {
                continue;
            }
            let number = held["revision"].as_i64().unwrap_or_else(|| {
                let number = &held["metadata"]["annotations"]["deployment.kubernetes.io/revision"];
                number.as_str().unwrap().parse().unwrap()
            });
            let template = if plural == "replicasets" {
                &held["spec"]["template"]
            } else {
                &held["data"]["spec"]["template"]
            };
            let name = held["metadata"]["name"].as_str().unwrap().to_owned();
            found.push((number, name, template["spec"]["containers"].clone()));
        }
        found.sort_by_key(|(number, ..)| *number);
        found
    }
}
