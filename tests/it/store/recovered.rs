//! The engine on the stored format of each release: what an earlier binary left under way, a later one brings to its end, and
//! does nothing of it twice.
//!
//! Beside `vN.sqlite`, which has every kind of record, there is `vN-under-way.sqlite`: a store as a process leaves it that
//! dies, with workflows at every place and requests of which nobody knows what became, and `vN-under-way.json`, the
//! Deployments as the cluster had them at that moment. `AIOPS_WRITE_FIXTURE=1 cargo test --test it recovered` writes both
//! for a new schema; what is there is never written again.
#![expect(clippy::unwrap_used, reason = "what a test sets up must work")]

use std::{fs, path::PathBuf, time::Duration};

use aiops::store::schema;
use aiops_engine::{
    coordination::{ControlChange, Coordination as _, Resolution},
    model::{phase::Phase, workflow::Outcome},
    testing::model::Key,
};
use serde_json::{Value, json};

use super::{
    engine::{Ground, caller, deployment},
    standing::{about, assert_standing, bring_about, deployments, scale},
};

fn fixture(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/store").join(name)
}

/// A folder with a copy of a fixture as its store.
fn copied(name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let stored = fixture(name);
    fs::copy(&stored, folder.path().join("aiops.db"))
        .unwrap_or_else(|error| panic!("{}: {error}; see the top of this file", stored.display()));
    folder
}

/// Writes what today's engine leaves under way, and the cluster that belongs to it.
async fn write(store: &str, cluster: &str) {
    let (ground, folder) = (Ground::new(deployments()), tempfile::tempdir().unwrap());
    let process = ground.process(folder.path()).await;
    bring_about(&process).await;
    process.end().await;
    let objects = ground.model.objects("Deployment");
    let lines: Vec<String> = objects.iter().map(|(_, object)| object.to_string()).collect();
    fs::write(fixture(cluster), format!("[\n{}\n]\n", lines.join(",\n"))).unwrap();
    fs::copy(folder.path().join("aiops.db"), fixture(store)).unwrap();
}

#[tokio::test]
async fn what_each_release_left_under_way_is_brought_to_its_end_and_nothing_is_done_twice() {
    for schema in 1..=schema() {
        let (store, cluster) = (format!("v{schema}-under-way.sqlite"), format!("v{schema}-under-way.json"));
        if std::env::var_os("AIOPS_WRITE_FIXTURE").is_some() && !fixture(&store).exists() {
            write(&store, &cluster).await;
        }
        let folder = copied(&store);
        let objects: Vec<Value> = serde_json::from_slice(&fs::read(fixture(&cluster)).unwrap()).unwrap();
        let ground = Ground::new(objects);
        // A minute after the process died: its leases have ended, and nobody's patience has.
        ground.clock.pass(Duration::from_secs(60));
        let touched = Key::new("Deployment", "shop", "touched");
        ground.model.edit("kubectl", &touched, |object| object["spec"]["replicas"] = json!(5));
        let process = ground.process(folder.path()).await;
        assert_standing(&process).await;
        let all = process.all().await;
        process.approve(&about(&all, "waiting").id).await.unwrap();
        process.all_over().await;

        let all = process.all().await;
        let effects = ground.effects();
        // Where each ends, and what was sent for it: nothing where the cluster shows that it was done, once where it shows
        // that it was not, and nothing where somebody's hand keeps it from telling.
        for (name, phase, sent) in [
            ("over", Phase::Completed, None),
            ("waiting", Phase::Completed, Some("do")),
            ("unanswered", Phase::Expired, None),
            ("agreed", Phase::Completed, Some("do")),
            ("planning", Phase::Completed, Some("do")),
            ("queued", Phase::Completed, Some("do")),
            ("begun", Phase::Completed, Some("do")),
            ("heard-not", Phase::Completed, None),
            ("restarted-unheard", Phase::Completed, None),
            ("unsent", Phase::Completed, Some("do")),
            ("restart-unsent", Phase::Completed, Some("do")),
            ("touched", Phase::NeedsOperator, None),
            ("verifying", Phase::Completed, None),
            ("undone-unheard", Phase::RolledBack, None),
            ("undo-unsent", Phase::RolledBack, Some("undo")),
        ] {
            let told = format!("schema {schema}, {name}");
            let workflow = about(&all, name);
            assert_eq!(workflow.phase, phase, "{told}: {:?}", workflow.reason);
            let why = workflow.reason.as_deref().unwrap_or_default();
            assert!(!why.is_empty(), "{told} says why it ended so");
            let id = workflow.id.as_str();
            let mine: Vec<_> = effects.iter().filter(|(key, _)| key.starts_with(&format!("{id}/"))).collect();
            match sent {
                None => assert!(mine.is_empty(), "{told}: nothing was to be sent: {mine:?}"),
                Some(way) => {
                    let key = format!("{id}/0/{way}");
                    assert_eq!(mine, [(&key, &1)], "{told}: it is sent once");
                }
            }
            let record = process.record(&workflow.id).await;
            let applied =
                record.attempts.iter().filter(|attempt| attempt.outcome == Some(Outcome::Applied)).count();
            let wanted = match name {
                "unanswered" | "touched" => 0,
                "undone-unheard" | "undo-unsent" => 2,
                _ => 1,
            };
            assert_eq!(applied, wanted, "{told}: its record says what had an effect: {:?}", record.attempts);
            assert!(record.attempts.iter().all(|attempt| attempt.outcome.is_some()), "{told}: {record:#?}");
        }
        let why = about(&all, "touched").reason.clone().unwrap_or_default();
        assert!(why.contains("cannot be told") && why.contains("changed the object since"), "{why}");
        let replicas = &ground.model.object(&touched).unwrap()["spec"]["replicas"];
        assert_eq!(*replicas, json!(5), "what somebody set stays");
        process.verify_audit().await;
        process.end().await;
    }
}

