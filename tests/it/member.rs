//! A member and the engine that acts through it: who is served, what a line makes of everything that can happen to it, and a
//! whole remediation through rmcp within the process and over HTTP, with either side dying around a change.

#![expect(clippy::disallowed_methods, reason = "a test ends its own tasks, and no shutdown waits for them")]

mod actions;
mod crashes;
mod line;
mod served;
mod world;
