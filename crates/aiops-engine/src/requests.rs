//! What the outside may ask; one file a topic, each with its request, its answer and the decision between them.

pub mod namespaces;
