//! A remediation through a member, whole and with either side dying around its change: one effect, and an end that is true.

use aiops::shutdown::Tasks;
use aiops_engine::{SharedInventory, model::phase::Phase};

use super::world::{At, BAD, Cluster, GOOD, Hub, Serving, ail, careful, over_http, within};

/// Rows as the engine has them of a cluster that a member keeps: none, but which cluster it is.
pub(super) fn no_rows() -> SharedInventory {
    let rows = SharedInventory::default();
    rows.change(|rows| rows.set_info(|info| info.uid = "5b1a6c1e-0000-4000-8000-000000000001".into()));
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_the_process_a_broken_rollout_is_planned_rolled_back_and_verified() {
    let cluster = Cluster::new();
    let tasks = Tasks::new();
    let hub = Hub::new(&cluster, within(&cluster, &tasks), no_rows());
    let done = hub.until_over(&hub.trigger().await).await;
    assert_eq!(done.phase, Phase::Completed, "{done:#?}");
    assert_eq!((cluster.image().as_str(), cluster.effects()), (GOOD, 1));
    // What the template held came back with it, though no answer to a reader shows it.
    let object = cluster.model.object(&cluster.deployment).unwrap();
    assert!(object.to_string().contains("hunter2-canary"));
    tasks.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_http_a_fix_that_does_not_help_is_undone() {
    let cluster = Cluster::new();
    let tasks = Tasks::new();
    let serving = Serving::start(cluster.member("p1", "hub"), cluster.engine(), None).await;
    let (far, rows) = over_http(&serving.url(), &tasks);
    let hub = Hub::with(&cluster, far, rows, careful());
    let id = hub.trigger().await;
    // Since it was planned, the image to go back to is gone as well.
    hub.approve(&id, || ail(&cluster.model, GOOD)).await;
    let done = hub.until_over(&id).await;
    assert_eq!(done.phase, Phase::RolledBack, "{done:#?}");
    assert_eq!((cluster.image().as_str(), cluster.effects()), (BAD, 2));
    tasks.end();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_dies_around_a_change_costs_no_second_effect() {
    for at in [&[At::Before][..], &[At::After], &[At::Before, At::After], &[At::Before, At::Before]] {
        let cluster = Cluster::new();
        let tasks = Tasks::new();
        let mut serving = Serving::start(cluster.member("p0", "hub"), cluster.engine(), None).await;
        let (far, rows) = over_http(&serving.url(), &tasks);
        let hub = Hub::new(&cluster, far, rows);
        cluster.dies(at);
        let id = hub.trigger().await;
        for death in 1..=at.len() {
            cluster.reached(death).await;
            let address = serving.kill().await;
            let next = cluster.member(&format!("p{death}"), "hub");
            serving = Serving::start(next, cluster.engine(), Some(address)).await;
        }
        let done = hub.until_over(&id).await;
        assert_eq!(done.phase, Phase::Completed, "{at:?}: {done:#?}");
        assert_eq!((cluster.image().as_str(), cluster.effects()), (GOOD, 1), "{at:?}");
        tasks.end();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_engine_that_dies_around_a_change_costs_no_second_effect() {
    for (is_remote, at) in [(true, At::Before), (true, At::After), (false, At::Before), (false, At::After)] {
        let cluster = Cluster::new();
        let tasks = Tasks::new();
        let serving = Serving::start(cluster.member("p0", "hub"), cluster.engine(), None).await;
        let (far, rows) =
            if is_remote { over_http(&serving.url(), &tasks) } else { (within(&cluster, &tasks), no_rows()) };
        let mut hub = Hub::new(&cluster, far, rows);
        cluster.dies(&[at]);
        let id = hub.trigger().await;
        cluster.reached(1).await;
        hub.kill("executor-1").await;
        let done = hub.until_over(&id).await;
        assert_eq!(done.phase, Phase::Completed, "{is_remote} {at:?}: {done:#?}");
        assert_eq!((cluster.image().as_str(), cluster.effects()), (GOOD, 1), "{is_remote} {at:?}");
        tasks.end();
    }
}
