//! Cuts the asked part out of a recorded log: since when, the last lines, so many bytes, one container of several.
//!
//! It does not redact and does not interpret lines, but for the time that a line may begin with.

use std::{
    io::{self, BufRead, Read},
    ops::ControlFlow,
};

use jiff::Timestamp;

/// A longer line is handed on in pieces.
const PIECE: u64 = 64 << 10;

/// What is asked of a log.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    /// Only lines from this moment on.
    pub since: Option<Timestamp>,
    /// Only the last lines.
    pub tail: Option<u64>,
    /// At most so many bytes.
    pub limit: Option<u64>,
    /// Only what stands between this container's markers, in a log of `kubectl cluster-info dump`.
    pub section: Option<String>,
}

/// Why a log could not be cut.
#[derive(Debug, thiserror::Error)]
pub(super) enum CutError {
    /// `since` was asked and no line tells its time.
    #[error(
        "its lines do not begin with a time, so that `since` cannot be told; ask for the last lines instead"
    )]
    Timeless,
    /// The file cannot be read.
    #[error("it cannot be read")]
    Io(#[from] io::Error),
}

/// Hands the asked part to `out`, which may break off. `open` begins the log; it is begun twice for the last lines.
pub(super) fn cut<'a>(
    open: &dyn Fn() -> io::Result<Box<dyn Read + 'a>>,
    window: &Window,
    out: &mut dyn FnMut(&[u8]) -> ControlFlow<()>,
) -> Result<(), CutError> {
    let mut skip = 0;
    if let Some(tail) = window.tail {
        let mut lines = 0_u64;
        walk(open()?, window, &mut |_, begins| {
            lines += u64::from(begins);
            ControlFlow::Continue(())
        })?;
        skip = lines.saturating_sub(tail);
    }
    let mut line = 0_u64;
    let mut left = window.limit.unwrap_or(u64::MAX);
    walk(open()?, window, &mut |piece, begins| {
        line += u64::from(begins);
        if line <= skip {
            return ControlFlow::Continue(());
        }
        let fits = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
        left -= u64::try_from(fits).unwrap_or(0);
        let flow = piece.get(..fits).map_or(ControlFlow::Continue(()), &mut *out);
        if left == 0 { ControlFlow::Break(()) } else { flow }
    })
}

/// Every piece that lies in the window, and whether a line begins with it.
fn walk(
    reader: impl Read,
    window: &Window,
    each: &mut dyn FnMut(&[u8], bool) -> ControlFlow<()>,
) -> Result<(), CutError> {
    let mut reader = io::BufReader::new(reader);
    let mut piece = Vec::new();
    let (mut begins, mut within, mut timed) = (true, window.section.is_none(), false);
    let mut old = window.since.is_some();
    loop {
        piece.clear();
        if reader.by_ref().take(PIECE).read_until(b'\n', &mut piece)? == 0 {
            break;
        }
        let first = begins;
        begins = piece.ends_with(b"\n");
        if let Some(section) = window.section.as_deref().filter(|_| first)
            && let Some(marker) = marker(&piece)
        {
            within = marker == Some(section);
            continue;
        }
        if !within {
            continue;
        }
        if first && let (Some(since), Some(at)) = (window.since, time(&piece)) {
            timed = true;
            old &= at < since;
        }
        if !old && each(&piece, first).is_break() {
            return Ok(());
        }
    }
    if window.since.is_some() && !timed && old { Err(CutError::Timeless) } else { Ok(()) }
}

/// The container whose log begins with this line; `Some(None)` where one ends.
fn marker(line: &[u8]) -> Option<Option<&str>> {
    let line = std::str::from_utf8(line).ok()?.trim_end();
    if line.starts_with("==== END logs for container ") {
        return Some(None);
    }
    line.strip_prefix("==== START logs for container ")?.split(' ').next().map(Some)
}

/// The time that a line begins with.
fn time(line: &[u8]) -> Option<Timestamp> {
    let word = line.split(|byte| *byte == b' ').next().filter(|word| word.len() <= 40)?;
    std::str::from_utf8(word).ok()?.trim().parse().ok()
}
