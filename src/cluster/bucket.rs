//! A token bucket: so many requests a second, so many at once.
//!
//! It knows nothing of requests; whoever takes a token waits until there is one.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// Tokens that come back with time.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: f64,
    burst: f64,
    state: Mutex<(f64, Instant)>,
}

impl Bucket {
    /// A full bucket of `burst` tokens into which `rate` fall each second.
    pub(super) fn new(rate: f64, burst: u32) -> Self {
        let burst = f64::from(burst.max(1));
        Self { rate: rate.max(0.01), burst, state: Mutex::new((burst, Instant::now())) }
    }

    /// Takes a token, waiting for one that is not there yet. Waiters are served in the order in which they came; one that
    /// gives up leaves its token to others.
    pub(super) async fn take(&self) {
        let wait = {
            let mut state = self.state.lock();
            let (tokens, at) = *state;
            let now = Instant::now();
            let tokens =
                now.duration_since(at).as_secs_f64().mul_add(self.rate, tokens).min(self.burst) - 1.0;
            // Below zero, the token is one that falls in later: it is owed to this caller.
            *state = (tokens, now);
            (tokens < 0.0).then(|| Duration::from_secs_f64(-tokens / self.rate))
        };
        if let Some(wait) = wait {
            let mut owed = Owed(Some(self));
            tokio::time::sleep(wait).await;
            owed.0 = None;
        }
    }
}

/// A token that is waited for.
struct Owed<'a>(Option<&'a Bucket>);

impl Drop for Owed<'_> {
    fn drop(&mut self) {
        if let Some(bucket) = self.0 {
            bucket.state.lock().0 += 1.0;
        }
    }
}