#[tokio::test]
async fn what_each_release_kept_is_gone_on_with_under_the_controls_that_it_kept() {
    for schema in 1..=schema() {
        let folder = copied(&format!("v{schema}.sqlite"));
        let names = ["full", "over", "waiting"];
        let ground = Ground::new((0..).zip(names).map(|(number, name)| deployment(number, name)).collect());
        ground.clock.pass(Duration::from_secs(20));
        let process = ground.process(folder.path()).await;
        let before = process.all().await;
        let full = &about(&before, "full").id;
        let parked = process.record(full).await;
        assert!(
            parked.attempts.iter().any(|attempt| attempt.outcome.is_none()),
            "no intent is open: {parked:#?}"
        );
        process.all_over().await;

        // What was over or for a person stays as it was; what was accepted meets the pause that was kept with it.
        let all = process.all().await;
        assert_eq!(about(&all, "over"), about(&before, "over"), "schema {schema}");
        let kept = process.record(full).await;
        let told = format!("schema {schema}: {kept:#?}");
        assert_eq!((&kept.steps, &kept.attempts), (&parked.steps, &parked.attempts), "{told}");
        assert_eq!(
            (kept.workflow.phase, &kept.workflow.reason),
            (Phase::NeedsOperator, &parked.workflow.reason),
            "{told}"
        );
        let waiting = about(&all, "waiting");
        assert_eq!(
            (waiting.phase, waiting.rule.as_deref()),
            (Phase::Refused, Some("kill-switch")),
            "{waiting:#?}"
        );
        let why = waiting.reason.as_deref().unwrap_or_default();
        assert!(why.contains("pause (set by ann: a test)"), "{why}");
        assert!(ground.effects().is_empty(), "schema {schema}: {:?}", ground.effects());

        // A person ends what was parked, lets it run again, and orders something about the same object.
        let (bob, note) = (caller("bob"), "it was looked at".to_owned());
        let how = Resolution { outcome: "failed".to_owned(), note };
        process.coordinator.resolve(&bob, full, how).await.unwrap();
        let run = ControlChange { mode: "run".to_owned(), reason: Some("looked at".to_owned()) };
        process.coordinator.set_control(&bob, run).await.unwrap();
        let again = process.order(scale("full", 2)).await;
        process.all_over().await;
        let all = process.all().await;
        assert!(all.iter().all(|workflow| workflow.phase.is_terminal()), "all are over: {all:#?}");
        assert_eq!(process.record(&again).await.workflow.phase, Phase::Completed);
        let effects = ground.effects();
        assert_eq!(effects.into_iter().collect::<Vec<_>>(), [(format!("{again}/0/do"), 1)], "that alone");
        process.verify_audit().await;
        process.end().await;
    }
}
