//! How much of a list fits into an answer.
//!
//! The default answer of a tool stays under 2,000 tokens of the o200k encoding. Compact JSON of the API's words and
//! hashes runs at 2.6 to 3.4 bytes a token, so rows are added until [`DEFAULT`] bytes are reached. An explicit limit is
//! honoured up to [`LARGEST`] bytes.

/// Bytes of rows in a default answer; with the frame around them it stays under 2,000 tokens.
pub const DEFAULT: usize = 4_200;
/// Bytes of rows in any answer.
pub const LARGEST: usize = 60_000;

/// The budget for an explicit limit, or the default.
pub const fn of(limit: Option<u32>) -> usize {
    if limit.is_some() { LARGEST } else { DEFAULT }
}
