//! The process's environment, read here and nowhere else.
//!
//! It is a value that is passed on, so that tests bring their own and no other room reads variables.

use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    path::PathBuf,
};

/// Variables by name.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, OsString>,
}

impl Environment {
    /// The process's own. Names that are not Unicode are none of ours and left out.
    pub fn of_process() -> Self {
        let named = |(name, value): (OsString, OsString)| name.into_string().ok().map(|name| (name, value));
        Self { variables: std::env::vars_os().filter_map(named).collect() }
    }

    /// These, for tests.
    pub fn of<N: Into<String>, V: Into<OsString>>(variables: impl IntoIterator<Item = (N, V)>) -> Self {
        Self { variables: variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }

    /// A variable's value as it is; an empty one counts as unset, as everywhere in Kubernetes manifests.
    pub fn raw(&self, name: &str) -> Option<&OsStr> {
        self.variables.get(name).map(OsString::as_os_str).filter(|value| !value.is_empty())
    }

    /// A variable's value as text, when it is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.raw(name).and_then(OsStr::to_str)
    }

    /// A variable that names a folder or file.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.raw(name).map(PathBuf::from)
    }

    /// The person's own folder.
    pub fn home(&self) -> Option<PathBuf> {
        self.path("HOME").or_else(|| self.path("USERPROFILE"))
    }

    /// Who runs this process, as the system's own shells name them.
    pub fn user(&self) -> &str {
        self.text("USER").or_else(|| self.text("LOGNAME")).unwrap_or("local")
    }

    /// All that are not empty, by name.
    pub(super) fn all(&self) -> impl Iterator<Item = (&str, &OsStr)> {
        let all = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_os_str()));
        all.filter(|(_, value)| !value.is_empty())
    }
}

impl std::fmt::Debug for Environment {
    // Values may be tokens.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.variables.keys()).finish()
    }
}
