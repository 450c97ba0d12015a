//! Unique parts of ids, in the order of their making.
//!
//! It promises no secrecy: an id says when it was made, and whoever may ask for a thing is decided elsewhere.

use aiops_engine::ports::Ids;
use uuid::Uuid;

/// Crockford's alphabet (RFC 9562 leaves the text form open, ULID uses this one): sorted as its digits are, without
/// letters that people mistake.
const ALPHABET: [char; 32] = [
    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', 'j', 'k', 'm',
    'n', 'p', 'q', 'r', 's', 't', 'v', 'w', 'x', 'y', 'z',
];
/// 20 characters hold 100 bits: 48 of time, the 42 of the counter that grows within a millisecond, 10 of chance.
const CHARACTERS: u32 = 20;

/// Ids out of the clock and the system's randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemIds;

impl Ids for SystemIds {
    fn unique(&self) -> String {
        text(Uuid::now_v7().as_u128())
    }
}

/// The first 100 bits of a UUID of version 7, without its six constant ones.
fn text(uuid: u128) -> String {
    let time = uuid >> 80;
    let high = (uuid >> 64) & 0xfff;
    let low = uuid & ((1 << 62) - 1);
    // 48 + 12 + 62 bits; the last 22 are left out.
    let bits = ((time << 74) | (high << 62) | low) >> 22;
    (0..CHARACTERS)
        .rev()
        .map(|place| {
            let digit = usize::try_from((bits >> (place * 5)) & 31).unwrap_or_default();
            ALPHABET.get(digit).copied().unwrap_or('0')
        })
        .collect()
}
