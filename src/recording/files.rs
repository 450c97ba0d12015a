//! Walks a folder, a tar archive (gzip or plain) or a single file and hands each file on, in a steady order.
//!
//! What is hostile is left out and noted: links, paths that lead out, files that are too large. It reads no format but
//! tar and gzip, and unpacks nothing to disk.

use std::{
    fs::{self, File},
    io::{self, Cursor, Read},
    path::{Component, Path},
    sync::Arc,
};

use anyhow::{Context as _, bail};
use flate2::read::MultiGzDecoder;

use super::{
    layout::{self, Role},
    load::Load,
};

/// Deepest folder that is entered.
const DEEPEST: usize = 32;
/// Where a tar header says what it is.
const TAR_MAGIC: std::ops::Range<usize> = 257..262;
const HEAD: usize = 512;

/// Reads everything at `path`.
pub(super) fn read(path: &Path, load: &mut Load) -> anyhow::Result<()> {
    let meta = fs::metadata(path).context("it cannot be opened; name a folder, an archive or a file")?;
    if meta.is_dir() { folder(path, "", DEEPEST, load) } else { file(path, load) }
}

fn folder(path: &Path, inside: &str, depth: usize, load: &mut Load) -> anyhow::Result<()> {
    let mut entries = match fs::read_dir(path) {
        Ok(entries) => entries.filter_map(Result::ok).collect::<Vec<_>>(),
        Err(error) => {
            load.note(format!("folder {inside:?} cannot be read: {error}"));
            return Ok(());
        }
    };
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let below = if inside.is_empty() { name } else { format!("{inside}/{name}") };
        let path = entry.path();
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_symlink() {
            load.note(format!("{below} is a link and was not followed"));
        } else if kind.is_dir() && depth == 0 {
            load.note(format!("{below} lies more than {DEEPEST} folders deep and was left out"));
        } else if kind.is_dir() {
            folder(&path, &below, depth - 1, load)?;
        } else if kind.is_file() && layout::role(&below) != Role::Other {
            load.dated(entry.metadata().and_then(|meta| meta.modified()).ok());
            match File::open(&path) {
                Ok(mut file) => load.file(&below, &mut file, Some(Arc::new(path)))?,
                Err(error) => load.note(format!("{below} cannot be opened: {error}")),
            }
        }
    }
    Ok(())
}

fn file(path: &Path, load: &mut Load) -> anyhow::Result<()> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let opened = File::open(path)?;
    load.dated(opened.metadata().and_then(|meta| meta.modified()).ok());
    let (head, mut reader) = peek(opened)?;
    if head.starts_with(b"PK\x03\x04") {
        bail!("it is a zip archive, and only tar archives are read; unpack it and name the folder");
    }
    if head.starts_with(&[0x1f, 0x8b]) {
        let (head, mut inner) = peek(MultiGzDecoder::new(reader)).context("its compression is broken")?;
        if is_tar(&head) {
            return archive(&mut inner, load);
        }
        let name = name.strip_suffix(".gz").unwrap_or(&name);
        return single(name, &mut inner, None, load);
    }
    if is_tar(&head) {
        return archive(&mut reader, load);
    }
    single(&name, &mut reader, Some(Arc::new(path.to_path_buf())), load)
}

fn single(
    name: &str,
    reader: &mut dyn Read,
    disk: Option<Arc<std::path::PathBuf>>,
    load: &mut Load,
) -> anyhow::Result<()> {
    if !matches!(layout::role(name), Role::Json { .. } | Role::Yaml { .. }) {
        bail!("it is neither a tar archive nor a .json or .yaml file");
    }
    load.file(name, reader, disk)
}

fn is_tar(head: &[u8]) -> bool {
    head.get(TAR_MAGIC) == Some(b"ustar")
}

/// The first bytes, and a reader that gives them again.
fn peek<R: Read>(mut reader: R) -> io::Result<(Vec<u8>, impl Read + use<R>)> {
    let mut head = Vec::new();
    (&mut reader).take(HEAD as u64).read_to_end(&mut head)?;
    Ok((head.clone(), Cursor::new(head).chain(reader)))
}

fn archive(reader: &mut dyn Read, load: &mut Load) -> anyhow::Result<()> {
    let mut archive = tar::Archive::new(load.metered(reader));
    let entries = archive.entries().context("it is not a readable tar archive")?;
    for entry in entries {
        let mut entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                load.check()?;
                load.cut(&error.to_string());
                return Ok(());
            }
        };
        let path = match entry.path() {
            Ok(path) => path.into_owned(),
            Err(error) => {
                load.note(format!("an entry of the archive has no usable path: {error}"));
                continue;
            }
        };
        let Some(inside) = safe(&path) else {
            load.note(format!("{} leads out of the archive and was left out", path.display()));
            continue;
        };
        let kind = entry.header().entry_type();
        if kind.is_symlink() || kind.is_hard_link() {
            load.note(format!("{inside} is a link and was not followed"));
        } else if kind.is_file() && layout::role(&inside) != Role::Other {
            load.file(&inside, &mut entry, None)?;
        }
        load.check()?;
    }
    Ok(())
}

/// The path as it is inside the archive; `None` when it is absolute or climbs.
fn safe(path: &Path) -> Option<String> {
    let mut parts = Vec::new();
    for part in path.components() {
        match part {
            Component::Normal(part) => parts.push(part.to_string_lossy().into_owned()),
            Component::CurDir => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(parts.join("/"))
}
