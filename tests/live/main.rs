//! Tests against a real control plane, made by tests/controlplane: etcd, kube-apiserver, controllers, scheduler, KWOK.
//!
//! They need Go, so a plain `cargo test` leaves them out; `tests/live/run` (or `cargo test --test live`) runs them. A
//! missing part fails with what to install; nothing is skipped.

#![expect(clippy::disallowed_methods, reason = "a test ends its own tasks, and no shutdown waits for them")]

#[cfg(test)]
mod acting;
#[cfg(test)]
mod alerts;
#[cfg(test)]
mod answers;
#[cfg(test)]
mod canaries;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod diagnosis;
#[cfg(test)]
mod evictions;
#[cfg(test)]
mod guards;
#[cfg(test)]
mod helm;
#[cfg(test)]
mod incident;
#[cfg(test)]
mod kills;
#[cfg(test)]
mod member;
#[cfg(test)]
mod openshift;
#[cfg(test)]
mod outages;
#[cfg(test)]
mod owners;
#[cfg(test)]
mod plane;
#[cfg(test)]
mod rollback;
#[cfg(test)]
#[path = "../it/store/sample.rs"]
mod sample;
#[cfg(test)]
mod store;
#[cfg(test)]
mod support;
