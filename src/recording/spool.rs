//! Where the text of objects and logs waits until somebody asks for it: compressed, in memory while it is little and in
//! an unnamed temporary file once it is much; embedded text stays where it is.
//!
//! Objects are compressed by the block, because they resemble their neighbours. It does not know what a text says.

use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read, Seek as _, SeekFrom, Write},
    path::PathBuf,
    sync::Arc,
};

use flate2::{Compression, read::DeflateDecoder, write::DeflateEncoder};
use parking_lot::Mutex;
use tempfile::SpooledTempFile;

/// Compressed text above this leaves memory for a temporary file.
const IN_MEMORY: usize = 8 << 20;
/// Text that is compressed together.
const BLOCK: usize = 128 << 10;
const CHUNK: usize = 32 << 10;

/// Where a text is.
#[derive(Debug, Clone)]
pub(super) enum Place {
    /// In the binary.
    Embedded(&'static [u8]),
    /// In a block of the spool.
    Block { block: usize, at: usize, len: usize },
    /// In the spool, by itself.
    Stream { at: u64, end: u64 },
    /// A file of the recording, as it is.
    Disk(Arc<PathBuf>),
}

/// The text that was put away.
#[derive(Debug)]
pub(super) struct Spool(Mutex<State>);

#[derive(Debug)]
struct State {
    file: SpooledTempFile,
    /// Where each full block begins and ends.
    blocks: Vec<(u64, u64)>,
    /// The block that is being filled.
    filling: Vec<u8>,
    /// The block that was read last: lists read one object after the other.
    last: Option<(usize, Arc<Vec<u8>>)>,
    /// Why something could not be put away.
    failure: Option<String>,
}

impl Spool {
    pub(super) fn new() -> Self {
        Self(Mutex::new(State {
            file: SpooledTempFile::new(IN_MEMORY),
            blocks: Vec::new(),
            filling: Vec::new(),
            last: None,
            failure: None,
        }))
    }

    /// Puts an object away.
    pub(super) fn put(&self, text: &[u8]) -> io::Result<Place> {
        let mut state = self.0.lock();
        let place = Place::Block { block: state.blocks.len(), at: state.filling.len(), len: text.len() };
        state.filling.extend_from_slice(text);
        if state.filling.len() >= BLOCK {
            let full = std::mem::take(&mut state.filling);
            let (at, end) = state.append(&mut &*full)?;
            state.blocks.push((at, end));
        }
        Ok(place)
    }

    /// Puts a log away, without holding it whole.
    pub(super) fn put_log(&self, text: &mut dyn Read) -> io::Result<Place> {
        let (at, end) = self.0.lock().append(text)?;
        Ok(Place::Stream { at, end })
    }

    /// Why something could not be put away, if so; what was read is then not complete.
    pub(super) fn failure(&self) -> Option<String> {
        self.0.lock().failure.clone()
    }

    /// The whole text.
    pub(super) fn get(&self, place: &Place) -> io::Result<Cow<'static, [u8]>> {
        match place {
            Place::Embedded(text) => Ok(Cow::Borrowed(text)),
            Place::Block { block, at, len } => {
                let text = self.block(*block)?;
                let text = text.get(*at..at + len).ok_or(io::ErrorKind::UnexpectedEof)?;
                Ok(Cow::Owned(text.to_vec()))
            }
            Place::Stream { .. } | Place::Disk(_) => {
                let mut text = Vec::new();
                self.reader(place)?.read_to_end(&mut text)?;
                Ok(Cow::Owned(text))
            }
        }
    }

    /// The text as a stream.
    pub(super) fn reader(&self, place: &Place) -> io::Result<Box<dyn Read + '_>> {
        Ok(match place {
            Place::Embedded(text) => Box::new(*text),
            Place::Disk(path) => Box::new(File::open(path.as_path())?),
            Place::Stream { at, end } => {
                Box::new(DeflateDecoder::new(Slice { spool: self, at: *at, end: *end }))
            }
            Place::Block { .. } => Box::new(io::Cursor::new(self.get(place)?)),
        })
    }

    fn block(&self, number: usize) -> io::Result<Arc<Vec<u8>>> {
        let (at, end) = {
            let state = self.0.lock();
            match (&state.last, state.blocks.get(number)) {
                (Some((held, block)), _) if *held == number => return Ok(Arc::clone(block)),
                (_, Some(place)) => *place,
                (_, None) => return Ok(Arc::new(state.filling.clone())),
            }
        };
        let mut block = Vec::new();
        DeflateDecoder::new(Slice { spool: self, at, end }).read_to_end(&mut block)?;
        let block = Arc::new(block);
        self.0.lock().last = Some((number, Arc::clone(&block)));
        Ok(block)
    }
}

impl State {
    /// Compresses a text onto the end. Remembers when it cannot be written; a text that cannot be read is its own fault.
    fn append(&mut self, text: &mut dyn Read) -> io::Result<(u64, u64)> {
        let at = self.file.seek(SeekFrom::End(0))?;
        let end = compress(text, &mut self.file)?;
        if let Err(error) = &end {
            self.failure = Some(error.to_string());
        }
        Ok((at, end?))
    }
}

/// Where the file ends afterwards. The outer error is one of reading, the inner one of writing.
fn compress(text: &mut dyn Read, file: &mut SpooledTempFile) -> io::Result<io::Result<u64>> {
    let mut encoder = DeflateEncoder::new(file, Compression::fast());
    let mut chunk = vec![0; CHUNK];
    loop {
        let read = text.read(&mut chunk)?;
        if read == 0 {
            return Ok(encoder.finish().and_then(|file| {
                file.flush()?;
                file.stream_position()
            }));
        }
        if let Err(error) = encoder.write_all(chunk.get(..read).unwrap_or_default()) {
            return Ok(Err(error));
        }
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
        let file = &mut self.spool.0.lock().file;
        file.seek(SeekFrom::Start(self.at))?;
        let read = file.read(buffer)?;
        self.at += u64::try_from(read).unwrap_or(0);
        Ok(read)
    }
}
