//! `GET /metrics`: what was counted, and what is measured at the moment of asking.
//!
//! Nothing is measured between two scrapes.

use aiops_engine::Engine;
use aiops_inventory::Kind;
use axum::{
    extract::State,
    http::{HeaderName, header},
};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::{ConstGauge, Gauge},
        info::Info,
    },
    registry::{Registry, Unit},
};

use super::{About, Door};
use crate::telemetry::process;

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) async fn metrics(State(door): State<Door>) -> ([(HeaderName, &'static str); 1], String) {
    let about = &door.0.about;
    let now = measure(about);
    ([(header::CONTENT_TYPE, OPEN_METRICS)], about.metrics.render_with(Some(&now)))
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

#[derive(Debug, Clone, Hash, PartialEq, Eq, EncodeLabelSet)]
struct StateLabels {
    kind: &'static str,
    state: &'static str,
}

fn measure(about: &About) -> Registry {
    let mut registry = Registry::default();
    registry.register(
        "aiops_build",
        "The version and the mode",
        Info::new([("version", env!("CARGO_PKG_VERSION")), ("mode", about.mode.as_str())]),
    );
    inventory(&about.engine, &mut registry);
    registry.register_with_unit(
        "aiops_uptime",
        "Time since the process began",
        Unit::Seconds,
        ConstGauge::new(process::uptime()),
    );
    if let Some(memory) = process::memory() {
        let bytes = |bytes: u64| ConstGauge::new(i64::try_from(bytes).unwrap_or(i64::MAX));
        registry.register_with_unit(
            "process_resident_memory",
            "Resident memory",
            Unit::Bytes,
            bytes(memory.resident),
        );
        registry.register_with_unit(
            "process_anonymous_memory",
            "Resident memory that is backed by no file",
            Unit::Bytes,
            bytes(memory.anonymous),
        );
    }
    registry
}

fn inventory(engine: &Engine, registry: &mut Registry) {
    let rows = Family::<KindLabels, Gauge>::default();
    let age = Family::<KindLabels, Gauge>::default();
    let state = Family::<StateLabels, Gauge>::default();
    let unreadable = Family::<KindLabels, Gauge>::default();
    let restarts = Family::<KindLabels, Counter>::default();
    let now = engine.now().as_second();
    let look = engine.look();
    let generation = look.generation();
    for kind in Kind::ALL {
        let status = look.status(kind);
        let labels = KindLabels { kind: kind.name() };
        // A kind that is not known has no number of rows, which is not the same as none.
        if status.sync.is_known() {
            rows.get_or_create(&labels).set(i64::try_from(status.rows).unwrap_or(i64::MAX));
        }
        if let Some(heard) = status.heard {
            age.get_or_create(&labels).set(now.saturating_sub(heard).max(0));
        }
        state.get_or_create(&StateLabels { kind: kind.name(), state: status.sync.as_str() }).set(1);
        unreadable.get_or_create(&labels).set(i64::try_from(status.unreadable).unwrap_or(i64::MAX));
        restarts.get_or_create(&labels).inc_by(status.restarts);
    }
    drop(look);
    registry.register("aiops_inventory_rows", "Rows held, by kind; absent while the kind is not known", rows);
    registry.register_with_unit(
        "aiops_inventory_age",
        "Time since the watch of a kind said anything",
        Unit::Seconds,
        age,
    );
    registry.register("aiops_inventory_state", "1 for the state a kind is in", state);
    registry.register("aiops_inventory_unreadable", "Objects that exist and could not be read", unreadable);
    registry.register("aiops_watch_restarts", "How often a watch broke and was begun again", restarts);
    registry.register("aiops_inventory_changes", "Changes of the inventory", ConstCounter::new(generation));
}
