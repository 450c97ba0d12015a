//! Merges one server into a client's JSON file: atomically, with a backup, and with everything else as it stood.
//!
//! A file that is not plain JSON (comments, a typing error) is left alone.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, anyhow};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Installed {
    /// The file did not exist.
    Created,
    /// The server was added.
    Added {
        /// The file as it was.
        backup: PathBuf,
    },
    /// Another server of that name was replaced.
    Replaced {
        /// The file as it was.
        backup: PathBuf,
    },
    /// It already said exactly this.
    Already,
}

impl Installed {
    /// In words, for the shell.
    pub fn sentence(&self, file: &Path, name: &str) -> String {
        let file = file.display();
        match self {
            Self::Created => format!("created {file} with the server {name}; restart the client to use it"),
            Self::Added { backup } => format!(
                "added the server {name} to {file} (as it was: {}); restart the client to use it",
                backup.display()
            ),
            Self::Replaced { backup } => format!(
                "replaced the server {name} in {file} (as it was: {}); restart the client to use it",
                backup.display()
            ),
            Self::Already => format!("{file} already has this server {name}; nothing was changed"),
        }
    }
}

/// The members of an object in their order, each as it was written.
#[derive(Default)]
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        from.deserialize_map(Reader)
    }
}

impl Members {
    fn get(&self, name: &str) -> Option<&RawValue> {
        self.0.iter().find(|(member, _)| member == name).map(|(_, value)| value.as_ref())
    }

    fn set(&mut self, name: &str, value: Box<RawValue>) {
        match self.0.iter_mut().find(|(member, _)| member == name) {
            Some((_, old)) => *old = value,
            None => self.0.push((name.to_owned(), value)),
        }
    }

    /// The object again, its members indented by `depth` steps.
    fn text(&self, depth: usize) -> String {
        if self.0.is_empty() {
            return "{}".to_owned();
        }
        let indent = "  ".repeat(depth);
        let members: Vec<String> = self
            .0
            .iter()
            .map(|(name, value)| format!("{indent}  {}: {}", Value::from(name.as_str()), value.get()))
            .collect();
        format!("{{\n{}\n{indent}}}", members.join(",\n"))
    }
}

/// Puts `server` under `member`/`name` into `file`.
///
/// # Errors
/// The file cannot be read or written, or is not plain JSON. It is then as it was.
pub fn install(file: &Path, member: &str, name: &str, server: &Value) -> Result<Installed> {
    // A link stays a link: what it points to is written.
    let file = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let before = match fs::read_to_string(&file) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let text = before.as_deref().map_or("", |text| text.trim_start_matches('\u{feff}').trim());
    let plain = |what: &str| {
        format!(
            "{} was left alone: {what}; add by hand what `aiops client-config` prints without --install",
            file.display()
        )
    };
    let mut whole: Members = if text.is_empty() {
        Members::default()
    } else {
        serde_json::from_str(text).with_context(|| plain("it is not a JSON object"))?
    };
    let mut servers: Members = match whole.get(member) {
        Some(raw) => {
            serde_json::from_str(raw.get()).with_context(|| plain(&format!("{member} is not an object")))?
        }
        None => Members::default(),
    };
    let old = servers.get(name).map(|raw| serde_json::from_str::<Value>(raw.get())).transpose()?;
    if old.as_ref() == Some(server) {
        return Ok(Installed::Already);
    }
    let pretty = serde_json::to_string_pretty(server)?.replace('\n', "\n    ");
    servers.set(name, RawValue::from_string(pretty)?);
    whole.set(member, RawValue::from_string(servers.text(1))?);
    let backup = before.map(|text| keep(&file, &text)).transpose()?;
    replace(&file, &format!("{}\n", whole.text(0)))?;
    Ok(match (backup, old) {
        (None, _) => Installed::Created,
        (Some(backup), None) => Installed::Added { backup },
        (Some(backup), Some(_)) => Installed::Replaced { backup },
    })
}

/// Writes the old text beside the file, under the first name that is free.
fn keep(file: &Path, text: &str) -> Result<PathBuf> {
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for number in 0..1_000_u32 {
        let ending = if number == 0 { "bak".to_owned() } else { format!("bak.{number}") };
        let backup = file.with_file_name(format!("{name}.{ending}"));
        match fs::File::create_new(&backup) {
            Ok(mut open) => {
                std::io::Write::write_all(&mut open, text.as_bytes())
                    .and_then(|()| fs::set_permissions(&backup, fs::metadata(file)?.permissions()))
                    .with_context(|| format!("cannot write the backup {}", backup.display()))?;
                return Ok(backup);
            }
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot create the backup {}", backup.display()));
            }
        }
    }
    Err(anyhow!("there are 1000 backups beside {}; remove some", file.display()))
}

/// Writes a new file and renames it over the old one, so that the client never reads half of it.
fn replace(file: &Path, text: &str) -> Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    if let Some(folder) = folder {
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create the folder {}", folder.display()))?;
    }
    let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let new = file.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let done = fs::write(&new, text)
        .and_then(|()| match fs::metadata(file) {
            Ok(old) => fs::set_permissions(&new, old.permissions()),
            Err(_) => Ok(()),
        })
        .and_then(|()| fs::rename(&new, file));
    if done.is_err() {
        // What is left of the attempt is ours, and nobody reads it.
        let _ = fs::remove_file(&new);
    }
    done.with_context(|| format!("cannot write {}", file.display()))
}
