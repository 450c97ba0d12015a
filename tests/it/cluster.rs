//! The cluster room against a small API server in this process.
//!
//! Each test waits for a state of the inventory with a deadline; none needs a cluster.

mod acting;
mod doctor;
mod faults;
mod feed;
mod kubeconfigs;
mod live;
mod objects;
mod stub;
