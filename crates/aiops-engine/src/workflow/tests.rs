//! The executor against a store in memory and a cluster that is a map, by hand and with a clock that stands still.
//!
//! Every port call is a place where the process may die: the tests die at each of them, in every story, and look at what
//! the next one makes of it. None of them waits for time to pass by itself.

mod between;
mod changed;
mod checks;
mod crashes;
mod dying;
mod filing;
mod looping;
mod patience;
mod planning;
mod requests;
mod standing;
mod stories;
mod times;
mod triggers;
mod undoing;
mod world;
