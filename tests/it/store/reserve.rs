//! The room that is kept back: when the store is full, what is under way is recorded in it, and nothing new is taken on.

use std::{
    fs,
    sync::Arc,
    time::{Duration, Instant},
};

use aiops::store::{Options, SqlStore, open};
use aiops_engine::{
    model::{
        Millis,
        action::Action,
        phase::{Direction, Phase, StepState},
        workflow::{Attempt, Outcome, StepRecord, Workflow},
    },
    ports::store::{Lease, Store as _, StoreError, Write},
    testing::store_contract::ManualClock,
};
use serde_json::json;

use super::bench::{SqliteBench, entry, keep, options};

const HOUR: Duration = Duration::from_secs(3_600);

pub(super) fn attempt(number: u32, outcome: Option<Outcome>) -> Write {
    Write::Attempt(Box::new(Attempt {
        order: 0,
        direction: Direction::Do,
        number,
        epoch: 1,
        // As much as an intent or an answer takes, and more.
        intent: json!({"verb": "patch", "why": "x".repeat(1_500)}),
        intent_at: 1,
        outcome,
        http_status: None,
        observed: None,
        observed_at: None,
    }))
}

/// A workflow whose first request is sent.
pub(super) async fn begun(store: &SqlStore, now: Millis) -> (Workflow, Lease) {
    let acting = keep(store, "acting", now).await.unwrap();
    let lease = store.claim("me", HOUR).await.unwrap().unwrap();
    let step = StepRecord {
        order: 0,
        direction: Direction::Do,
        action: Action::RestartWorkload { target: acting.problem.target.clone() },
        state: StepState::Intent,
        effect_key: "acting/0/do".to_owned(),
        pre_image: None,
        post_image: None,
        result: None,
        started_at: Some(1),
        finished_at: None,
    };
    let intent = [Write::Step(Box::new(step)), attempt(1, None)];
    store.commit(&acting.id, Some(&lease), &intent).await.unwrap();
    (acting, lease)
}

#[tokio::test]
async fn a_full_store_records_what_is_under_way_and_takes_nothing_on() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let options = Options { max_bytes: Some(800_000), ..options(folder.path()) };
    let opened = open(&options, Arc::<ManualClock>::clone(&clock)).await.unwrap();
    let store = opened.store();
    store.keep_reserve(&options).await;
    let (acting, lease) = begun(store, clock.millis()).await;
    let mut kept = Vec::new();
    let full = loop {
        match keep(&**store, &format!("w{}", kept.len()), 1).await {
            Ok(workflow) => kept.push(workflow),
            Err(error) => break error,
        }
        assert!(kept.len() < 2_000, "it never became full");
    };
    assert!(matches!(full, StoreError::Full(_)), "{full:?}");
    // What became of the request, and of ten more things that are under way.
    for number in 1..=11 {
        let done = [attempt(number, Some(Outcome::Applied)), Write::Audit(entry("effect", 1))];
        store.commit(&acting.id, Some(&lease), &done).await.unwrap();
    }
    // Not before a request is sent, and not for what comes from outside.
    let intended = store.commit(&acting.id, Some(&lease), &[attempt(20, None)]).await;
    assert!(matches!(&intended, Err(StoreError::Full(why)) if why.contains("nothing new")), "{intended:?}");
    let trigger = keep(&**store, "more", 1).await;
    assert!(matches!(&trigger, Err(StoreError::Full(why)) if why.contains("nothing new")), "{trigger:?}");
    assert!(matches!(store.writable(), Err(StoreError::Full(_))));
    // Old things go, and there is room again.
    for workflow in &kept {
        let over = Workflow {
            phase: Phase::Cancelled,
            finished_at: Some(2),
            version: workflow.version + 1,
            ..workflow.clone()
        };
        store.commit(&workflow.id, None, &[Write::Workflow(Box::new(over))]).await.unwrap();
    }
    store.retain(10, 5_000).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while let Err(error) = keep(&**store, "more", 1).await {
        assert!(matches!(error, StoreError::Full(_)) && Instant::now() < deadline, "{error:?}");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    store.writable().unwrap();
    let record = store.workflow(&acting.id).await.unwrap().unwrap();
    assert_eq!(record.attempts.len(), 11);
}

#[tokio::test]
async fn the_room_on_the_disk_is_a_file_beside_the_store() {
    let bench = SqliteBench::new().await;
    let options = options(bench.folder.path());
    bench.store.keep_reserve(&options).await;
    let file = bench.folder.path().join("aiops.reserve");
    let found = fs::metadata(&file).unwrap();
    assert_eq!(found.len(), 16 * 1024 * 1024);
    #[cfg(unix)]
    {
        use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
        assert_eq!(found.permissions().mode() & 0o777, 0o600);
        assert!(found.blocks() * 512 >= found.len(), "a file with holes holds no room");
    }
    bench.store.writable().unwrap();
    keep(&*bench.store, "web", 1).await.unwrap();
}
