//! Cuts a stream of bytes into lines, without copying those that arrive whole.
//!
//! It does not read what the lines say. What it keeps between two chunks is one unfinished line, bounded.

use memchr::memchr;

/// Longest line taken in: an object of etcd's 1.5 MiB limit is about three times as large in JSON.
pub(super) const LONGEST: usize = 16 * 1024 * 1024;
/// A buffer that one large object has blown up is given back above this.
const KEPT: usize = 64 * 1024;

/// The unfinished line of a stream.
#[derive(Debug, Default)]
pub(super) struct Lines {
    rest: Vec<u8>,
}

/// A line was longer than [`LONGEST`].
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    /// Hands out each line that `chunk` completes, and whether it is the chunk's last.
    pub(super) fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&[u8], bool)) -> Result<(), TooLong> {
        let mut left = chunk;
        let mut end = memchr(b'\n', left);
        while let Some(at) = end {
            let (line, after) = left.split_at(at);
            left = after.split_first().map_or(&[], |(_, after)| after);
            end = memchr(b'\n', left);
            if self.rest.is_empty() {
                each(line, end.is_none());
            } else {
                self.rest.extend_from_slice(line);
                each(&self.rest, end.is_none());
                self.rest.clear();
                self.rest.shrink_to(KEPT);
            }
        }
        if self.rest.len() + left.len() > LONGEST {
            return Err(TooLong);
        }
        self.rest.extend_from_slice(left);
        Ok(())
    }
}
