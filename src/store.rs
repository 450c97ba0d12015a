//! The store: what was decided and done, kept in SQLite or PostgreSQL so that it survives everything.
//!
//! It implements the engine's [`Store`] port with static, portable statements; the contract it keeps stands there and is
//! checked for every implementation by the same suite. It decides nothing about remediation, it never makes anew or
//! overwrites what is there, and where it may not write it says why ([`Store::writable`]).

mod accept;
mod audit;
pub mod backup;
mod commit;
mod db;
mod doubt;
mod examine;
mod failure;
mod files;
mod incidents;
mod leases;
mod mark;
mod migrate;
mod options;
mod postgres;
mod readers;
mod reads;
mod reserve;
mod rows;
mod sqlite;
mod tables;
mod upkeep;
mod values;

use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Arc, Once},
    time::Duration,
};

use aiops_engine::{
    model::{
        Millis,
        ids::{IncidentId, WorkflowId},
        incident::{Incident, IncidentStatus},
        phase::Phase,
        workflow::{Record, Workflow},
    },
    ports::{
        Clock,
        store::{
            Acceptance, Active, AuditLine, Control, Cooldown, DueNotice, Entry, Fence, Filing, Horizon,
            Idempotency, IncidentCounts, IncidentFilter, Lease, Notice, Report, Reported, Rows, Store,
            StoreError, Taken, WorkflowFilter, Write,
        },
    },
};
use async_trait::async_trait;
use tokio::sync::OnceCell;

pub use self::tables::Counts;
use self::{
    db::{Db, Dialect, Standing},
    reserve::Reserve,
};

/// Where the store is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file in this folder, which is made when it is not there.
    Folder(PathBuf),
    /// A PostgreSQL database, by its URL. It may hold a password, so it is never shown.
    Postgres(String),
}

impl std::fmt::Debug for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Folder(folder) => f.debug_tuple("Folder").field(folder).finish(),
            Self::Postgres(_) => f.write_str("Postgres"),
        }
    }
}

/// How to open the store.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it is.
    pub location: Location,
    /// How long to wait for a lock that somebody else holds.
    pub busy_timeout: Duration,
    /// The most bytes that a SQLite file may grow to; `None` leaves it to the disk. PostgreSQL has limits of its own.
    pub max_bytes: Option<u64>,
}

/// What this process is to the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one process that executes on this state directory.
    Sole,
    /// Another process executes on this state directory; this one reads.
    Second,
    /// Nobody knows who executes: the state directory cannot be locked. This one reads.
    Reader,
    /// One of several that share a PostgreSQL database.
    Shared,
}

/// A store that was opened.
#[derive(Debug)]
pub enum Opened {
    /// This process executes on it, if it may be written to at all: [`Store::writable`] says.
    Sole(Arc<SqlStore>),
    /// Another process executes; this one reads. Opening again takes over once the other one has ended.
    Second(Arc<SqlStore>),
}

impl Opened {
    /// The store.
    pub fn store(&self) -> &Arc<SqlStore> {
        match self {
            Self::Sole(store) | Self::Second(store) => store,
        }
    }
}

/// The store in a database.
pub struct SqlStore {
    db: Db,
    role: Role,
    /// PostgreSQL is prepared when it is first reached.
    prepared: OnceCell<()>,
    /// Held until the store is dropped, and another one that took its place.
    lock: Option<Arc<File>>,
}

impl std::fmt::Debug for SqlStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SqlStore").field("role", &self.role).finish_non_exhaustive()
    }
}

