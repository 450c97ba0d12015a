//! Prompts: ways to go about a question with our tools, for people to start from.
//!
//! They read nothing of the cluster: the texts name the tools and resources that do, and only those that are offered.

mod correlate;
mod data_access;
mod diagnose;
mod investigate;
mod remediate;

use aiops_engine::text::is_clean;
use rmcp::{
    ErrorData,
    model::{
        ContentBlock, GetPromptRequestParams, GetPromptResult, JsonObject, Prompt, PromptArgument,
        PromptMessage, Role,
    },
};

use super::catalogue::Catalogue;

/// What `severity` may be where issues are meant.
const SEVERITIES: [&str; 3] = ["all", "critical", "warning"];

/// What `severity` may be for this prompt.
pub(super) fn severities(prompt: &str) -> &'static [&'static str] {
    if prompt == correlate::PROMPT.name { &correlate::SEVERITIES } else { &SEVERITIES }
}

/// The longest argument, in bytes.
const LONGEST: usize = 253;

/// A prompt.
struct Template {
    name: &'static str,
    title: &'static str,
    description: &'static str,
    /// Name, description, whether it is required.
    arguments: &'static [(&'static str, &'static str, bool)],
    /// A tool without which it says nothing; empty for none.
    needs: &'static str,
    text: fn(&Values<'_>) -> Result<String, ErrorData>,
}

const TEMPLATES: [&Template; 5] =
    [&diagnose::PROMPT, &investigate::PROMPT, &data_access::PROMPT, &correlate::PROMPT, &remediate::PROMPT];

/// The prompts that are of use with the tools that are offered.
fn offered(catalogue: &Catalogue) -> impl Iterator<Item = &'static Template> {
    let is_offered = |t: &&Template| t.needs.is_empty() || catalogue.name(t.needs).is_some();
    TEMPLATES.into_iter().filter(is_offered)
}

/// What a text is made of.
struct Values<'a> {
    arguments: Vec<(&'static str, String)>,
    catalogue: &'a Catalogue,
}

impl Values<'_> {
    fn argument(&self, name: &str) -> Option<&str> {
        self.arguments.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
    }

    /// A line about a tool, when the tool is offered. `{}` stands for its name.
    fn tool(&self, into: &mut String, bare: &str, line: &str) {
        if let Some(name) = self.catalogue.name(bare) {
            into.push_str(&line.replace("{}", name));
            into.push('\n');
        }
    }
}

/// The prompts.
pub(super) fn list(catalogue: &Catalogue) -> Vec<Prompt> {
    let argument = |(name, description, required): &(&'static str, &'static str, bool)| {
        PromptArgument::new(*name).with_description(*description).with_required(*required)
    };
    let prompt = |template: &Template| {
        let arguments: Vec<PromptArgument> = template.arguments.iter().map(argument).collect();
        let arguments = (!arguments.is_empty()).then_some(arguments);
        Prompt::new(template.name, Some(template.description), arguments).with_title(template.title)
    };
    offered(catalogue).map(prompt).collect()
}

/// Whether a prompt has an argument of this name.
pub(super) fn takes(prompt: &str, argument: &str) -> bool {
    TEMPLATES.iter().any(|t| t.name == prompt && t.arguments.iter().any(|(name, ..)| *name == argument))
}

/// The messages of a prompt.
pub(super) fn get(
    catalogue: &Catalogue,
    request: &GetPromptRequestParams,
) -> Result<GetPromptResult, ErrorData> {
    let template = offered(catalogue).find(|template| template.name == request.name).ok_or_else(|| {
        let shown: String = request.name.chars().take(64).collect();
        let known: Vec<&str> = offered(catalogue).map(|template| template.name).collect();
        ErrorData::invalid_params(format!("prompt {shown:?} not found; there are {}", known.join(", ")), None)
    })?;
    let empty = JsonObject::new();
    let arguments = values(template, request.arguments.as_ref().unwrap_or(&empty))?;
    let text = (template.text)(&Values { arguments, catalogue })?;
    let message = PromptMessage::new(Role::User, ContentBlock::text(text));
    Ok(GetPromptResult::new(vec![message]).with_description(template.description))
}

fn values(template: &Template, given: &JsonObject) -> Result<Vec<(&'static str, String)>, ErrorData> {
    let refuse = |name: &str, why: String| {
        let name: String = name.chars().take(64).collect();
        ErrorData::invalid_params(format!("argument {name:?} of {}: {why}", template.name), None)
    };
    if let Some(unknown) =
        given.keys().find(|name| !template.arguments.iter().any(|(known, ..)| known == name))
    {
        let known: Vec<&str> = template.arguments.iter().map(|(name, ..)| *name).collect();
        let known = if known.is_empty() { "no arguments".to_owned() } else { known.join(", ") };
        return Err(refuse(unknown, format!("is not known; it takes {known}")));
    }
    let mut values = Vec::new();
    for (name, description, required) in template.arguments {
        let value = given.get(*name).filter(|value| !value.is_null());
        let text = match value.map(|value| value.as_str()) {
            Some(Some(text)) => text.trim(),
            Some(None) => return Err(refuse(name, "must be a string".to_owned())),
            None => "",
        };
        if !is_clean(text, LONGEST) || text.contains(['"', '\\', '{', '}']) {
            // It is put between quotes, and into a selector.
            let why = format!(
                "must be one line of at most {LONGEST} bytes, without quotes, braces and backslashes"
            );
            return Err(refuse(name, why));
        }
        if text.is_empty() && *required {
            return Err(refuse(name, format!("is needed: {description}")));
        }
        if !text.is_empty() {
            values.push((*name, text.to_owned()));
        }
    }
    Ok(values)
}
