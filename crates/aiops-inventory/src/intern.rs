//! Strings that occur many times are kept once.
//!
//! It holds no string that nothing points to for longer than one sweep. It does not number strings: a [`Name`] is
//! readable by itself, so that rows can leave the lock that guards the inventory.

use std::collections::HashSet;

/// A shared, immutable string, one pointer wide.
pub type Name = arcstr::ArcStr;

/// Keeps one copy of each string it is asked for.
#[derive(Debug, Default)]
pub struct Interner {
    names: HashSet<Name>,
    sweep_at: usize,
}

/// Below this many strings a sweep would free too little to be worth its pass.
const SMALLEST_SWEEP: usize = 4_096;

impl Interner {
    /// The shared copy of `text`.
    pub fn name(&mut self, text: &str) -> Name {
        if let Some(known) = self.names.get(text) {
            return known.clone();
        }
        if self.names.len() >= self.sweep_at.max(SMALLEST_SWEEP) {
            self.sweep();
        }
        let name = Name::from(text);
        self.names.insert(name.clone());
        name
    }

    /// Forgets the strings that no row holds any more.
    pub fn sweep(&mut self) {
        self.names.retain(|name| Name::strong_count(name).is_none_or(|count| count > 1));
        self.names.shrink_to(self.names.len() * 2);
        self.sweep_at = self.names.len() * 2;
    }

    /// How many distinct strings are held.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether nothing is held.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_strings_share_one_copy_and_unused_ones_leave() {
        let mut interner = Interner::default();
        let first = interner.name("checkout");
        let second = interner.name("checkout");
        assert!(Name::ptr_eq(&first, &second));
        drop((first, second));
        interner.sweep();
        assert!(interner.is_empty());
    }
}
