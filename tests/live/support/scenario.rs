//! Scenarios of tests/controlplane/scenarios with random names, images and namespaces.
//!
//! What is applied, and how its state is recognised, stands in the files; this only fills in the placeholders.

use std::{collections::BTreeMap, path::Path};

use serde::Deserialize;

use super::{Dice, Plane};

/// scenario.yaml, as far as tests need it.
#[derive(Debug, Deserialize)]
struct File {
    vars: Vec<Variable>,
    expected: Vec<Expected>,
}

#[derive(Debug, Deserialize)]
struct Variable {
    name: String,
    value: String,
    random: Option<Random>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Random {
    Name,
    Tag,
}

/// What must be said about a scenario.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Expected {
    /// `Kind name` or `Kind namespace/name`, as issues print their object.
    pub(crate) object: String,
    /// The detector's word.
    pub(crate) code: String,
    /// Words that the first cause must contain, whatever their case.
    pub(crate) cause: Vec<String>,
    /// Fields that prove it.
    pub(crate) evidence: Vec<Evidence>,
}

/// A field of an object, and a text that its value contains.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Evidence {
    pub(crate) kind: String,
    pub(crate) path: String,
    pub(crate) is: String,
}

/// A scenario with its placeholders filled in.
#[derive(Debug)]
pub(crate) struct Scenario {
    pub(crate) name: String,
    pub(crate) values: BTreeMap<String, String>,
    pub(crate) expected: Vec<Expected>,
}

fn folder() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/controlplane/scenarios"))
}

impl Scenario {
    /// The names of all of them.
    pub(crate) fn all() -> Vec<String> {
        let entries = std::fs::read_dir(folder()).unwrap();
        let mut names: Vec<_> = entries.map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    pub(crate) fn load(name: &str, dice: &mut Dice) -> Self {
        Self::load_with(name, dice, &[])
    }

    /// With these values instead of random ones.
    pub(crate) fn load_with(name: &str, dice: &mut Dice, given: &[(&str, &str)]) -> Self {
        let text = std::fs::read_to_string(folder().join(name).join("scenario.yaml")).unwrap();
        let file: File = serde_saphyr::from_str(&text).unwrap();
        let mut values = BTreeMap::new();
        for variable in file.vars {
            let given = given.iter().find(|(name, _)| *name == variable.name);
            let value = match (given, variable.random) {
                (Some((_, value)), _) => (*value).to_owned(),
                (None, Some(Random::Name)) => dice.name(),
                (None, Some(Random::Tag)) => dice.tag(),
                (None, None) => fill(&variable.value, &values),
            };
            values.insert(variable.name, value);
        }
        let fill = |text: &str| fill(text, &values);
        let expected = file.expected.into_iter().map(|expected| Expected {
            object: fill(&expected.object),
            code: expected.code,
            cause: expected.cause.iter().map(|word| fill(word)).collect(),
            evidence: expected
                .evidence
                .iter()
                .map(|e| Evidence { kind: e.kind.clone(), path: fill(&e.path), is: fill(&e.is) })
                .collect(),
        });
        let expected = expected.collect();
        Self { name: name.to_owned(), values, expected }
    }

    /// The value of a placeholder.
    pub(crate) fn value(&self, name: &str) -> &str {
        &self.values[name]
    }

    /// Applies it and waits until its state is reached.
    pub(crate) async fn play(&self, plane: &Plane) {
        let mut args = vec!["play".to_owned(), self.name.clone()];
        for (name, value) in &self.values {
            args.extend(["--set".to_owned(), format!("{name}={value}")]);
        }
        let args: Vec<&str> = args.iter().map(String::as_str).collect();
        if let Err(why) = plane.command(&args).await {
            panic!("{why}\nvalues: {:?}", self.values);
        }
    }
}

fn fill(text: &str, values: &BTreeMap<String, String>) -> String {
    values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}
