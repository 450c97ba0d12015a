//! Incidents in a transaction: opened, counted, changed, closed.

use aiops_engine::{
    audit::CONTROL,
    keeping,
    model::{
        ids::IncidentId,
        incident::{Incident, IncidentStatus},
    },
    ports::store::{Entry, Filing, Report, Reported},
};
use async_trait::async_trait;

use super::{
    audit,
    db::{Done, Tx, Unit},
    failure::{Sort, Stop, sort},
    rows::incident::{self, incident_columns},
};

/// One by its id. On PostgreSQL the row is held until the transaction ends, so that two reports do not count as one.
const FIND: &str = concat!("SELECT ", incident_columns!(), " FROM incident WHERE id = $1");
const FIND_HELD: &str = concat!("SELECT ", incident_columns!(), " FROM incident WHERE id = $1 FOR UPDATE");
/// The open one of a fingerprint.
const OPEN: &str =
    concat!("SELECT ", incident_columns!(), " FROM incident WHERE fingerprint = $1 AND closed_at IS NULL");
const OPEN_HELD: &str = concat!(
    "SELECT ",
    incident_columns!(),
    " FROM incident WHERE fingerprint = $1 AND closed_at IS NULL FOR UPDATE"
);
/// Opens one, unless its id or its fingerprint is taken.
const INSERT: &str = concat!(
    "INSERT INTO incident (",
    incident_columns!(),
    ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) ON CONFLICT DO NOTHING \
     RETURNING id"
);
const UPDATE: &str = concat!(
    "UPDATE incident SET (",
    incident_columns!(),
    ") = ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) WHERE id = $1"
);

async fn one(
    tx: &mut Tx,
    statements: (&'static str, &'static str),
    value: &str,
) -> Result<Option<Incident>, Stop> {
    let statement = if tx.is_shared() { statements.1 } else { statements.0 };
    tx.optional(statement, [value.into()]).await?.map(|row| incident::read(&row)).transpose()
}

/// An incident by its id.
pub(super) async fn find(tx: &mut Tx, id: &IncidentId) -> Result<Option<Incident>, Stop> {
    one(tx, (FIND, FIND_HELD), id.as_str()).await
}

/// Writes an incident over the one that is there.
pub(super) async fn put(tx: &mut Tx, incident: &Incident) -> Result<(), Stop> {
    match tx.execute(UPDATE, incident::values(incident)?).await {
        Ok(1) => Ok(()),
        Ok(_) => Err(keeping::no_incident(&incident.id).into()),
        Err(Stop::Sql(error)) if sort(&error) == Sort::Unique => {
            Err(keeping::not_reopened(&incident.id, &"another one").into())
        }
        Err(stop) => Err(stop),
    }
}

/// Opens an incident, or counts the report with an open one; kept as `then` makes it.
pub(super) async fn report(
    tx: &mut Tx,
    report: &Report,
    then: &(dyn Fn(Incident) -> Incident + Sync),
) -> Result<Reported, Stop> {
    let mut open = None;
    if let Some(id) = &report.into {
        open = find(tx, id).await?.filter(|incident| incident.closed_at.is_none());
    }
    if open.is_none() {
        open = one(tx, (OPEN, OPEN_HELD), &report.incident.fingerprint).await?;
    }
    if let Some(open) = open {
        let merged = then(keeping::merged(&open, &report.incident));
        put(tx, &merged).await?;
        return Ok(Reported { id: merged.id, is_new: false, occurrences: merged.occurrences });
    }
    let opened = keeping::opened(&report.incident);
    let mut new = then(opened.clone());
    let mut n = 1;
    while tx.optional(INSERT, incident::values(&new)?).await?.is_none() {
        if find(tx, &new.id).await?.is_none() {
            // Somebody opened it since: the next turn counts.
            return Err(Stop::Race);
        }
        new = then(keeping::renamed(&opened, n));
        n += 1;
    }
    Ok(Reported { id: new.id, is_new: true, occurrences: new.occurrences })
}

