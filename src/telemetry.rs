//! What aiops says about itself: logs, spans and metrics.
//!
//! It never writes to stdout, which belongs to JSON-RPC.

pub mod metrics;

pub use metrics::Metrics;
