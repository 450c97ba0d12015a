//! Lays the sources over each other. figment merges and remembers where each value came from; matching names and
//! typing text is done before, against the schema, because figment lower-cases names and guesses types.
//!
//! It does not judge combinations of values.

use std::path::Path;

use figment::{
    Figment, Metadata, Profile, Provider,
    value::{Dict, Map},
};
use serde_json::Value;

use super::{
    Config, DEFAULTS, Sources,
    error::{ConfigError, Fault},
    shape, variables,
};

/// What the layers say together.
pub(super) struct Merged {
    pub(super) config: Config,
    pub(super) origins: Origins,
    pub(super) notes: Vec<String>,
}

/// Where each value came from.
#[derive(Clone)]
pub(super) struct Origins(Figment);

impl Origins {
    /// `flag --x`, `variable NAME`, `file PATH` or `default`.
    pub(super) fn of(&self, key: &str) -> String {
        self.0.find_metadata(key).map_or_else(|| DEFAULT.to_owned(), |metadata| metadata.name.to_string())
    }

    pub(super) fn is_set(&self, key: &str) -> bool {
        self.of(key) != DEFAULT
    }
}

impl std::fmt::Debug for Origins {
    // The values may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Origins")
    }
}

const DEFAULT: &str = "default";

/// One source, typed.
struct Layer {
    origin: String,
    values: Value,
}

impl Provider for Layer {
    fn metadata(&self) -> Metadata {
        Metadata::named(self.origin.clone())
    }

    fn data(&self) -> Result<Map<Profile, Dict>, figment::Error> {
        let value = figment::value::Value::serialize(&self.values)?;
        Ok(Profile::Default.collect(value.into_dict().unwrap_or_default()))
    }
}

/// Merges all sources.
pub(super) fn merge(sources: &Sources) -> Result<Merged, ConfigError> {
    let mut faults = Vec::new();
    let mut figment = Figment::new().merge(Layer { origin: DEFAULT.to_owned(), values: defaults()? });
    if let Some(path) = &sources.file {
        let origin = format!("file {}", path.display());
        let mut values = read_file(path, &origin)?;
        shape::root().check("", &values, &mut |key, problem| {
            faults.push(Fault { key: key.to_owned(), origin: origin.clone(), problem });
        });
        drop_nulls(&mut values);
        figment = figment.merge(Layer { origin, values });
    }
    let listen = figment.extract_inner::<String>("http.listen").unwrap_or_default();
    let read = variables::read(&sources.environment, &listen);
    faults.extend(read.faults);
    for given in read.old.into_iter().chain(read.own) {
        figment = set(figment, given.origin, &given.path, given.value, &mut faults);
    }
    for flag in &sources.flags {
        let origin = flag.origin();
        match variables::flag_value(flag.key, &flag.value) {
            Ok((path, value)) => figment = set(figment, origin, &path, value, &mut faults),
            Err(problem) => faults.push(Fault { key: flag.key.to_owned(), origin, problem }),
        }
    }
    if !faults.is_empty() {
        return Err(ConfigError { faults });
    }
    let config = figment.extract::<Config>().map_err(|error| ConfigError {
        faults: error
            .into_iter()
            .map(|one| Fault {
                key: one.path.join("."),
                origin: one.metadata.as_ref().map_or(DEFAULT, |metadata| metadata.name.as_ref()).to_owned(),
                problem: one.kind.to_string(),
            })
            .collect(),
    })?;
    Ok(Merged { config, origins: Origins(figment), notes: read.notes })
}

/// Lays one value over what is there, when it fits its key.
fn set(figment: Figment, origin: String, path: &[String], value: Value, faults: &mut Vec<Fault>) -> Figment {
    let values = path
        .iter()
        .rev()
        .fold(value, |inner, segment| Value::Object(std::iter::once((segment.clone(), inner)).collect()));
    let before = faults.len();
    shape::root().check("", &values, &mut |key, problem| {
        faults.push(Fault { key: key.to_owned(), origin: origin.clone(), problem });
    });
    if faults.len() > before { figment } else { figment.merge(Layer { origin, values }) }
}

fn defaults() -> Result<Value, ConfigError> {
    toml::from_str(DEFAULTS).map_err(|error| ConfigError::one("", DEFAULT, error.to_string()))
}

/// Reads a file; its name's end says how it is written.
fn read_file(path: &Path, origin: &str) -> Result<Value, ConfigError> {
    let refuse = |problem: String| ConfigError::one("", origin, problem);
    let text = std::fs::read_to_string(path)
        .map_err(|error| refuse(format!("cannot be read: {error}; name an existing file with --config")))?;
    let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default().to_ascii_lowercase();
    let value: Value = match ending.as_str() {
        "toml" => toml::from_str(&text).map_err(|error| refuse(format!("is not TOML: {error}")))?,
        "yaml" | "yml" | "json" => {
            serde_saphyr::from_str(&text).map_err(|error| refuse(format!("is not YAML: {error}")))?
        }
        _ => return Err(refuse("its name must end in .toml, .yaml or .yml".to_owned())),
    };
    match value {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        Value::Object(_) => Ok(value),
        _ => Err(refuse("must be sections with keys, as config/aiops.default.toml has them".to_owned())),
    }
}

/// A YAML key without a value leaves what the layers below say.
fn drop_nulls(value: &mut Value) {
    if let Value::Object(keys) = value {
        keys.retain(|_, value| !value.is_null());
        keys.values_mut().for_each(drop_nulls);
    }
}
