//! The library behind the `aiops` binary.
