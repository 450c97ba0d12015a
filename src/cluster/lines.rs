//! Cuts a stream of bytes into lines, without copying those that arrive whole.
//!
//! It does not read what the lines say. What it keeps between two chunks is one unfinished line, bounded.

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
    /// Hands out each line that `chunk` completes.
    pub(super) fn push(&mut self, chunk: &[u8], mut each: impl FnMut(&[u8])) -> Result<(), TooLong> {
        let mut left = chunk;
        while let Some(end) = left.iter().position(|byte| *byte == b'\n') {
            let (line, after) = left.split_at(end);
            if self.rest.is_empty() {
                each(line);
            } else {
                self.rest.extend_from_slice(line);
                each(&self.rest);
                self.rest.clear();
                self.rest.shrink_to(KEPT);
            }
            left = after.split_first().map_or(&[], |(_, after)| after);
        }
        if self.rest.len() + left.len() > LONGEST {
            return Err(TooLong);
        }
        self.rest.extend_from_slice(left);
        Ok(())
    }
}
