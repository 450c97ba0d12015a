//! Which of a workload's revisions the earlier revision of its Helm release holds.

use super::{
    super::{fixtures::World, helm::held},
    *,
};
use crate::{deeds::Sight, model::action::Release};

/// A revision of the release: a chart's version in its labels, an image, and something beside the workload.
fn revision(version: &str, image: &str) -> Sight {
    let chart = json!({"helm.sh/chart": format!("web-{version}")});
    Sight::Release {
        status: "deployed".to_owned(),
        has_hooks: false,
        objects: vec![
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "labels": chart}}),
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web", "labels": chart},
                "spec": {"replicas": version.len(), "template": {"spec": {"containers": [{"name": "app", "image": image}]}}}}),
        ],
    }
}

async fn held_by(earlier: &Sight) -> Vec<i64> {
    let near = World::twice_wrong().near("Deployment", "web", "crash_loop").await;
    let release = Release { name: "web".to_owned(), namespace: "shop".to_owned(), from: 9, to: 8 };
    held(&near, &release, (&revision("1.10", "shop/web:3"), earlier))
}

#[tokio::test]
async fn a_releases_revision_is_known_again_by_the_template_that_it_says() {
    assert_eq!(held_by(&revision("1.9", "shop/web:2")).await, [2]);
    assert_eq!(held_by(&revision("1.9", "shop/web:1")).await, [1]);
    // Something else writes into the templates, or the revision is not kept: it cannot be told.
    assert!(held_by(&revision("1.9", "registry.example/web:1")).await.is_empty());
    let empty = Sight::Release { status: "superseded".to_owned(), has_hooks: false, objects: Vec::new() };
    assert!(held_by(&empty).await.is_empty());
    assert!(held_by(&Sight::Absent).await.is_empty());
    // An upgrade that left the template as it was says nothing against any.
    assert_eq!(held_by(&revision("1.9", "shop/web:3")).await, [3, 2, 1]);
}
