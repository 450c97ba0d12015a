//! A backup that is older than the cluster: what was done since it was taken is not done again.
//!
//! The workflows in it stand at every place at which one can stand, and everything goes on after it: they are finished, one
//! is undone, one object is changed by another workflow. Then the backup is all that is left.

use std::time::{Duration, Instant};

use http::Method;
use serde_json::json;

use super::{
    all_over,
    books::Books,
    child::{Child, Setup},
    gate::{At, Gate, Held},
    histogram,
    oracle::Effects,
    targets::{self, Deed, Order},
    text,
};
use crate::support::{Dice, Options, Plane};

const SOON: Duration = Duration::from_secs(60);
const TRIGGER: &str = "POST /api/v1/remediation/trigger";

async fn order(child: &Child, order: &Order) -> String {
    text(&child.accepted(TRIGGER, &order.key, &order.body).await["workflow_id"])
}

async fn until(child: &Child, id: &str, phase: &str) {
    let deadline = Instant::now() + SOON;
    while child.phase(id).await.as_deref() != Some(phase) {
        assert!(Instant::now() < deadline, "{id} is {:?}, not {phase}", child.phase(id).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The look at the object between the plan's proof and the intent of its step.
fn planned(gate: &Gate, order: &Order) -> Held {
    let is_about = order.is_about();
    let mut is_proven = false;
    gate.hold(At::Before, move |seen| {
        let is_wanted = is_proven && is_about(seen) && seen.method == Method::GET;
        is_proven |= is_about(seen) && seen.is_dry_run && seen.is_of_workflow;
        is_wanted
    })
}

fn effect(gate: &Gate, at: At, order: &Order) -> Held {
    let is_about = order.is_about();
    gate.hold(at, move |seen| is_about(seen) && seen.is_effect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_done_since_a_backup_is_not_done_again_after_it_was_restored() {
    let mut dice = Dice::new();
    let plane = Plane::own(&Options::default()).await;
    let namespace = plane.namespace(&mut dice).await;
    let deeds = [
        Deed::Scale,
        Deed::Restart,
        Deed::Scale,
        Deed::ScaleSet,
        Deed::Restart,
        Deed::Evict,
        Deed::RestartSet,
        Deed::Resources,
    ];
    let orders = targets::prepare(&plane, &namespace, &deeds, &mut dice).await;
    let [over, answered, sent, undone, overwritten, evicted, watched, proven] = orders.as_slice() else {
        panic!("as many orders as deeds")
    };
    let place = plane.audit_end();
    let (folder, state) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let gate = Gate::to(plane.kubeconfig("admin")).await;
    let kubeconfig = gate.kubeconfig(plane.kubeconfig("admin"), folder.path());
    let setup = Setup::new(&kubeconfig, folder.path(), state.path(), "15s");
    let mut child = setup.start().await;

    let ended = order(&child, over).await;
    let watching = order(&child, watched).await;
    until(&child, &ended, "completed").await;
    let mut held = vec![
        effect(&gate, At::Answer, answered),
        effect(&gate, At::Before, sent),
        planned(&gate, undone),
        planned(&gate, overwritten),
        effect(&gate, At::Before, evicted),
        {
            let is_about = proven.is_about();
            gate.hold(At::Answer, move |seen| is_about(seen) && seen.is_dry_run)
        },
    ];
    let mut ids = Vec::new();
    for one in [answered, sent, undone, overwritten, evicted, proven] {
        ids.push(order(&child, one).await);
    }
    for (trap, id) in held.iter_mut().zip(&ids) {
        assert!(trap.caught(SOON).await, "{id} is {:?}", child.phase(id).await);
    }
    let backup = folder.path().join("backup.db");
    let (file, kept) = (backup.to_str().unwrap(), state.path().to_str().unwrap());
    println!("{}", setup.run(&["db", "backup", file, "--state-dir", kept]).trim());

    // Everything goes on.
    held.into_iter().for_each(Held::let_go);
    until(&child, &ids[2], "verifying").await;
    let cancel = format!("POST /api/v1/workflows/{}/cancel", ids[2]);
    child.accepted(&cancel, "cancel", &json!({"reason": "it is not wanted any more"})).await;
    until(&child, &ids[2], "rolled_back").await;
    until(&child, &ids[3], "completed").await;
    let mut again = overwritten.clone();
    again.key.push_str("-again");
    order(&child, &again).await;
    let mut books = Books::of_folder(state.path()).await.unwrap();
    let lines = all_over(&mut books).await;
    drop(books);
    histogram("ends before", lines.iter().map(|line| line.phase.clone()));
    let bad = lines.iter().find(|line| !matches!(line.phase.as_str(), "completed" | "rolled_back"));
    assert!(bad.is_none(), "{bad:?}");
    let all = lines.iter().map(|line| line.id.clone()).collect();
    let before = Effects::with_all(&plane, place, &all).await;
    assert_eq!((before.all(), before.twice()), (lines.len() + 1, Vec::new()));

    // Nothing is left but the backup.
    child.kill();
    println!("{}", setup.run(&["db", "restore", file, "--force", "--state-dir", kept]).trim());
    child = setup.start().await;
    let mut books = Books::of_folder(state.path()).await.unwrap();
    let lines = all_over(&mut books).await;
    histogram("ends after", lines.iter().map(|line| format!("{}: {}", line.phase, line.reason)));
    assert_eq!(lines.len(), 8, "those of the backup");
    let after = Effects::since(&plane, place);
    assert_eq!((after.all(), after.twice()), (before.all(), Vec::new()));
    let phase = |id: &String| lines.iter().find(|line| line.id == *id).unwrap().phase.as_str();
    // What the cluster shows is believed; what it does not show any more is for a person.
    for id in [&ended, &watching, &ids[0], &ids[1], &ids[4]] {
        assert_eq!(phase(id), "completed", "{id}");
    }
    for id in [&ids[2], &ids[3]] {
        let line = lines.iter().find(|line| line.id == *id).unwrap();
        assert!(line.is_parked() && line.reason.contains("backup"), "{line:?}");
    }
    drop(child);
}
