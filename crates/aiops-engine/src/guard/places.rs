//! Where a plan acts, in namespaces, and what it does there in the policy's words: where the trouble is, where each object is
//! that it writes, and where an Application that it syncs deploys to.
//!
//! It judges nothing. Acting through an owner elsewhere is acting on what it owns: the strictest place decides.

use super::{Question, rules};
use crate::settings::policy;

/// The namespaces of a plan (empty for objects of the cluster), each once.
pub(super) fn of<'a>(question: &Question<'a>) -> Vec<&'a str> {
    let mut places: Vec<&str> = Vec::new();
    for action in question.actions {
        places.push(&action.target().namespace);
        places.extend(deployed(question, action));
    }
    places.extend(of_trouble(question));
    places.sort_unstable();
    places.dedup();
    places
}

/// Where the trouble is; that of an object of the cluster is nowhere, and looked up by what is acted on alone.
fn of_trouble<'a>(question: &Question<'a>) -> Option<&'a str> {
    Some(question.problem.target.namespace.as_str()).filter(|namespace| !namespace.is_empty())
}

/// Where the Application of an action deploys to.
fn deployed<'a>(
    question: &Question<'a>,
    action: &crate::model::action::Action,
) -> impl Iterator<Item = &'a str> {
    let facts = question.figures.of(action.target());
    facts.into_iter().flat_map(|facts| &facts.deploys_to).map(String::as_str)
}

/// Each namespace with each word that the policy is asked about there.
pub(super) fn words<'a>(question: &Question<'a>) -> Vec<(&'a str, &'static str)> {
    let mut words: Vec<(&str, &'static str)> = Vec::new();
    for action in question.actions {
        let name = action.name();
        words.push((&action.target().namespace, name));
        words.extend(deployed(question, action).map(|namespace| (namespace, name)));
        words.extend(of_trouble(question).map(|namespace| (namespace, name)));
    }
    let traits = [question.is_multi_layer.then_some(policy::MULTI_LAYER), rules::owned_by(question)];
    for word in traits.into_iter().flatten() {
        words.extend(of(question).into_iter().map(|namespace| (namespace, word)));
    }
    words
}
