//! Durations as people write them: `10s`, `1m30s`, `500ms`.
//!
//! A bare number is refused: nobody can see its unit.

use std::time::Duration;

use jiff::SignedDuration;
use serde::{Deserialize, Deserializer, Serializer, de};

/// Longer is meant by nobody, and added to the clock would run over its end.
const LONGEST: Duration = Duration::from_secs(366 * 86_400);

/// Parses a duration of a millisecond to a year.
pub(super) fn parse(text: &str) -> Result<Duration, String> {
    text.trim()
        .parse::<SignedDuration>()
        .ok()
        .and_then(|signed| Duration::try_from(signed).ok())
        .filter(|duration| (Duration::from_millis(1)..=LONGEST).contains(duration))
        .ok_or_else(|| {
            format!(
                "{text:?} is not a duration of 1ms to a year; write a number with its unit, such as 500ms, 10s, 1m30s or 2h"
            )
        })
}

/// The shortest spelling that [`parse`] reads back.
pub(super) fn show(duration: Duration) -> String {
    SignedDuration::try_from(duration)
        .map_or_else(|_| format!("{}s", duration.as_secs()), |signed| format!("{signed:#}"))
        .replace(' ', "")
}

pub(super) fn serialize<S: Serializer>(duration: &Duration, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&show(*duration))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    parse(&String::deserialize(from)?).map_err(de::Error::custom)
}
