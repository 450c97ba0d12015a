//! Backups of a store in use, restores, copies: nothing is lost, overwritten or done twice.

use std::{sync::Arc, time::Duration};

use aiops::store::backup::{backup, copy, restore};
use aiops_engine::{
    model::{ids::WorkflowId, phase::Phase},
    ports::store::{Store as _, StoreError, Write},
    testing::store_contract::{Bench as _, ManualClock},
};

use super::bench::{SqliteBench, entry, keep, options, reopened};

const TTL: Duration = Duration::from_secs(3_600);

fn clock() -> Arc<ManualClock> {
    Arc::new(ManualClock::default())
}

#[tokio::test]
async fn a_backup_of_a_store_in_use_restores_what_it_had() {
    let bench = SqliteBench::new().await;
    let now = bench.now();
    let over = keep(&*bench.store, "over", now).await.unwrap();
    let mut done = over.clone();
    done.phase = Phase::Completed;
    done.finished_at = Some(now);
    done.version = 2;
    bench.store.commit(&over.id, None, &[Write::Workflow(Box::new(done)), Write::Release]).await.unwrap();
    keep(&*bench.store, "web", now).await.unwrap();
    let lease = bench.store.claim("me", TTL).await.unwrap().unwrap();
    let target = tempfile::tempdir().unwrap();
    let file = target.path().join("backup.db");
    let rows = backup(&options(bench.folder.path()), &file, clock()).await.unwrap();
    assert_eq!((rows.of("workflow"), rows.of("incident"), rows.of("audit")), (2, 2, 2));
    // What comes after the backup is not in it, and the store goes on.
    keep(&*bench.store, "later", now).await.unwrap();
    let again = backup(&options(bench.folder.path()), &file, clock()).await;
    assert!(matches!(again, Err(StoreError::Changed(_))), "{again:?}");

    let place = target.path().join("state");
    let restored = restore(&options(&place), &file, false, clock()).await.unwrap();
    assert_eq!((restored.active, restored.set_aside), (1, None));
    assert_eq!(restored.rows, rows);
    let store = reopened(&place).await;
    store.writable().unwrap();
    assert!(store.workflow(&WorkflowId::of("later")).await.unwrap().is_none());
    let before = bench.store.workflow(&over.id).await.unwrap();
    assert_eq!(store.workflow(&over.id).await.unwrap(), before);
    // Who executed before is fenced off, by far.
    let old = store.commit(&lease.workflow, Some(&lease), &[Write::Audit(entry("x", now))]).await;
    assert!(matches!(old, Err(StoreError::Fenced)), "{old:?}");
    let claimed = store.claim("you", TTL).await.unwrap().expect("what was active is due");
    assert!(claimed.epoch > lease.epoch + 100_000 && claimed.is_restored(), "{claimed:?}");
    let lines = store.audit("wf-web", 0, 9).await.unwrap();
    aiops_engine::audit::verify(&lines).unwrap();
    assert_eq!(lines.last().unwrap().entry.action, "restored");
}

#[tokio::test]
async fn a_restore_overwrites_nothing_unasked_and_sets_aside_what_it_replaces() {
    let bench = SqliteBench::new().await;
    keep(&*bench.store, "web", bench.now()).await.unwrap();
    let target = tempfile::tempdir().unwrap();
    let file = target.path().join("backup.db");
    backup(&options(bench.folder.path()), &file, clock()).await.unwrap();
    // Somebody executes there.
    let busy = restore(&options(bench.folder.path()), &file, true, clock()).await;
    assert!(matches!(busy, Err(StoreError::Unavailable(_))), "{busy:?}");
    keep(&*bench.store, "later", bench.now()).await.unwrap();
    bench.store.close().await;
    let SqliteBench { folder, store, .. } = bench;
    drop(store);
    let refused = restore(&options(folder.path()), &file, false, clock()).await;
    assert!(matches!(refused, Err(StoreError::Changed(_))), "{refused:?}");
    let restored = restore(&options(folder.path()), &file, true, clock()).await.unwrap();
    let aside = restored.set_aside.expect("what was there is set aside");
    assert!(aside.exists());
    let store = reopened(folder.path()).await;
    store.writable().unwrap();
    assert!(store.workflow(&WorkflowId::of("later")).await.unwrap().is_none());
    assert!(store.workflow(&WorkflowId::of("web")).await.unwrap().is_some());
}

