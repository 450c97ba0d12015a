//! `aiops config`: what is in force and where it came from, whether it may be used, which keys exist.
//!
//! It changes no file.

use clap::{Args, Subcommand};
use serde_json::Value;

use super::{Failure, Output, print, table::Table};
use crate::{
    config::{self, DEFAULTS, Loaded, Sources, load, tokens::Tokens},
    notify::Receiver,
};

/// See, check and describe the configuration.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print every key in force, and the flag, variable or file it came from
    Show {
        /// How to print it
        #[arg(short, long, value_enum, default_value_t, hide_default_value = true)]
        output: Output,
    },
    /// Say whether this configuration would start, and everything that is wrong with it
    Check,
    /// Print the JSON Schema of a configuration file
    Schema,
    /// Print the defaults with their comments, to begin a file of your own
    Defaults,
}

pub(super) fn run(args: &ConfigArgs, sources: Sources) -> Result<(), Failure> {
    let text = match args.what {
        What::Schema => serde_json::to_string_pretty(&config::schema())?,
        What::Defaults => DEFAULTS.to_owned(),
        What::Show { output } => show(&loaded(sources)?, output)?,
        What::Check => check(&loaded(sources)?)?,
    };
    Ok(print::out(&text)?)
}

fn loaded(sources: Sources) -> Result<Loaded, Failure> {
    load(sources).map_err(|error| Failure::usage(error.into()))
}

fn show(loaded: &Loaded, output: Output) -> Result<String, Failure> {
    let entries = loaded.entries();
    Ok(match output {
        Output::Json => serde_json::to_string_pretty(&entries)?,
        Output::Yaml => serde_saphyr::to_string(&entries)?,
        Output::Text | Output::Wide => {
            let mut table = Table::new(["KEY", "VALUE", "FROM"]);
            for entry in entries {
                let value = match entry.value {
                    Value::Null => "-".to_owned(),
                    Value::String(text) if !text.is_empty() => text,
                    other => other.to_string(),
                };
                table.row([entry.key, value, entry.origin]);
            }
            table.text()
        }
    })
}

fn check(loaded: &Loaded) -> Result<String, Failure> {
    loaded.may_serve_http().map_err(|error| Failure::usage(error.into()))?;
    let mut lines = vec![format!("the configuration is good: {} mode", loaded.config.deployment.mode)];
    if let Some(path) = &loaded.config.http.token_file {
        let tokens = Tokens::read(path).map_err(|error| Failure::usage(error.into()))?;
        lines.push(format!("{} tokens in {}", tokens.len(), path.display()));
        let expired = tokens.expired(jiff::Timestamp::now());
        if !expired.is_empty() {
            lines.push(format!("note: these tokens are over: {}", expired.join(", ")));
        }
    }
    let settings = loaded.settings().map_err(|error| Failure::usage(error.into()))?;
    if loaded.config.policy.file.is_some() {
        lines.push(format!("{} rules in {}", settings.policy.rules.len(), settings.policy.source));
    }
    if loaded.config.has_engine()
        && let Some(receiver) = Receiver::of(&loaded.config.notify).map_err(Failure::usage)?
    {
        lines.push(format!("messages are sent to notify.url, {}", receiver.shown()));
    }
    lines.extend(settings.policy.warnings().into_iter().map(|warning| format!("note: {warning}")));
    lines.extend(loaded.notes.iter().map(|note| format!("note: {note}")));
    lines.extend(loaded.config.missing().iter().map(|missing| format!("note: {}", missing.why)));
    Ok(lines.join("\n"))
}
