//! A backup that is an hour older than the cluster: nothing that was done is done again, nothing that was to be done then is
//! done now, and every workflow in it ends or is for a person, with a reason.
//!
//! The backup and its restore are the product's, the engine is the real one, and the API server's journal counts. The live
//! suite does the same in seconds, on a real control plane and with real kills.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "what a test sets up must work")]

use std::{path::PathBuf, sync::Arc, time::Duration};

use aiops::store::backup::{backup, restore};
use aiops_engine::{
    coordination::Coordination as _,
    error::Error,
    model::{Millis, phase::Phase, workflow::Workflow},
    testing::{
        model::{Key, Symptom, Trouble},
        store_contract::ManualClock,
    },
};
use serde_json::{Value, json};

use super::{
    bench::options,
    engine::{Ground, Process, caller, is_over},
    standing::{NAMES, about, assert_standing, bring_about, deployments, scale},
};

const HOUR: Millis = 3_600_000;

/// A cluster, and a backup of a store in use whose workflows stand at every place.
struct Past {
    ground: Ground,
    folder: tempfile::TempDir,
    taken_at: Millis,
}

impl Past {
    async fn new() -> Self {
        let (ground, folder) = (Ground::new(deployments()), tempfile::tempdir().unwrap());
        let past = Self { taken_at: 0, ground, folder };
        let process = past.ground.process(&past.state()).await;
        bring_about(&process).await;
        assert_standing(&process).await;
        let clock = Arc::<ManualClock>::clone(&past.ground.clock);
        let rows = backup(&options(&past.state()), &past.file(), clock).await.unwrap();
        assert_eq!(rows.of("workflow"), NAMES.len() as u64, "the backup has them all");
        process.end().await;
        Self { taken_at: past.ground.clock.millis(), ..past }
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("state")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("backup.db")
    }

    /// Puts the backup in the place of what there is, an hour after it was taken.
    async fn come_back(&self) {
        let left = self.taken_at + HOUR - self.ground.clock.millis();
        if let Ok(left) = u64::try_from(left) {
            self.ground.clock.pass(Duration::from_millis(left));
        }
        let clock = Arc::<ManualClock>::clone(&self.ground.clock);
        let restored = restore(&options(&self.state()), &self.file(), true, clock).await.unwrap();
        assert_eq!(restored.active, NAMES.len() as u64 - 1, "all but the one that was over");
        assert!(restored.set_aside.is_some(), "what was there is kept");
    }

    /// What the Deployments ask for.
    fn asked(&self) -> Vec<Value> {
        NAMES.iter().map(|name| self.ground.model.object(&key(name)).unwrap()["spec"].clone()).collect()
    }
}

fn key(name: &str) -> Key {
    Key::new("Deployment", "shop", name)
}

/// An engine starts on what was restored: it changes nothing, takes no approval any more, and every workflow in it is over or
/// for a person.
async fn ends_without_an_effect(past: &Past) -> Vec<Workflow> {
    let (effects, asked) = (past.ground.effects(), past.asked());
    let process = past.ground.process(&past.state()).await;
    let all = process.all().await;
    assert_eq!(all.len(), NAMES.len(), "those of the backup, and no other");
    for name in ["waiting", "unanswered"] {
        let late = process.approve(&about(&all, name).id).await;
        let Err(Error::Refused { rule, why, .. }) = late else { panic!("{name} was approved: {late:?}") };
        assert!(rule == "approval" && why.contains("ended"), "{rule}: {why}");
    }
    process.all_over().await;
    let all = process.all().await;
    assert_eq!(
        past.ground.effects(),
        effects,
        "nothing is sent, neither again nor for the first time: {all:#?}"
    );
    assert_eq!(past.asked(), asked, "every object is as it was");
    for workflow in &all {
        let name = &workflow.problem.target.name;
        assert!(is_over(workflow), "{workflow:#?}");
        assert!(
            workflow.reason.as_ref().is_some_and(|why| !why.is_empty()),
            "{name} says why: {workflow:#?}"
        );
        let record = process.record(&workflow.id).await;
        let is_decided = record.attempts.iter().all(|attempt| attempt.outcome.is_some());
        assert!(is_decided || workflow.phase == Phase::NeedsOperator, "{name} ended undecided: {record:#?}");
    }
    process.verify_audit().await;
    process.end().await;
    all
}

/// What became of them; those for a person by the rule that says so.
fn assert_ends(all: &[Workflow], wanted: &[(&str, Phase, Option<&str>)]) {
    assert_eq!(wanted.len(), NAMES.len(), "each is told");
    for (name, phase, rule) in wanted {
        let workflow = about(all, name);
        assert_eq!(
            (workflow.phase, workflow.rule.as_deref()),
            (*phase, *rule),
            "{name}: {:?}",
            workflow.reason
        );
    }
    for name in ["agreed", "queued"] {
        let why = about(all, name).reason.as_deref().unwrap_or_default();
        assert!(why.contains("did not come in time"), "{name}: {why}");
    }
    let why = about(all, "planning").reason.as_deref().unwrap_or_default();
    assert!(why.contains("accepted 60 min ago"), "{why}");
}