#[tokio::test]
async fn what_is_no_backup_is_not_restored() {
    let target = tempfile::tempdir().unwrap();
    let place = target.path().join("state");
    let none = restore(&options(&place), &target.path().join("none.db"), false, clock()).await;
    assert!(none.is_err(), "{none:?}");
    let file = target.path().join("text.db");
    std::fs::write(&file, "this is no database, and long enough to be read as one").unwrap();
    let text = restore(&options(&place), &file, false, clock()).await;
    assert!(matches!(text, Err(StoreError::ReadOnly(_))), "{text:?}");
    assert!(!place.join("aiops.db").exists());
}

#[tokio::test]
async fn a_copy_goes_into_an_empty_store_only() {
    let bench = SqliteBench::new().await;
    keep(&*bench.store, "web", bench.now()).await.unwrap();
    let target = tempfile::tempdir().unwrap();
    let place = target.path().join("state");
    let copied = copy(&options(bench.folder.path()), &options(&place), clock()).await.unwrap();
    assert_eq!((copied.rows.of("workflow"), copied.active), (1, 1));
    let again = copy(&options(bench.folder.path()), &options(&place), clock()).await;
    assert!(matches!(again, Err(StoreError::Changed(_))), "{again:?}");
    let store = reopened(&place).await;
    let mut was = bench.store.workflow(&WorkflowId::of("web")).await.unwrap().unwrap();
    let is = store.workflow(&WorkflowId::of("web")).await.unwrap().unwrap();
    was.workflow.wake_at = is.workflow.wake_at;
    assert_eq!(is, was);
}

#[tokio::test]
async fn a_restore_that_dies_between_two_moves_begins_nothing_anew_and_can_be_done_again() {
    let bench = SqliteBench::new().await;
    keep(&*bench.store, "web", bench.now()).await.unwrap();
    let outer = tempfile::tempdir().unwrap();
    let file = outer.path().join("backup.db");
    backup(&options(bench.folder.path()), &file, clock()).await.unwrap();
    let now = clock().millis();
    // Whether the mark is there or was deleted; what cannot be moved, for something stands in its way.
    for (has_mark, blocked) in
        [(true, "aiops.db-wal"), (true, "aiops.mark"), (false, "aiops.db-wal"), (false, "aiops.mark")]
    {
        let told = format!("{blocked}, {has_mark}");
        let place = outer.path().join(format!("{blocked}-{has_mark}"));
        let store = reopened(&place).await;
        keep(&*store, "old", 1).await.unwrap();
        store.close().await;
        drop(store);
        std::fs::write(place.join("aiops.db-wal"), "what is left of a log").unwrap();
        if !has_mark {
            std::fs::remove_file(place.join("aiops.mark")).unwrap();
        }
        let in_the_way = place.join(format!("{blocked}.replaced-{now}"));
        std::fs::create_dir(&in_the_way).unwrap();
        let cut = restore(&options(&place), &file, true, clock()).await;
        assert!(matches!(cut, Err(StoreError::Unavailable(_))), "{told}: {cut:?}");
        let names = || {
            let mut names: Vec<_> =
                std::fs::read_dir(&place).unwrap().map(|file| file.unwrap().file_name()).collect();
            names.retain(|name| !["aiops.lock", "aiops.db-shm"].contains(&name.to_str().unwrap()));
            names.sort();
            names
        };
        let before = names();
        // A start touches nothing of it.
        let store = reopened(&place).await;
        let why = store.writable().unwrap_err().to_string();
        assert!(why.contains(blocked) && why.contains("aiops db restore"), "{told}: {why}");
        store.close().await;
        drop(store);
        assert_eq!(names(), before, "{told}");
        std::fs::remove_dir(&in_the_way).unwrap();
        restore(&options(&place), &file, true, Arc::new(ManualClock::default())).await.unwrap();
        let store = reopened(&place).await;
        store.writable().unwrap();
        assert!(store.workflow(&WorkflowId::of("web")).await.unwrap().is_some(), "{told}");
        store.close().await;
        // What was there before is aside, whenever it went there.
        assert!(place.join(format!("aiops.db.replaced-{now}")).exists(), "{told}");
    }
}

#[tokio::test]
async fn a_copy_into_a_store_that_keeps_something_names_what_helps() {
    let bench = SqliteBench::new().await;
    keep(&*bench.store, "web", bench.now()).await.unwrap();
    let outer = tempfile::tempdir().unwrap();
    let place = outer.path().join("state");
    copy(&options(bench.folder.path()), &options(&place), clock()).await.unwrap();
    let again = copy(&options(bench.folder.path()), &options(&place), clock()).await.unwrap_err().to_string();
    assert!(again.contains("name an empty one") && !again.contains("--force"), "{again}");
}
