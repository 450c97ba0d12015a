//! Deployment methods that were looked at lately, for triggers that answer from memory.
//!
//! It holds a bounded number, each for five minutes as the Go engine did, and forgets the oldest first.

use std::collections::HashMap;

use parking_lot::Mutex;

use super::method_key;
use crate::{
    coordination::MethodCache,
    model::{Millis, method::Deployed, target::Target},
};

/// How long a method is used, in milliseconds: the Go engine's five minutes.
const TTL: Millis = 300_000;
/// Methods that are remembered at most.
const MOST: usize = 2_000;

/// Deployment methods that were looked at lately.
#[derive(Debug, Default)]
pub(crate) struct Methods(Mutex<HashMap<String, (Deployed, Millis)>>);

impl Methods {
    /// A method that is young enough, and when it was looked at.
    pub(super) fn get(&self, target: &Target, now: Millis) -> Option<(Deployed, Millis)> {
        let known = self.0.lock();
        known.get(&method_key(target)).filter(|(_, at)| is_valid(*at, now)).cloned()
    }

    pub(super) fn put(&self, target: &Target, deployed: &Deployed, now: Millis) {
        let mut known = self.0.lock();
        let key = method_key(target);
        if known.len() >= MOST && !known.contains_key(&key) {
            known.retain(|_, (_, at)| is_valid(*at, now));
            let oldest = known.iter().min_by_key(|(_, (_, at))| *at).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest.filter(|_| known.len() >= MOST) {
                known.remove(&oldest);
            }
        }
        known.insert(key, (deployed.clone(), now));
    }

    pub(in crate::coordinator) fn standing(&self, now: Millis) -> MethodCache {
        let known = self.0.lock();
        let total = u64::try_from(known.len()).unwrap_or(u64::MAX);
        let valid = known.values().filter(|(_, at)| is_valid(*at, now)).count();
        let valid = u64::try_from(valid).unwrap_or(u64::MAX);
        MethodCache {
            total_entries: total,
            valid_entries: valid,
            expired_entries: total.saturating_sub(valid),
            ttl_seconds: TTL.unsigned_abs() / 1_000,
        }
    }

    pub(in crate::coordinator) fn forget(&self) {
        self.0.lock().clear();
    }
}

/// A clock that went back makes what was looked at later than now unusable, not eternal.
const fn is_valid(at: Millis, now: Millis) -> bool {
    let age = now.saturating_sub(at);
    0 <= age && age < TTL
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(number: usize) -> Target {
        Target::known("Deployment", "shop", &format!("web-{number}"))
    }

    #[test]
    fn a_method_is_used_for_five_minutes() {
        let methods = Methods::default();
        let deployed = Deployed::unknown("x");
        methods.put(&target(1), &deployed, 1_000);
        assert_eq!(methods.get(&target(1), 300_999), Some((deployed, 1_000)));
        for (now, why) in [(301_000, "too old"), (0, "from the future")] {
            assert_eq!(methods.get(&target(1), now), None, "{why}");
        }
        let standing = methods.standing(301_000);
        assert_eq!((standing.total_entries, standing.valid_entries, standing.expired_entries), (1, 0, 1));
        assert_eq!(standing.ttl_seconds, 300);
        methods.forget();
        assert_eq!(methods.standing(0), MethodCache { ttl_seconds: 300, ..MethodCache::default() });
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let methods = Methods::default();
        for number in 0..=MOST {
            methods.put(&target(number), &Deployed::unknown("x"), 1_000 + Millis::try_from(number).unwrap());
        }
        let now = 10_000;
        assert_eq!(methods.standing(now).total_entries, u64::try_from(MOST).unwrap());
        assert_eq!(methods.get(&target(0), now), None);
        assert!(methods.get(&target(MOST), now).is_some());
    }
}
