//! Databases that are full, locked, or not ours.

use std::{sync::Arc, time::Duration};

use aiops::store::{Location, Options, open};
use aiops_engine::{
    model::ids::WorkflowId,
    ports::store::{Store as _, StoreError, WorkflowFilter, Write},
    testing::store_contract::{Bench as _, ManualClock},
};
use sqlx::{Connection as _, Executor as _, SqliteConnection};

use super::bench::{BUSY, SqliteBench, entry, keep, options, reopened};

async fn beside(folder: &std::path::Path) -> SqliteConnection {
    let url = format!("sqlite://{}", folder.join("aiops.db").display());
    SqliteConnection::connect(&url).await.unwrap()
}

#[tokio::test]
async fn a_full_store_refuses_says_so_and_keeps_what_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::default());
    let options = Options { max_bytes: Some(300_000), ..options(folder.path()) };
    let opened = open(&options, clock).await.unwrap();
    let store = opened.store();
    let mut kept = Vec::new();
    let full = loop {
        let name = format!("w{}", kept.len());
        match keep(&**store, &name, 1).await {
            Ok(workflow) => kept.push(workflow.id),
            Err(error) => break error,
        }
        assert!(kept.len() < 2_000, "it never became full");
    };
    assert!(matches!(full, StoreError::Full(_)), "{full:?}");
    assert!(kept.len() > 10, "{}", kept.len());
    assert!(matches!(store.writable(), Err(StoreError::Full(_))));
    let all = store.workflows(&WorkflowFilter { limit: 5_000, ..WorkflowFilter::default() }).await.unwrap();
    assert_eq!(all.total, u64::try_from(kept.len()).unwrap(), "what was refused is not there");
    store.close().await;
    drop(opened);
    // With room again, everything goes on.
    let store = reopened(folder.path()).await;
    store.writable().unwrap();
    for id in &kept {
        assert!(store.workflow(id).await.unwrap().is_some(), "{id} was acknowledged");
    }
    keep(&*store, "more", 1).await.unwrap();
}

#[tokio::test]
async fn a_database_that_refuses_connections_is_said_to_be_out_of_reach() {
    // It has its port and does not listen.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let url = format!("postgres://aiops@{}/aiops", socket.local_addr().unwrap());
    let busy_timeout = Duration::from_millis(300);
    let options = Options { location: Location::Postgres(url), busy_timeout, max_bytes: None };
    let opened = open(&options, Arc::new(ManualClock::default())).await.unwrap();
    match keep(&**opened.store(), "web", 1).await {
        Err(StoreError::Unavailable(why)) => assert!(why.contains("cannot be reached"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_locked_store_is_waited_for_and_then_unavailable() {
    let bench = SqliteBench::new().await;
    keep(&*bench.store, "web", bench.now()).await.unwrap();
    let mut other = beside(bench.folder.path()).await;
    other.execute("BEGIN EXCLUSIVE").await.unwrap();
    let begun = std::time::Instant::now();
    let refused = keep(&*bench.store, "db", bench.now()).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert!(begun.elapsed() >= BUSY, "it did not wait");
    assert!(matches!(bench.store.writable(), Err(StoreError::Unavailable(_))));
    // Reads go on.
    assert!(bench.store.workflow(&WorkflowId::of("web")).await.unwrap().is_some());
    other.execute("ROLLBACK").await.unwrap();
    keep(&*bench.store, "db", bench.now()).await.unwrap();
    bench.store.writable().unwrap();
}

#[tokio::test]
async fn a_lock_that_is_given_back_in_time_is_not_noticed() {
    let bench = SqliteBench::new().await;
    let mut other = beside(bench.folder.path()).await;
    other.execute("BEGIN IMMEDIATE").await.unwrap();
    let (kept, ()) = tokio::join!(keep(&*bench.store, "web", bench.now()), async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        other.execute("ROLLBACK").await.unwrap();
    });
    kept.unwrap();
}

#[tokio::test]
async fn a_call_that_is_given_up_leaves_nothing_half_done() {
    let bench = SqliteBench::new().await;
    let now = bench.now();
    for n in 0..60_u64 {
        let name = format!("w{n}");
        // Whether it is kept depends on how far it came; that it is whole does not.
        let _ = tokio::time::timeout(Duration::from_micros(n * 40), keep(&*bench.store, &name, now)).await;
    }
    keep(&*bench.store, "last", now).await.unwrap();
    let all =
        bench.store.workflows(&WorkflowFilter { limit: 99, ..WorkflowFilter::default() }).await.unwrap();
    for workflow in all.rows {
        let lines = bench.store.audit(workflow.id.as_str(), 0, 9).await.unwrap();
        assert_eq!(lines.len(), 1, "{}", workflow.id);
        assert!(bench.store.incident(&workflow.incident).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_store_of_a_newer_release_is_read_and_names_what_it_needs() {
    let bench = SqliteBench::new().await;
    keep(&*bench.store, "web", bench.now()).await.unwrap();
    bench.store.close().await;
    let SqliteBench { folder, store, .. } = bench;
    drop(store);
    let mut other = beside(folder.path()).await;
    other.execute("INSERT INTO schema_migration VALUES (2, 'x', 1, '0.9.0', 5)").await.unwrap();
    // Schema 2 only added: this binary still writes.
    let store = reopened(folder.path()).await;
    keep(&*store, "db", 1).await.unwrap();
    store.close().await;
    drop(store);
    other.execute("UPDATE schema_migration SET compatible_from = 2 WHERE version = 2").await.unwrap();
    let store = reopened(folder.path()).await;
    let why = store.writable().unwrap_err().to_string();
    assert!(why.contains("schema 2") && why.contains("0.9.0"), "{why}");
    assert!(store.workflow(&WorkflowId::of("web")).await.unwrap().is_some());
    assert!(keep(&*store, "more", 1).await.is_err());
    let refused = store.commit(&WorkflowId::of("web"), None, &[Write::Audit(entry("x", 1))]).await;
    assert!(matches!(refused, Err(StoreError::ReadOnly(_))), "{refused:?}");
}

#[tokio::test]
async fn a_migration_that_is_not_ours_is_read_only() {
    let bench = SqliteBench::new().await;
    bench.store.close().await;
    let SqliteBench { folder, store, .. } = bench;
    drop(store);
    beside(folder.path()).await.execute("UPDATE schema_migration SET checksum = 'other'").await.unwrap();
    let why = reopened(folder.path()).await.writable().unwrap_err().to_string();
    assert!(why.contains("migration 1"), "{why}");
}

#[tokio::test]
async fn another_programs_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}?mode=rwc", folder.path().join("aiops.db").display());
    let mut other = SqliteConnection::connect(&url).await.unwrap();
    other.execute("CREATE TABLE theirs (x)").await.unwrap();
    other.close().await.unwrap();
    let before = std::fs::read(folder.path().join("aiops.db")).unwrap();
    let store = reopened(folder.path()).await;
    let why = store.writable().unwrap_err().to_string();
    assert!(why.contains("no store of aiops"), "{why}");
    store.close().await;
    assert_eq!(std::fs::read(folder.path().join("aiops.db")).unwrap(), before);
}