/// Opens the store. A SQLite store is examined before anything is written to it; a PostgreSQL store is reached for on
/// first use, so that a database that is down keeps nobody from starting.
///
/// # Errors
/// The URL is none. Everything else is told by [`Store::writable`] and by each call.
pub async fn open(options: &Options, clock: Arc<dyn Clock>) -> Result<Opened, StoreError> {
    let busy = options.busy_timeout;
    Ok(match &options.location {
        Location::Folder(folder) => {
            let sqlite::Attached { db, role, lock } =
                sqlite::open(folder, busy, options.max_bytes, clock, None).await;
            // That another process executes is as it should be, and is told by whoever opens it.
            if let Err(error) = db.writable()
                && role != Role::Second
            {
                tracing::warn!(folder = %folder.display(), %error, "the store may not be written to");
            }
            let store = Arc::new(SqlStore { db, role, prepared: OnceCell::new_with(Some(())), lock });
            if role == Role::Second { Opened::Second(store) } else { Opened::Sole(store) }
        }
        Location::Postgres(url) => {
            let db = postgres::open(url, busy, clock)?;
            let store = SqlStore { db, role: Role::Shared, prepared: OnceCell::new(), lock: None };
            Opened::Sole(Arc::new(store))
        }
    })
}

/// Opens a store again that could not be opened for writing, for a reason that passes by itself
/// ([`SqlStore::is_to_be_opened_again`]), under the lock that it holds; `None` when nothing has changed. The old one is still
/// to be closed.
pub async fn open_again(store: &SqlStore, options: &Options, clock: Arc<dyn Clock>) -> Option<Arc<SqlStore>> {
    let Location::Folder(folder) = &options.location else { return None };
    let held = store.lock.clone();
    let sqlite::Attached { db, role, lock } =
        sqlite::open(folder, options.busy_timeout, options.max_bytes, clock, held).await;
    let next = Arc::new(SqlStore { db, role, prepared: OnceCell::new_with(Some(())), lock });
    if next.is_to_be_opened_again() || next.role == Role::Second {
        next.close().await;
        return None;
    }
    Some(next)
}

/// Opens a store for reading alone, also while a process executes on it. Nothing is written to it, made or locked.
///
/// # Errors
/// There is none, it cannot be trusted, or the URL is none.
pub async fn look(options: &Options, clock: Arc<dyn Clock>) -> Result<Arc<SqlStore>, StoreError> {
    let busy = options.busy_timeout;
    let (db, role) = match &options.location {
        Location::Folder(folder) => (files::look(folder, busy, &clock).await?, Role::Reader),
        Location::Postgres(url) => (postgres::open(url, busy, clock)?, Role::Shared),
    };
    *db.standing.lock() = Standing::ReadOnly(StoreError::ReadOnly("it was opened for reading".to_owned()));
    Ok(Arc::new(SqlStore { db, role, prepared: OnceCell::new_with(Some(())), lock: None }))
}

/// Whether another process executes on this store. It is asked often, and looks at the lock alone.
pub fn is_held(options: &Options) -> bool {
    match &options.location {
        Location::Folder(folder) => sqlite::is_held(folder),
        Location::Postgres(_) => false,
    }
}

/// The process that executes on the store of a state directory, as it wrote itself down; for people.
pub fn holder(folder: &Path) -> Option<String> {
    sqlite::holder(folder)
}

/// The schema that this binary knows.
pub fn schema() -> i64 {
    migrate::known()
}

/// Makes both databases known to SQLx, once.
fn install_drivers() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        sqlx::any::install_drivers(&[sqlx::sqlite::any::DRIVER, sqlx::postgres::any::DRIVER]).ok();
    });
}

impl SqlStore {
    /// What this process is to it.
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether there is anything to read.
    pub const fn is_there(&self) -> bool {
        self.db.reader.is_some() || self.db.writer.is_some()
    }

    /// Whether it could not be opened for writing because the disk was full or a file was locked: [`open_again`] when that
    /// may be over.
    pub fn is_to_be_opened_again(&self) -> bool {
        self.db.writer.is_none()
            && matches!(self.db.writable(), Err(StoreError::Full(_) | StoreError::Unavailable(_)))
    }

    /// Looks at the schema and brings it up, where that was not done when the store was opened.
    ///
    /// # Errors
    /// The database cannot be reached, or this binary may not write to it.
    pub async fn prepare(&self) -> Result<(), StoreError> {
        self.prepared.get_or_try_init(|| postgres::prepare(&self.db)).await.map(drop)
    }

