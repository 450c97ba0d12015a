//! What the store of a process says, read from the database itself, with statements of its own: where each workflow was when
//! the process died.
//!
//! It shares no code with the engine or the store, and writes nothing.

use std::path::Path;

use sqlx::{AnyConnection, Connection as _, Row as _};

/// Where a workflow was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Point {
    /// Accepted; its plan is being made and proven.
    Planning,
    /// Planned; the intent of its next step is not there.
    BeforeIntent,
    /// An intent is there, and not what became of it.
    Intent,
    /// What became of a step is there; it is not verified.
    Outcome,
    /// All steps are taken and it is watched.
    Verifying,
    /// On the way back, before the intent of an undoing.
    UndoBeforeIntent,
    /// On the way back: an intent is there, and not what became of it.
    UndoIntent,
    /// On the way back, after an outcome.
    UndoOutcome,
    /// Over.
    Ended,
}

/// A workflow.
#[derive(Debug, Clone)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) phase: String,
    pub(super) owner: Option<String>,
    pub(super) epoch: i64,
    pub(super) wake_at: i64,
    pub(super) reason: String,
    cursor: i64,
}

impl Line {
    /// Nothing follows, or only a person.
    pub(super) fn is_over(&self) -> bool {
        matches!(
            self.phase.as_str(),
            "completed" | "failed" | "rolled_back" | "cancelled" | "refused" | "rejected" | "expired"
        ) || self.is_parked()
    }

    pub(super) fn is_parked(&self) -> bool {
        self.phase == "needs_operator"
    }
}

/// A connection to a store.
pub(super) struct Books(AnyConnection);

const LINES: &str = "SELECT id, phase, lease_owner, lease_epoch, wake_at, reason, cursor_ord FROM workflow \
                     ORDER BY id";
const STEP: &str = "SELECT state FROM step WHERE workflow_id = $1 AND ord = $2 AND dir = $3";
const OPEN: &str =
    "SELECT COUNT(*) FROM step_attempt WHERE workflow_id = $1 AND ord = $2 AND dir = $3 AND outcome IS NULL";
const TRAIL: &str = "SELECT at, action, body FROM audit WHERE chain LIKE '%' || $1 ORDER BY seq";

fn install() {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        // The store of this process may have done it before.
        let _ = sqlx::any::install_drivers(&[sqlx::sqlite::any::DRIVER, sqlx::postgres::any::DRIVER]);
    });
}

impl Books {
    /// Reads a database that is in use.
    pub(super) async fn of(url: &str) -> Result<Self, sqlx::Error> {
        install();
        AnyConnection::connect(url).await.map(Self)
    }

    /// Reads the database of a state directory that is in use.
    pub(super) async fn of_folder(state: &Path) -> Result<Self, sqlx::Error> {
        Self::of(&format!("sqlite://{}?mode=ro", state.join("aiops.db").display())).await
    }

    /// Reads a copy of the database of a state directory whose process is dead, so that nothing is touched that the next one
    /// has to repair.
    pub(super) async fn of_dead(state: &Path) -> (Self, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        for name in ["aiops.db", "aiops.db-wal"] {
            if state.join(name).exists() {
                std::fs::copy(state.join(name), folder.path().join(name)).unwrap();
            }
        }
        let url = format!("sqlite://{}?mode=rw", folder.path().join("aiops.db").display());
        (Self::of(&url).await.unwrap(), folder)
    }

    /// Every workflow.
    pub(super) async fn lines(&mut self) -> Result<Vec<Line>, sqlx::Error> {
        let rows = sqlx::query(LINES).fetch_all(&mut self.0).await?;
        let line = |row: &sqlx::any::AnyRow| {
            Ok(Line {
                id: row.try_get(0)?,
                phase: row.try_get(1)?,
                owner: row.try_get(2)?,
                epoch: row.try_get(3)?,
                wake_at: row.try_get(4)?,
                reason: row.try_get::<Option<String>, _>(5)?.unwrap_or_default(),
                cursor: row.try_get(6)?,
            })
        };
        rows.iter().map(line).collect()
    }

    /// What its audit chain says of a workflow, for a failure that has to be understood.
    pub(super) async fn trail(&mut self, id: &str) -> Result<Vec<String>, sqlx::Error> {
        let rows = sqlx::query(TRAIL).bind(id).fetch_all(&mut self.0).await?;
        let told = |row: &sqlx::any::AnyRow| {
            let (action, body): (String, String) = (row.try_get(1)?, row.try_get(2)?);
            Ok(format!("{} {action} {body}", row.try_get::<i64, _>(0)?))
        };
        rows.iter().map(told).collect()
    }

    /// One workflow.
    pub(super) async fn line(&mut self, id: &str) -> Result<Option<Line>, sqlx::Error> {
        Ok(self.lines().await?.into_iter().find(|line| line.id == id))
    }

    /// Where it is.
    pub(super) async fn point(&mut self, line: &Line) -> Result<Point, sqlx::Error> {
        let direction = match line.phase.as_str() {
            "planning" | "awaiting_approval" => return Ok(Point::Planning),
            "queued" => return Ok(Point::BeforeIntent),
            "running" => "do",
            "verifying" => return Ok(Point::Verifying),
            "rolling_back" => "undo",
            _ => return Ok(Point::Ended),
        };
        let is_back = direction == "undo";
        let state = sqlx::query(STEP).bind(&line.id).bind(line.cursor).bind(direction);
        let state: Option<String> =
            state.fetch_optional(&mut self.0).await?.map(|row| row.try_get(0)).transpose()?;
        let open = sqlx::query(OPEN).bind(&line.id).bind(line.cursor).bind(direction);
        let open: i64 = open.fetch_one(&mut self.0).await?.try_get(0)?;
        Ok(match (state.as_deref(), open > 0, is_back) {
            (Some("intent"), true, false) => Point::Intent,
            (Some("intent"), true, true) => Point::UndoIntent,
            (None | Some("pending" | "intent"), _, false) => Point::BeforeIntent,
            (None | Some("pending" | "intent"), _, true) => Point::UndoBeforeIntent,
            (Some(_), _, false) => Point::Outcome,
            (Some(_), _, true) => Point::UndoOutcome,
        })
    }
}
