//! What several topics of tests share.

pub(crate) mod coordination;
