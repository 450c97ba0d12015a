//! A disk that is really full: what fails then is the commit, SQLite rolls back by itself, and what comes after must go on
//! as if it had not been.
//!
//! Where no disk is to be had, the limit on the size of files takes its place: the commit fails there too.

use std::{
    fs,
    process::Command,
    sync::Arc,
    time::{Duration, Instant},
};

use aiops::store::{Opened, Options, SqlStore, open, open_again};
use aiops_engine::{
    model::{
        ids::WorkflowId,
        workflow::{Outcome, Workflow},
    },
    ports::store::{Lease, Store as _, StoreError, Write},
    testing::store_contract::ManualClock,
};

use super::{
    bench::{entry, keep, options, reopened},
    reserve::{attempt, begun},
};
use crate::small_disk::{again, fill, folder, limit, on_a_disk};

const PATIENCE: Duration = Duration::from_secs(60);
const RESERVE: u64 = 16 * 1024 * 1024;
/// What a store may grow to that is to be full soon.
const SMALL: u64 = 800_000;

/// Orders work until it is refused.
async fn until_refused(store: &SqlStore, round: u32) -> (Vec<Workflow>, StoreError) {
    let mut kept = Vec::new();
    loop {
        match keep(store, &format!("r{round}-w{}", kept.len()), 1).await {
            Ok(workflow) => kept.push(workflow),
            Err(error) => return (kept, error),
        }
        assert!(kept.len() < 2_000, "it never became full");
    }
}

