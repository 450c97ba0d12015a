//! What the machine itself takes for the same: a sync of the disk, a commit of SQLite, a route of axum.
//!
//! No line of aiops is in it.

use std::{
    fs::OpenOptions,
    io::Write as _,
    net::SocketAddr,
    path::Path,
    time::{Duration, Instant},
};

use axum::{Json, Router, routing::get};
use serde_json::json;
use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::times::Times;
use crate::load::Connection;

/// Four kilobytes at the end of a file, and a sync of its data.
pub(crate) fn sync(scratch: &Path, count: usize) -> anyhow::Result<Times> {
    let path = scratch.join("floor.bin");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).open(&path)?;
    let page = [7_u8; 4_096];
    let mut times = Times::default();
    for _ in 0..count {
        file.write_all(&page)?;
        let began = Instant::now();
        file.sync_data()?;
        times.push(began.elapsed());
    }
    drop(file);
    std::fs::remove_file(path)?;
    Ok(times)
}

/// One row, in one commit, as durable as ours: a write-ahead log that is synced at each.
pub(crate) async fn commit(scratch: &Path, count: usize) -> anyhow::Result<Times> {
    let folder = scratch.join("floor-sqlite");
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    let options = SqliteConnectOptions::new()
        .filename(folder.join("floor.db"))
        .create_if_missing(true)
        .disable_statement_logging();
    let mut database = options.connect().await?;
    sqlx::raw_sql("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE row (id INTEGER PRIMARY KEY, text TEXT)")
        .execute(&mut database)
        .await?;
    let mut times = Times::default();
    for _ in 0..count {
        let began = Instant::now();
        sqlx::query("INSERT INTO row (text) VALUES ($1)").bind("a row").execute(&mut database).await?;
        times.push(began.elapsed());
    }
    database.close().await?;
    std::fs::remove_dir_all(&folder)?;
    Ok(times)
}

/// A route that answers four bytes of JSON, over loopback.
pub(crate) async fn route(length: Duration) -> anyhow::Result<Times> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let router = Router::new().route("/floor", get(|| async { Json(json!(true)) }));
    #[expect(clippy::disallowed_methods, reason = "a benchmark has no shutdown to wait in")]
    let serving = tokio::spawn(async move { axum::serve(listener, router).await });
    let times = gets(address, "/floor", length).await;
    serving.abort();
    times
}

/// One caller reads a path again and again.
pub(crate) async fn gets(address: SocketAddr, path: &str, length: Duration) -> anyhow::Result<Times> {
    let mut connection = Connection::open(address).await?;
    let until = Instant::now() + length;
    let mut times = Times::default();
    while Instant::now() < until {
        let began = Instant::now();
        connection.get(path).await?;
        times.push(began.elapsed());
    }
    Ok(times)
}