/// Reports, in order.
pub(super) struct Reports<'a>(pub(super) &'a [Report]);

#[async_trait]
impl Unit for Reports<'_> {
    type Out = Vec<Reported>;

    fn takes_on(&self) -> bool {
        true
    }

    async fn run(&self, tx: &mut Tx) -> Result<Done<Vec<Reported>>, Stop> {
        let mut all = Vec::with_capacity(self.0.len());
        for one in self.0 {
            let reported = report(tx, one, &|incident| incident).await?;
            if let Some(line) = one.line.clone().filter(|_| reported.is_new) {
                let line = Entry { object: reported.id.to_string(), ..line };
                audit::append(tx, CONTROL, &[line]).await?;
            }
            all.push(reported);
        }
        Ok(if all.is_empty() { Done::Nothing(all) } else { Done::Written(all) })
    }
}

/// An incident closed or opened again by hand.
pub(super) struct SetIncident<'a> {
    pub(super) id: &'a IncidentId,
    pub(super) from: &'a [IncidentStatus],
    pub(super) to: IncidentStatus,
    pub(super) resolution: Option<&'a str>,
    pub(super) entry: &'a Entry,
}

#[async_trait]
impl Unit for SetIncident<'_> {
    type Out = ();

    async fn run(&self, tx: &mut Tx) -> Result<Done<()>, Stop> {
        let mut incident = find(tx, self.id).await?.ok_or_else(|| keeping::no_incident(self.id))?;
        keeping::may_become(self.id, incident.status, self.from, self.to)?;
        keeping::set(&mut incident, self.to, self.resolution, self.entry.at);
        put(tx, &incident).await?;
        audit::append(tx, CONTROL, std::slice::from_ref(self.entry)).await?;
        Ok(Done::Written(()))
    }
}

/// Alerts of an incident that fire no more, and its end when that was all.
pub(super) struct Quiet<'a> {
    pub(super) id: &'a IncidentId,
    pub(super) alerts: &'a [String],
    pub(super) close: Option<(&'a str, &'a Entry)>,
}

#[async_trait]
impl Unit for Quiet<'_> {
    type Out = bool;

    async fn run(&self, tx: &mut Tx) -> Result<Done<bool>, Stop> {
        let kept = find(tx, self.id).await?.ok_or_else(|| keeping::no_incident(self.id))?;
        let mut quieted = keeping::quieted(&kept, self.alerts);
        let close = self.close.filter(|_| keeping::rests(&quieted));
        if let Some((resolution, entry)) = close {
            keeping::set(&mut quieted, IncidentStatus::Resolved, Some(resolution), entry.at);
            audit::append(tx, CONTROL, std::slice::from_ref(entry)).await?;
        }
        if quieted == kept {
            return Ok(Done::Nothing(false));
        }
        put(tx, &quieted).await?;
        Ok(Done::Written(close.is_some()))
    }
}

/// An incident that is filed where it belongs.
pub(super) struct File<'a> {
    pub(super) id: &'a IncidentId,
    pub(super) filing: &'a Filing,
    pub(super) entry: &'a Entry,
}

#[async_trait]
impl Unit for File<'_> {
    type Out = Option<IncidentId>;

    async fn run(&self, tx: &mut Tx) -> Result<Done<Option<IncidentId>>, Stop> {
        let Some(kept) = find(tx, self.id).await?.filter(keeping::may_move) else {
            return Ok(Done::Nothing(None));
        };
        let there = one(tx, (OPEN, OPEN_HELD), &self.filing.fingerprint).await?;
        let (now, changed) = match there.filter(|there| there.id != *self.id) {
            Some(there) => {
                put(tx, &keeping::taken_over(&kept, &there.id, self.entry.at)).await?;
                (there.id.clone(), keeping::merged(&there, &kept))
            }
            None => (self.id.clone(), keeping::filed(&kept, self.filing)),
        };
        put(tx, &changed).await?;
        audit::append(tx, CONTROL, std::slice::from_ref(self.entry)).await?;
        Ok(Done::Written(Some(now)))
    }
}