/// Records what became of several requests at once.
async fn record(store: &Arc<SqlStore>, acting: &Workflow, lease: &Lease, numbers: std::ops::Range<u32>) {
    let mut at_once = tokio::task::JoinSet::new();
    for number in numbers {
        let (store, id, lease) = (Arc::clone(store), acting.id.clone(), lease.clone());
        at_once.spawn(async move {
            let done = [attempt(number, Some(Outcome::Applied)), Write::Audit(entry("effect", 1))];
            store.commit(&id, Some(&lease), &done).await
        });
    }
    while let Some(recorded) = at_once.join_next().await {
        let recorded = recorded.unwrap();
        assert!(
            recorded.is_ok(),
            "what is under way is recorded in the room that was kept back: {recorded:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_a_full_disk_what_is_under_way_is_recorded_and_with_room_everything_goes_on() {
    let Some(disk) = folder() else {
        let test =
            "store::full_disk::on_a_full_disk_what_is_under_way_is_recorded_and_with_room_everything_goes_on";
        if !on_a_disk(test) {
            limited();
        }
        return;
    };
    let state = disk.join("state");
    let options = options(&state);
    let clock = Arc::new(ManualClock::default());
    let opened = open(&options, Arc::<ManualClock>::clone(&clock)).await.unwrap();
    let store = opened.store();
    store.keep_reserve(&options).await;
    let (acting, lease) = begun(store, clock.millis()).await;
    let mut kept = Vec::new();
    // Not once only: nothing may be worn out by it.
    for round in 0..3 {
        assert_eq!(fs::metadata(state.join("aiops.reserve")).unwrap().len(), RESERVE);
        let filler = disk.join("filler");
        fill(&filler);
        if round == 1 {
            // Those that find it full are several at once, and all are under way.
            record(store, &acting, &lease, round * 100..round * 100 + 24).await;
        }
        let (more, full) = until_refused(store, round).await;
        kept.extend(more);
        assert!(matches!(full, StoreError::Full(_)), "{full:?}");
        assert!(matches!(store.writable(), Err(StoreError::Full(_))), "{:?}", store.writable());
        record(store, &acting, &lease, round * 100 + 50..round * 100 + 74).await;
        assert!(!state.join("aiops.reserve").exists());
        // Not before a request is sent, and not for what comes from outside.
        let intended = store.commit(&acting.id, Some(&lease), &[attempt(99, None)]).await;
        assert!(
            matches!(&intended, Err(StoreError::Full(why)) if why.contains("nothing new")),
            "{intended:?}"
        );
        let trigger = keep(&**store, "more", 1).await;
        assert!(matches!(&trigger, Err(StoreError::Full(why)) if why.contains("nothing new")), "{trigger:?}");
        assert!(store.workflow(&acting.id).await.unwrap().is_some(), "it is read as before");
        // Nobody writes to it: whoever executes looks.
        fs::remove_file(&filler).unwrap();
        let deadline = Instant::now() + PATIENCE;
        while let Err(error) = store.writable() {
            assert!(matches!(error, StoreError::Full(_)) && Instant::now() < deadline, "{error:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
            store.look_for_room().await;
        }
        kept.push(keep(&**store, &format!("after-{round}"), 1).await.unwrap());
        store.writable().unwrap();
    }
    store.close().await;
    drop(opened);
    let store = reopened(&state).await;
    store.writable().unwrap();
    for workflow in &kept {
        assert!(store.workflow(&workflow.id).await.unwrap().is_some(), "{} was acknowledged", workflow.id);
    }
    let record = store.workflow(&acting.id).await.unwrap().unwrap();
    assert_eq!(record.attempts.len(), 1 + 24 + 3 * 24);
    let lines = store.audit(acting.id.as_str(), 0, 999).await.unwrap();
    assert_eq!(aiops_engine::audit::verify(&lines).unwrap().seq, 1 + 24 + 3 * 24);
}

/// Under a limit that it may change itself; what it may not write is an error, and no signal.
fn limited() {
    let folder = tempfile::tempdir().unwrap();
    let test = "store::full_disk::what_cannot_be_written_is_written_when_it_can_be";
    again(test, folder.path(), &[], "trap '' XFSZ;");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_written_is_written_when_it_can_be() {
    let Some(state) = folder() else {
        return limited();
    };
    let options = Options { max_bytes: Some(SMALL), ..options(&state) };
    let opened = open(&options, Arc::new(ManualClock::default())).await.unwrap();
    let store = opened.store();
    store.keep_reserve(&options).await;
    let id = std::process::id();
    let mut kept = vec![keep(&**store, "first", 1).await.unwrap()];
    for round in 0..3 {
        // The log grows with each commit, and may not.
        limit(id, &fs::metadata(state.join("aiops.db-wal")).unwrap().len().to_string());
        for n in 0..3 {
            let refused = keep(&**store, &format!("no-{round}-{n}"), 1).await;
            assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
        }
        assert!(matches!(store.writable(), Err(StoreError::Unavailable(_))));
        assert!(store.workflow(&kept[0].id).await.unwrap().is_some(), "it is read as before");
        limit(id, "unlimited");
        for n in 0..3 {
            kept.push(keep(&**store, &format!("yes-{round}-{n}"), 1).await.unwrap());
        }
        store.writable().unwrap();
    }
    // The connections that came later know how large the store may become.
    let (more, full) = until_refused(store, 9).await;
    kept.extend(more);
    assert!(matches!(full, StoreError::Full(_)), "{full:?}");
    assert!(fs::metadata(state.join("aiops.db")).unwrap().len() <= SMALL);
    store.close().await;
    drop(opened);
    let store = reopened(&state).await;
    store.writable().unwrap();
    for workflow in &kept {
        assert!(store.workflow(&workflow.id).await.unwrap().is_some(), "{} was acknowledged", workflow.id);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_was_begun_on_a_full_disk_is_opened_when_there_is_room() {
    let Some(disk) = folder() else {
        let test = "store::full_disk::a_store_that_was_begun_on_a_full_disk_is_opened_when_there_is_room";
        if !on_a_disk(test) {
            limited();
        }
        return;
    };
    // One that is there and was ended in order, so that its log has to be begun, and one that has to be made.
    for (is_there, name) in [(true, "there"), (false, "new")] {
        let options = options(&disk.join(name));
        let clock = Arc::new(ManualClock::default());
        if is_there {
            let store = reopened(&disk.join(name)).await;
            keep(&*store, "web", 1).await.unwrap();
            store.close().await;
        }
        let filler = disk.join("filler");
        fill(&filler);
        let opened = open(&options, Arc::<ManualClock>::clone(&clock)).await.unwrap();
        let store = Arc::clone(opened.store());
        assert!(
            matches!(store.writable(), Err(StoreError::Full(_) | StoreError::Unavailable(_))),
            "{name}: {:?}",
            store.writable()
        );
        assert!(store.is_to_be_opened_again(), "{name}");
        assert!(
            open_again(&store, &options, Arc::<ManualClock>::clone(&clock)).await.is_none(),
            "{name}: it is full"
        );
        fs::remove_file(&filler).unwrap();
        let next = open_again(&store, &options, clock).await.expect("there is room");
        store.close().await;
        drop((opened, store));
        next.writable().unwrap();
        keep(&*next, "db", 1).await.unwrap();
        assert_eq!(next.workflow(&WorkflowId::of("web")).await.unwrap().is_some(), is_there);
        assert!(next.workflow(&WorkflowId::of("db")).await.unwrap().is_some(), "it reads what it wrote");
        // It is still the one that executes.
        assert!(matches!(open(&options, Arc::new(ManualClock::default())).await.unwrap(), Opened::Second(_)));
        next.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_medium_that_takes_no_writes_is_read() {
    let Some(disk) = folder() else {
        let test = "store::full_disk::a_medium_that_takes_no_writes_is_read";
        if !on_a_disk(test) {
            limited();
        }
        return;
    };
    let mount = |how: &str| {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(&disk).status().unwrap();
        assert!(done.success());
    };
    let state = disk.join("state");
    let store = reopened(&state).await;
    keep(&*store, "web", 1).await.unwrap();
    store.close().await;
    drop(store);
    mount("ro");
    let store = reopened(&state).await;
    assert!(matches!(store.writable(), Err(StoreError::ReadOnly(_))), "{:?}", store.writable());
    assert!(store.workflow(&WorkflowId::of("web")).await.unwrap().is_some());
    assert!(keep(&*store, "db", 1).await.is_err());
    store.close().await;
    drop(store);
    mount("rw");
    keep(&*reopened(&state).await, "db", 1).await.unwrap();
}
