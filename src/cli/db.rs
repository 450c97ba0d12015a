//! `aiops db`: the store's schema, its backups, and its way to another database.
//!
//! It works on a store that is in use, overwrites nothing unasked and prints no password.

use std::{path::PathBuf, sync::Arc};

use aiops_engine::ports::store::Store as _;
use clap::{Args, Subcommand};

use super::{Failure, Global, print, run};
use crate::{
    clock::SystemClock,
    config::Environment,
    store::{self, Counts, Location, Opened, Options, backup},
};

/// The store: schema, backups, copies.
#[derive(Debug, Args)]
pub struct DbArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Bring the schema up to this release, as a start does, and say how the store stands
    Migrate,
    /// Write what the store keeps at this moment into a new file, while it is in use
    Backup {
        /// The file; it must not exist
        file: PathBuf,
    },
    /// Put a backup in the place of the store; what was active in it is looked at again, and nothing is done twice
    Restore {
        /// The backup
        file: PathBuf,
        /// Also where something is kept: a SQLite file is set aside, what PostgreSQL holds is deleted
        #[arg(long)]
        force: bool,
    },
    /// Copy the store into another, empty one
    Copy {
        /// A folder for SQLite, a postgres:// URL, or @FILE that holds one
        to: String,
    },
}

pub(super) fn db(args: &DbArgs, global: &Global, environment: Environment) -> Result<(), Failure> {
    let loaded = global.load(environment, Vec::new())?;
    run::within(2, async {
        let options = Options::of(&loaded)?;
        let clock = Arc::new(SystemClock);
        let place = options.location.shown();
        let text = match &args.what {
            What::Migrate => migrate(&options).await?,
            What::Backup { file } => {
                let rows = backup::backup(&options, file, clock).await?;
                format!("{} of {place} are in {}", summary(&rows), file.display())
            }
            What::Restore { file, force } => {
                let restored = backup::restore(&options, file, *force, clock).await?;
                let mut lines = vec![
                    format!("{} are restored to {place}", summary(&restored.rows)),
                    format!("{} active workflows are looked at again when aiops starts", restored.active),
                ];
                if let Some(aside) = restored.set_aside {
                    lines.push(format!("what was there is in {}", aside.display()));
                }
                lines.join("\n")
            }
            What::Copy { to } => {
                let to = Options { location: Location::named(to)?, ..options.clone() };
                let copied = backup::copy(&options, &to, clock).await?;
                format!(
                    "{} of {place} are copied to {}\nEnd aiops on the old store before you start it on the new one: \
                     {} active workflows are in both",
                    summary(&copied.rows),
                    to.location.shown(),
                    copied.active
                )
            }
        };
        Ok(print::out(&text)?)
    })
}

async fn migrate(options: &Options) -> Result<String, Failure> {
    let place = options.location.shown();
    let opened = store::open(options, Arc::new(SystemClock)).await?;
    let store = opened.store();
    let ready = store.prepare().await.and_then(|()| store.writable());
    let text = match (&opened, ready) {
        (Opened::Second(_), _) => Ok(format!(
            "an aiops executes on {place}, so its schema is the one of that release; end it to migrate to another"
        )),
        (Opened::Sole(_), Ok(())) => Ok(format!("{place} is at schema {}", store::schema())),
        (Opened::Sole(_), Err(error)) => Err(error),
    };
    store.close().await;
    Ok(text?)
}

fn summary(rows: &Counts) -> String {
    format!(
        "{} workflows, {} incidents and {} audit lines",
        rows.of("workflow"),
        rows.of("incident"),
        rows.of("audit")
    )
}