    /// Ends the connections in order. SQLite writes its log into the database.
    pub async fn close(&self) {
        if let Some(writer) = &self.db.writer {
            if self.db.dialect == Dialect::Sqlite {
                let folded = sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(writer).await;
                if let Err(error) = folded {
                    tracing::debug!(%error, "the log stays beside the database");
                }
            }
            writer.close().await;
        }
        if let Some(reader) = &self.db.reader {
            reader.close().await;
        }
    }

    /// Keeps room back for the day on which the disk is full (16 MiB in a file beside the database; of one whose size is
    /// limited an eighth at most), where this process executes on a SQLite store. Once it is given up, what is under way is
    /// still recorded, and nothing new is taken on.
    pub async fn keep_reserve(&self, options: &Options) {
        if let (Location::Folder(folder), Some(writer)) = (&options.location, &self.db.writer)
            && self.role == Role::Sole
        {
            let limit = self.db.common.pages.clone();
            self.db.reserve.get_or_init(|| Reserve::keep(folder, options.max_bytes, limit, writer)).await;
        }
    }

    /// Takes the room back that was kept for a full disk, where it was given up and there is as much again. Whoever executes
    /// asks now and then: a store that nobody writes to would otherwise be taken for full after it has room.
    pub async fn look_for_room(&self) {
        if let (Some(reserve), Some(writer)) = (self.db.reserve.get(), &self.db.writer) {
            reserve.take_back(writer).await;
        }
    }

    async fn write<U: db::Unit>(&self, unit: U) -> Result<U::Out, StoreError> {
        self.prepare().await?;
        self.db.write(&unit).await
    }

    /// To read with: also where this binary may not write, such as what a newer release wrote.
    async fn ready(&self) -> Result<&Db, StoreError> {
        match self.prepare().await {
            Ok(()) | Err(StoreError::ReadOnly(_)) => Ok(&self.db),
            Err(error) => Err(error),
        }
    }
}

#[async_trait]
impl Store for SqlStore {
    fn writable(&self) -> Result<(), StoreError> {
        self.db.writable()
    }

    async fn accept(&self, acceptance: &Acceptance) -> Result<Taken, StoreError> {
        self.write(accept::Accept(acceptance)).await
    }

    async fn commit(
        &self,
        workflow: &WorkflowId,
        fence: Option<&Fence>,
        writes: &[Write],
    ) -> Result<(), StoreError> {
        self.write(commit::Commit { workflow, fence, writes }).await
    }

    async fn claim(&self, owner: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        self.write(leases::Claim { owner, ttl }).await
    }

    async fn renew(&self, lease: &Lease, ttl: Duration) -> Result<bool, StoreError> {
        self.write(leases::Renew { lease, ttl }).await
    }

    async fn wake(&self, workflow: &WorkflowId) -> Result<(), StoreError> {
        self.write(leases::Wake(workflow)).await
    }

    async fn time(&self) -> Result<Millis, StoreError> {
        self.ready().await?.now().await
    }

    async fn request(
        &self,
        principal: &str,
        key: &str,
    ) -> Result<Option<(Idempotency, WorkflowId)>, StoreError> {
        self.ready().await?.request(principal, key).await
    }

    async fn next_due(&self) -> Result<Option<Millis>, StoreError> {
        self.ready().await?.next_due().await
    }

    async fn workflow(&self, id: &WorkflowId) -> Result<Option<Record>, StoreError> {
        self.ready().await?.workflow(id).await
    }

    async fn workflows(&self, filter: &WorkflowFilter) -> Result<Rows<Workflow>, StoreError> {
        self.ready().await?.workflows(filter).await
    }

    async fn active(&self, limit: u32) -> Result<Vec<Active>, StoreError> {
        self.ready().await?.active(limit).await
    }

    async fn began(&self, workflows: &[WorkflowId]) -> Result<Vec<(WorkflowId, Millis)>, StoreError> {
        self.ready().await?.began(workflows).await
    }

    async fn report(&self, reports: &[Report]) -> Result<Vec<Reported>, StoreError> {
        self.write(incidents::Reports(reports)).await
    }

    async fn incident(&self, id: &IncidentId) -> Result<Option<Incident>, StoreError> {
        self.ready().await?.incident(id).await
    }

