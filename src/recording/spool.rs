//! Where the text of objects and logs waits until somebody asks for it: compressed, in memory while it is little and in
//! an unnamed temporary file once it is much; embedded text stays where it is.
//!
//! It does not know what the text says.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read, Seek as _, SeekFrom, Write as _},
    path::PathBuf,
    sync::Arc,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use parking_lot::Mutex;
use tempfile::SpooledTempFile;

/// Compressed text above this leaves memory for a temporary file.
const IN_MEMORY: usize = 8 << 20;

/// Where a text is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In the binary.
    Embedded(&'static [u8]),
    /// In the spool.
    Spooled { at: u64, len: u64 },
    /// A file of the recording, as it is.
    Disk(Arc<PathBuf>),
}

/// The text that was put away.
#[derive(Debug)]
pub(super) struct Spool(Mutex<SpooledTempFile>);

impl Spool {
    pub(super) fn new() -> Self {
        Self(Mutex::new(SpooledTempFile::new(IN_MEMORY)))
    }

    /// Puts a text away.
    pub(super) fn put(&self, text: &mut dyn Read) -> io::Result<Place> {
        let mut spool = self.0.lock();
        let at = spool.seek(SeekFrom::End(0))?;
        let mut encoder = DeflateEncoder::new(&mut *spool, Compression::fast());
        io::copy(text, &mut encoder)?;
        encoder.finish()?.flush()?;
        let len = spool.stream_position()? - at;
        Ok(Place::Spooled { at, len })
    }

    /// The whole text.
    pub(super) fn get(&self, place: &Place) -> io::Result<Cow<'static, [u8]>> {
        if let Place::Embedded(text) = place {
            return Ok(Cow::Borrowed(text));
        }
        let mut text = Vec::new();
        self.reader(place)?.read_to_end(&mut text)?;
        Ok(Cow::Owned(text))
    }

    /// The text as a stream.
    pub(super) fn reader(&self, place: &Place) -> io::Result<Box<dyn Read + '_>> {
        Ok(match place {
            Place::Embedded(text) => Box::new(*text),
            Place::Disk(path) => Box::new(File::open(path.as_path())?),
            Place::Spooled { at, len } => {
                Box::new(DeflateDecoder::new(Slice { spool: self, at: *at, end: at + len }))
            }
        })
    }
}

/// A part of the spool; takes the lock for one read at a time.
struct Slice<'a> {
    spool: &'a Spool,
    at: u64,
    end: u64,
}

impl Read for Slice<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX).min(buffer.len());
        let buffer = buffer.get_mut(..left).unwrap_or_default();
        let mut spool = self.spool.0.lock();
        spool.seek(SeekFrom::Start(self.at))?;
        let read = spool.read(buffer)?;
        self.at += u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}
