//! A controller that sets back whatever is changed, as an operator does that nothing marks as the owner: it gets one write and
//! no contest.

use std::{sync::Arc, time::Duration};

use aiops_engine::{
    coordination::Trigger,
    model::{
        action::{Action, Resources},
        phase::Phase,
        target::Target,
    },
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::deployment;
use crate::support::{Desk, Dice, Plane, tried};

const SOON: Duration = Duration::from_secs(60);

/// What it wants of `web`: two replicas, and this memory limit.
fn wanted(object: &Value) -> bool {
    let limits = &object["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"];
    object["spec"]["replicas"] == 2 && limits["memory"] == "64Mi"
}

/// Sets it back whenever it is otherwise, until it is told to end; answers how often.
async fn reverting(plane: Arc<Plane>, path: String, end: CancellationToken) -> usize {
    let mut times = 0;
    while !end.is_cancelled() {
        let object = plane.get(&path).await.unwrap();
        if !wanted(&object) {
            let container = json!({"name": "web", "image": "registry.example.com/library/nginx:1.29",
                "resources": {"limits": {"memory": "64Mi"}}});
            let back = json!({"spec": {"replicas": 2, "template": {"spec": {"containers": [container]}}}});
            plane.patch(&path, &back).await;
            times += 1;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    times
}

#[tokio::test]
async fn a_controller_that_sets_everything_back_gets_one_write() {
    let plane = Arc::new(Plane::apart().await);
    let desk = Desk::of(&plane, "").await;
    for is_template in [false, true] {
        let namespace = plane.namespace(&mut Dice::new()).await;
        deployment(&plane, &namespace, "1.29", json!({})).await;
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/web");
        let end = CancellationToken::new();
        let controller = tokio::spawn(reverting(Arc::clone(&plane), path.clone(), end.clone()));
        let is_up = |web: &Value| {
            let figure = |of: &str| web["status"][of].as_i64().unwrap_or(0);
            let is_seen = web["status"]["observedGeneration"] == web["metadata"]["generation"];
            wanted(web) && is_seen && figure("updatedReplicas") == 2 && figure("readyReplicas") == 2
        };
        plane.wait(&path, "as its controller wants it", SOON, is_up).await;
        let place = plane.audit_end();
        let target = Target::known("Deployment", &namespace, "web");
        let action = if is_template {
            let resources = Resources { memory_limit: Some("128Mi".to_owned()), ..Resources::default() };
            Action::SetResources { target, container: "web".to_owned(), resources }
        } else {
            Action::ScaleWorkload { target, replicas: 4 }
        };
        let order = || Trigger {
            namespace: namespace.clone(),
            kind: "Deployment".to_owned(),
            name: "web".to_owned(),
            action: Some(action.clone()),
            ..Trigger::default()
        };
        let id = desk.order(order()).await.unwrap();
        if is_template {
            desk.approve(&id).await;
        }
        let view = desk.until(&id, &[Phase::NeedsOperator]).await;
        let why = view.reason.unwrap_or_default();
        assert!(why.contains("a controller that reverts"), "{why}");
        // Whoever asks again is told of the one that waits for a person.
        assert_eq!(desk.order(order()).await, Ok(id.clone()));
        end.cancel();
        let times = controller.await.unwrap();
        assert!(times >= 2, "it set back {times} times, the first of them before anything was ordered");
        let sent = tried(&plane, place, &namespace);
        assert_eq!(sent.len(), 1, "{is_template}: {sent:#?}");
        assert!(wanted(&plane.get(&path).await.unwrap()));
    }
}
