//! Finds the objects in a file, one after the other: single objects, lists (typed or mixed), several JSON values after
//! each other (NDJSON among them) and YAML documents. A list is never held whole.
//!
//! What an object is of is for the caller; nothing here knows kinds.

use std::{cell::Cell, fmt, io, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed},
};
use serde_json::{Value, value::RawValue};

/// What a list says of itself; all empty when the document was an object.
#[derive(Debug, Clone, Default)]
pub(super) struct Head {
    pub api_version: String,
    pub kind: String,
    pub is_list: bool,
}

/// Text of one object.
pub(super) enum Text<'t> {
    /// Embedded in the binary.
    Fixed(&'static str),
    /// Anywhere else.
    Passing(&'t str),
}

impl Text<'_> {
    pub(super) fn as_str(&self) -> &str {
        match self {
            Text::Fixed(text) => text,
            Text::Passing(text) => text,
        }
    }
}

/// Takes the objects; an error ends the file.
pub(super) trait Sink {
    /// One object. `head` is what is known of the list it stands in so far.
    fn object(&mut self, text: Text<'_>, head: &Head) -> anyhow::Result<()>;
    /// A list is complete.
    fn list(&mut self, head: &Head);
}

/// Objects of JSON that is streamed.
pub(super) fn json(reader: impl io::Read, sink: &mut dyn Sink) -> anyhow::Result<()> {
    let mut deserializer =
        serde_json::Deserializer::from_reader(io::BufReader::with_capacity(1 << 16, reader));
    every::<_, Box<RawValue>>(&mut deserializer, sink)
}

/// Objects of JSON that is embedded in the binary.
pub(super) fn embedded(text: &'static [u8], sink: &mut dyn Sink) -> anyhow::Result<()> {
    every::<_, &'static RawValue>(&mut serde_json::Deserializer::from_slice(text), sink)
}

fn every<'de, R, T>(deserializer: &mut serde_json::Deserializer<R>, sink: &mut dyn Sink) -> anyhow::Result<()>
where
    R: serde_json::de::Read<'de>,
    T: Deserialize<'de> + Piece,
{
    loop {
        let began = Cell::new(false);
        match deserializer.deserialize_map(Document::<T>::new(&began, sink)) {
            Ok(()) => {}
            Err(error) if error.is_eof() && !began.get() => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// Objects of YAML. Documents are parsed one by one, the items of a list too.
pub(super) fn yaml(text: &str, sink: &mut dyn Sink) -> anyhow::Result<()> {
    for document in split(text) {
        if document
            .lines()
            .all(|line| line.trim().is_empty() || line.starts_with('#') || line.trim() == "---")
        {
            continue;
        }
        let began = Cell::new(false);
        serde_saphyr::with_deserializer_from_str_with_options(document, yaml_options(), |yaml| {
            yaml.deserialize_map(Document::<Value>::new(&began, &mut *sink))
        })?;
    }
    Ok(())
}

/// The size of a file is limited by whoever reads it; what stays limited here is depth and what aliases may unfold to.
pub(super) fn yaml_options() -> serde_saphyr::Options {
    let mut options = serde_saphyr::Options::default();
    options.with_snippet = false;
    if let Some(budget) = &mut options.budget {
        budget.max_events = usize::MAX;
        budget.max_nodes = usize::MAX;
        budget.max_total_scalar_bytes = usize::MAX;
    }
    options
}

/// Cuts at lines that begin a document.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let whole = rest?;
        let cut =
            std::iter::once(0).chain(whole.match_indices('\n').map(|(at, _)| at + 1)).skip(1).find(|at| {
                whole.get(*at..).is_some_and(|line| {
                    line.strip_prefix("---")
                        .is_some_and(|after| after.is_empty() || after.starts_with(['\n', '\r', ' ']))
                })
            });
        let (document, after) = match cut.and_then(|at| whole.split_at_checked(at)) {
            Some((document, after)) => (document, Some(after)),
            None => (whole, None),
        };
        rest = after;
        Some(document)
    })
}

/// A value as the format's parser hands it out.
trait Piece {
    fn show(&self, each: &mut dyn FnMut(Text<'_>) -> anyhow::Result<()>) -> anyhow::Result<()>;
}

impl Piece for Box<RawValue> {
    fn show(&self, each: &mut dyn FnMut(Text<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        each(Text::Passing(self.get()))
    }
}

impl Piece for &'static RawValue {
    fn show(&self, each: &mut dyn FnMut(Text<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        each(Text::Fixed(self.get()))
    }
}

impl Piece for Value {
    fn show(&self, each: &mut dyn FnMut(Text<'_>) -> anyhow::Result<()>) -> anyhow::Result<()> {
        each(Text::Passing(&self.to_string()))
    }
}

/// One document: hands out the items when it is a list, itself when it is an object.
struct Document<'s, T> {
    began: &'s Cell<bool>,
    sink: &'s mut dyn Sink,
    piece: PhantomData<T>,
}

impl<'s, T> Document<'s, T> {
    fn new(began: &'s Cell<bool>, sink: &'s mut dyn Sink) -> Self {
        Self { began, sink, piece: PhantomData }
    }
}

impl<'de, T: Deserialize<'de> + Piece> de::Visitor<'de> for Document<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object or a list of objects")
    }

    fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.began.set(true);
        let mut head = Head::default();
        let mut members = String::new();
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "items" => {
                    head.is_list = true;
                    map.next_value_seed(Items::<T> {
                        head: &head,
                        sink: &mut *self.sink,
                        piece: PhantomData,
                    })?;
                }
                "apiVersion" => head.api_version = map.next_value::<Option<String>>()?.unwrap_or_default(),
                "kind" => head.kind = map.next_value::<Option<String>>()?.unwrap_or_default(),
                _ => {
                    let value = map.next_value::<T>()?;
                    let added = value.show(&mut |value| {
                        member(&mut members, &key, value.as_str());
                        Ok(())
                    });
                    added.map_err(custom)?;
                }
            }
        }
        if head.is_list || head.kind.ends_with("List") {
            head.is_list = true;
            self.sink.list(&head);
            return Ok(());
        }
        let mut whole = String::new();
        member(&mut whole, "apiVersion", &Value::from(head.api_version.as_str()).to_string());
        member(&mut whole, "kind", &Value::from(head.kind.as_str()).to_string());
        let comma = if members.is_empty() { "" } else { "," };
        self.sink.object(Text::Passing(&format!("{{{whole}{comma}{members}}}")), &head).map_err(custom)
    }
}

/// Appends one member of an object.
fn member(object: &mut String, key: &str, value: &str) {
    if !object.is_empty() {
        object.push(',');
    }
    object.push_str(&Value::from(key).to_string());
    object.push(':');
    object.push_str(value);
}

fn custom<E: de::Error>(error: anyhow::Error) -> E {
    E::custom(format!("{error:#}"))
}

/// The items of a list.
struct Items<'s, T> {
    head: &'s Head,
    sink: &'s mut dyn Sink,
    piece: PhantomData<T>,
}

impl<'de, T: Deserialize<'de> + Piece> DeserializeSeed<'de> for Items<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Deserialize<'de> + Piece> de::Visitor<'de> for Items<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of objects")
    }

    // Go writes an empty list as null.
    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_seq<A: de::SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        while let Some(item) = seq.next_element::<T>()? {
            item.show(&mut |text| self.sink.object(text, self.head)).map_err(custom)?;
        }
        Ok(())
    }
}