    async fn incidents(&self, filter: &IncidentFilter) -> Result<Rows<Incident>, StoreError> {
        self.ready().await?.incidents(filter).await
    }

    async fn closed_since(&self, since: Millis, limit: u32) -> Result<Vec<Incident>, StoreError> {
        self.ready().await?.closed_since(since, limit).await
    }

    async fn incident_counts(&self, filter: &IncidentFilter) -> Result<IncidentCounts, StoreError> {
        self.ready().await?.incident_counts(filter).await
    }

    async fn set_incident(
        &self,
        id: &IncidentId,
        from: &[IncidentStatus],
        to: IncidentStatus,
        resolution: Option<&str>,
        entry: &Entry,
    ) -> Result<(), StoreError> {
        self.write(incidents::SetIncident { id, from, to, resolution, entry }).await
    }

    async fn quiet(
        &self,
        id: &IncidentId,
        alerts: &[String],
        close: Option<(&str, &Entry)>,
    ) -> Result<bool, StoreError> {
        self.write(incidents::Quiet { id, alerts, close }).await
    }

    async fn file_incident(
        &self,
        id: &IncidentId,
        filing: &Filing,
        entry: &Entry,
    ) -> Result<Option<IncidentId>, StoreError> {
        self.write(incidents::File { id, filing, entry }).await
    }

    async fn cooldown(&self, fingerprint: &str) -> Result<Option<Cooldown>, StoreError> {
        self.ready().await?.cooldown(fingerprint).await
    }

    async fn outcomes_since(&self, since: Millis) -> Result<Vec<Phase>, StoreError> {
        self.ready().await?.outcomes_since(since).await
    }

    async fn budget_used(&self, scope: &str, bucket: i64) -> Result<u32, StoreError> {
        self.ready().await?.budget_used(scope, bucket).await
    }

    async fn incidents_since(&self, since: Millis) -> Result<u64, StoreError> {
        self.ready().await?.incidents_since(since).await
    }

    async fn controls(&self) -> Result<Vec<Control>, StoreError> {
        self.ready().await?.controls().await
    }

    async fn set_control(
        &self,
        control: &Control,
        entry: &Entry,
        notice: Option<&Notice>,
    ) -> Result<(), StoreError> {
        self.write(upkeep::SetControl { control, entry, notice }).await
    }

    async fn audit(&self, chain: &str, after: i64, limit: u32) -> Result<Vec<AuditLine>, StoreError> {
        self.ready().await?.audit(chain, after, limit).await
    }

    async fn audit_heads(&self) -> Result<Vec<(String, i64, String)>, StoreError> {
        self.ready().await?.audit_heads().await
    }

    async fn audit_head(&self, chain: &str) -> Result<Option<(i64, String)>, StoreError> {
        self.ready().await?.audit_head(chain).await
    }

    async fn anchor(&self, at: Millis) -> Result<Option<(i64, String)>, StoreError> {
        self.write(audit::Anchor(at)).await
    }

    async fn due_notices(&self, now: Millis, limit: u32) -> Result<Vec<DueNotice>, StoreError> {
        self.ready().await?.due_notices(now, limit).await
    }

    async fn settle_notice(&self, seq: i64, again_at: Option<Millis>) -> Result<(), StoreError> {
        self.write(upkeep::SettleNotice { seq, again_at }).await
    }

    async fn hold_duty(&self, name: &str, owner: &str, ttl: Duration) -> Result<bool, StoreError> {
        self.write(leases::HoldDuty { name, owner, ttl }).await
    }

    async fn horizon(&self) -> Result<Option<Horizon>, StoreError> {
        self.ready().await?.read(&upkeep::ReadHorizon).await
    }

    async fn keep_horizon(&self, horizon: &Horizon) -> Result<(), StoreError> {
        self.write(upkeep::KeepHorizon(*horizon)).await
    }

    async fn retain(&self, before: Millis, limit: u32) -> Result<(u64, u64), StoreError> {
        self.write(upkeep::Retain { before, limit }).await
    }
}
