//! The store on SQLite: the contract of the port, and what it does when its files are not as it left them.
//!
//! PostgreSQL is in `tests/live`, because it needs a server.

mod backups;
mod bench;
mod cli;
mod damage;
mod engine;
mod faults;
#[cfg(target_os = "linux")]
mod full_disk;
mod hour;
mod life;
mod recovered;
mod reserve;
mod room;
mod sample;
mod standing;
mod stored;

use std::sync::Arc;

use aiops_engine::testing::store_contract::checks;

use self::bench::SqliteBench;

#[tokio::test]
async fn sqlite_keeps_the_contract() {
    let mut wrong = Vec::new();
    for check in checks() {
        let bench = Arc::new(SqliteBench::new().await);
        if let Err(found) = check.run(Arc::<SqliteBench>::clone(&bench)).await {
            wrong.push(found.to_string());
        }
        bench.store.close().await;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
