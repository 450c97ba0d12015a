//! Placeholder crate root; see the modules that follow.