/// Each of them had its effect once.
fn assert_once(ground: &Ground, count: usize) {
    let effects = ground.effects();
    let twice: Vec<_> = effects.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "done twice: {twice:?}");
    assert_eq!(effects.len(), count, "{effects:?}");
}

/// The store that was lost brings everything to its end: one plan is approved, one workflow is undone, one object is changed
/// by another workflow.
async fn goes_on(process: &Process<'_>) {
    let all = process.all().await;
    process.approve(&about(&all, "waiting").id).await.unwrap();
    let undone = &about(&all, "begun").id;
    process.until(undone, Phase::Verifying).await;
    process.give_back().await;
    process.coordinator.cancel(&caller("ann"), undone, Some("not wanted".to_owned())).await.unwrap();
    process.until(&about(&all, "touched").id, Phase::Completed).await;
    process.order(scale("touched", 3)).await;
    process.all_over().await;
    let all = process.all().await;
    assert_eq!(all.len(), NAMES.len() + 1);
    for workflow in &all {
        let wanted = match workflow.problem.target.name.as_str() {
            "begun" | "undone-unheard" | "undo-unsent" => Phase::RolledBack,
            "unanswered" => Phase::Expired,
            _ => Phase::Completed,
        };
        assert_eq!(workflow.phase, wanted, "{workflow:#?}");
    }
}

#[tokio::test]
async fn a_backup_an_hour_old_repeats_nothing_that_was_done_since() {
    let past = Past::new().await;
    let process = past.ground.process(&past.state()).await;
    goes_on(&process).await;
    process.end().await;
    // Fourteen that acted, three of them back again, and one more on an object.
    assert_once(&past.ground, 18);
    past.come_back().await;
    let all = ends_without_an_effect(&past).await;
    assert_once(&past.ground, 18);
    // What the cluster shows is believed; what it does not show any more is for a person.
    assert_ends(
        &all,
        &[
            ("over", Phase::Completed, None),
            ("waiting", Phase::Expired, None),
            ("unanswered", Phase::Expired, None),
            ("agreed", Phase::Failed, None),
            ("planning", Phase::Failed, None),
            ("queued", Phase::Failed, None),
            ("begun", Phase::NeedsOperator, Some("restored")),
            ("heard-not", Phase::Completed, None),
            ("restarted-unheard", Phase::Completed, None),
            ("unsent", Phase::Completed, None),
            ("restart-unsent", Phase::Completed, None),
            ("touched", Phase::NeedsOperator, Some("indeterminate")),
            ("verifying", Phase::Completed, None),
            ("undone-unheard", Phase::RolledBack, None),
            ("undo-unsent", Phase::RolledBack, None),
        ],
    );
}

#[tokio::test]
async fn a_backup_an_hour_old_does_nothing_that_was_not_done_since_either() {
    let past = Past::new().await;
    // Nobody worked on the store since; what was verified does not run any more.
    let broken = "web:broken";
    let trouble = Trouble::Pull { message: "manifest unknown".to_owned() };
    past.ground.model.ail(Symptom { image: broken.to_owned(), command: None, trouble });
    past.ground.model.edit("kubectl", &key("verifying"), |object| {
        object["spec"]["template"]["spec"]["containers"][0]["image"] = json!(broken);
    });
    past.come_back().await;
    let all = ends_without_an_effect(&past).await;
    assert_once(&past.ground, 7);
    let parked = Some("restored");
    assert_ends(
        &all,
        &[
            ("over", Phase::Completed, None),
            ("waiting", Phase::Expired, None),
            ("unanswered", Phase::Expired, None),
            ("agreed", Phase::Failed, None),
            ("planning", Phase::Failed, None),
            ("queued", Phase::Failed, None),
            ("begun", Phase::NeedsOperator, parked),
            ("heard-not", Phase::Completed, None),
            ("restarted-unheard", Phase::Completed, None),
            ("unsent", Phase::NeedsOperator, parked),
            ("restart-unsent", Phase::NeedsOperator, parked),
            ("touched", Phase::NeedsOperator, parked),
            ("verifying", Phase::NeedsOperator, parked),
            ("undone-unheard", Phase::RolledBack, None),
            ("undo-unsent", Phase::NeedsOperator, parked),
        ],
    );
    for workflow in all.iter().filter(|workflow| workflow.phase == Phase::NeedsOperator) {
        assert!(workflow.reason.as_deref().unwrap_or_default().contains("backup"), "{workflow:#?}");
    }
}
