//! An engine that acts on a cluster it reaches only through another aiops, a *member*: both ends, and what passes between
//! them.
//!
//! [`Member`] stands at the cluster: it observes and performs for principals that are granted it, behind its own namespaces,
//! its own kill switch and a line of audit for each change. It keeps nothing, plans nothing and guards nothing a second
//! time. [`MemberCluster`] is the other end: the ports [`Cluster`](crate::ports::Cluster) and
//! [`Acting`](crate::ports::acting::Acting) over a [`Line`]. How a line reaches the member is a room's business.
//!
//! What becomes of a change keeps its three values on the way: done, not done, not known. Nothing on this way sends a change
//! a second time, and a member takes each request once, only while it is young.

mod audit;
mod change;
mod far;
mod fits;
mod line;
mod near;
mod sight;
#[cfg(test)]
mod tests;

pub use self::{
    change::{Change, Note, Outcome, PERFORM, Perform, Performed, Reason},
    far::MemberCluster,
    line::{Line, Reply},
    near::{Member, Parts},
    sight::{KindSeen, OBSERVE, Observe, Observed, ReleaseSeen, What},
};
