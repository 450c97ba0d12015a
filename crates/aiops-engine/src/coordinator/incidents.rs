//! Requests about incidents and alerts.

use super::Inner;
use crate::{
    coordination::{Alert, AlertsTaken, IncidentList, IncidentQuery, IncidentView, NewIncident},
    error::Error,
    model::{caller::Caller, ids::IncidentId},
};

fn unbuilt<T>() -> Result<T, Error> {
    Err(Error::Internal { what: "an incident request".to_owned(), source: None })
}

impl Inner {
    pub(super) async fn incidents(&self, _: &Caller, _: IncidentQuery) -> Result<IncidentList, Error> {
        unbuilt()
    }

    pub(super) async fn incident(&self, _: &Caller, _: &IncidentId) -> Result<IncidentView, Error> {
        unbuilt()
    }

    pub(super) async fn create_incident(&self, _: &Caller, _: NewIncident) -> Result<IncidentView, Error> {
        unbuilt()
    }

    pub(super) async fn resolve_incident(
        &self,
        _: &Caller,
        _: &IncidentId,
        _: Option<String>,
    ) -> Result<IncidentView, Error> {
        unbuilt()
    }

    pub(super) async fn incident_report(&self, _: &Caller, _: &IncidentId) -> Result<String, Error> {
        unbuilt()
    }

    pub(super) async fn alerts(&self, _: &Caller, _: Vec<Alert>) -> Result<AlertsTaken, Error> {
        unbuilt()
    }
}
