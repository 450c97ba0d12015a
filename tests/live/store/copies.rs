//! Backups and copies from and into PostgreSQL that is not empty in every table, not quick, or not ours to write to.

use std::{sync::Arc, time::Duration};

use aiops::store::{Options, backup};
use aiops_engine::{
    model::ids::WorkflowId,
    ports::store::{Horizon, Notice, Store as _, StoreError, Write},
};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection};

use super::{Wall, acceptance, in_folder, open, opened, options};
use crate::support::Postgres;

/// What somebody else does to the database.
async fn by_hand(url: &str, statement: &str) {
    let mut conn = PgConnection::connect(url).await.unwrap();
    conn.execute(sqlx::raw_sql(AssertSqlSafe(statement.to_owned()))).await.unwrap();
    conn.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_aiops_without_work_counts_is_in_nobodys_way() {
    let server = Postgres::start().await;
    let folder = tempfile::tempdir().unwrap();
    let horizon = |seen| Horizon { seen, since: seen - 1, before: seen - 2 };
    let source = in_folder(&folder.path().join("source"));
    let first = open(&source, Arc::new(Wall)).await.unwrap();
    let store = first.store();
    store.accept(&acceptance("web", 1)).await.unwrap();
    let told = Notice { kind: "parked".into(), workflow: None, at: 1, body: serde_json::json!({}) };
    store.commit(&WorkflowId::of("web"), None, &[Write::Notice(told.clone())]).await.unwrap();
    store.keep_horizon(&horizon(500)).await.unwrap();
    store.close().await;
    let file = folder.path().join("backup.db");
    backup::backup(&source, &file, Arc::new(Wall)).await.unwrap();

    for way in ["restored", "copied", "copied into a folder"] {
        let to = match way {
            "copied into a folder" => in_folder(&folder.path().join("target")),
            _ => options(&server.place().await),
        };
        // The first sweep of an aiops that has nothing to do.
        let idle = open(&to, Arc::new(Wall)).await.unwrap();
        idle.store().keep_horizon(&horizon(900)).await.unwrap();
        idle.store().close().await;
        drop(idle);
        let done = match way {
            "restored" => backup::restore(&to, &file, false, Arc::new(Wall)).await,
            _ => backup::copy(&source, &to, Arc::new(Wall)).await,
        };
        assert_eq!(done.unwrap_or_else(|error| panic!("{way}: {error}")).rows.of("workflow"), 1);
        let now = open(&to, Arc::new(Wall)).await.unwrap();
        let store = now.store();
        assert_eq!(store.horizon().await.unwrap(), Some(horizon(500)), "{way}");
        // A receiver may know the numbers that followed the one in the backup.
        store.commit(&WorkflowId::of("web"), None, &[Write::Notice(told.clone())]).await.unwrap();
        let numbers: Vec<i64> =
            store.due_notices(i64::MAX, 9).await.unwrap().iter().map(|notice| notice.seq).collect();
        assert!(matches!(numbers[..], [1, next] if next > 100_000), "{way}: {numbers:?}");
        store.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_may_take_longer_than_a_statement() {
    const LINES: u64 = 60_000;
    let server = Postgres::start().await;
    let url = server.place().await;
    let store = opened(&url).await;
    store.accept(&acceptance("web", 1)).await.unwrap();
    store.close().await;
    let lines = format!(
        "INSERT INTO audit (chain, seq, at, actor, via, action, object, body, prev_hash, hash) \
         SELECT 'long', n, 1, 'a', 'rest', 'b', 'c', '{{\"text\":\"' || repeat('x', 600) || '\"}}', '', n::text \
         FROM generate_series(1, {LINES}) AS n"
    );
    by_hand(&url, &lines).await;
    let folder = tempfile::tempdir().unwrap();
    // A statement may take twice as long; these rows take several times that.
    let hurried = Options { busy_timeout: Duration::from_millis(300), ..options(&url) };
    let file = folder.path().join("backup.db");
    let rows = backup::backup(&hurried, &file, Arc::new(Wall)).await.unwrap();
    assert_eq!(rows.of("audit"), LINES + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_of_a_newer_release_is_read_and_names_what_it_needs() {
    let server = Postgres::start().await;
    let url = server.place().await;
    let store = opened(&url).await;
    store.accept(&acceptance("web", 1)).await.unwrap();
    store.close().await;
    by_hand(&url, "INSERT INTO schema_migration VALUES (2, 'x', 2, '0.9.0', 5)").await;
    let store = opened(&url).await;
    for _ in 0..2 {
        assert!(store.workflow(&WorkflowId::of("web")).await.unwrap().is_some());
        let refused = store.accept(&acceptance("more", 1)).await;
        let Err(StoreError::ReadOnly(why)) = refused else { panic!("{refused:?}") };
        assert!(why.contains("schema 2") && why.contains("0.9.0"), "{why}");
        assert!(matches!(store.writable(), Err(StoreError::ReadOnly(said)) if said == why));
    }
}
