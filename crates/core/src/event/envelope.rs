//! Messages that hold other documents: arrays, and the wrappers that shippers and exports put around what Winlogbeat wrote.
//!
//! | message | who writes so |
//! |---|---|
//! | `[{..}, {..}]` | batching shippers, exports |
//! | `{"records": [{..}]}` | Azure Event Hubs and Monitor |
//! | `{"hits": {"hits": [{"_source": {..}}]}}` | a search response of Elasticsearch or OpenSearch |
//! | `{"_source": {..}}` | one hit, as dumps hold one a line |
//! | `{"message": "{..}"}`, `{"event": {"original": "{..}"}}` | Logstash and Filebeat without a JSON codec |
//!
//! A message is opened without being built: elements are visited one after another, so that an array of a million numbers
//! costs no more memory than one of three.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// How many wrappers may stand around a document. More than a shipper, a queue and an export add.
const DEEPEST: u32 = 4;

/// What an opened message holds, one by one: the JSON text of each element, from the first.
pub(super) type Visit<'v> = dyn FnMut(&str) + 'v;

/// Opens a message that is a wrapper and visits the documents in it, however many wrappers stand around them. `Ok(false)`,
/// with nothing visited, where it is none. An element may be anything; what it must be is the visitor's to say.
///
/// # Errors
/// What serde says where the message ceases to be JSON; what came before has been visited.
pub(super) fn open(text: &str, visit: &mut Visit<'_>) -> Result<bool, serde_json::Error> {
    open_at(text, 0, visit)
}

fn open_at(text: &str, depth: u32, visit: &mut Visit<'_>) -> Result<bool, serde_json::Error> {
    let mut inner = |element: &str| -> Result<(), serde_json::Error> {
        if depth < DEEPEST && open_at(element, depth + 1, visit)? {
            return Ok(());
        }
        visit(element);
        Ok(())
    };
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let is_wrapper = match text.trim_ascii_start().as_bytes().first() {
        Some(b'[') => Elements(&mut inner)
            .deserialize(&mut deserializer)
            .map(|()| true)?,
        Some(b'{') => Wrapper(&mut inner).deserialize(&mut deserializer)?,
        _ => return Ok(false),
    };
    deserializer.end()?;
    Ok(is_wrapper)
}

/// The keys of an object, for people who must find out what it is: no values, which may be secret, and only so many.
pub(super) fn keys(object: &str) -> String {
    const MOST: usize = 12;
    const LONGEST: usize = 40;
    let object: Result<BTreeMap<Cow<'_, str>, IgnoredAny>, _> = serde_json::from_str(object);
    let keys = object.unwrap_or_default().into_keys();
    let short = |key: Cow<'_, str>| key.chars().take(LONGEST).collect::<String>();
    let mut keys: Vec<String> = keys.map(short).collect();
    let others = keys.len().saturating_sub(MOST);
    keys.truncate(MOST);
    let named = keys.join(", ");
    match others {
        0 => named,
        _ => format!("{named} and {others} more"),
    }
}

type Inner<'i> = dyn FnMut(&str) -> Result<(), serde_json::Error> + 'i;

/// Visits each element of an array.
struct Elements<'s, 'i>(&'s mut Inner<'i>);

impl<'de> DeserializeSeed<'de> for Elements<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while let Some(item) = items.next_element::<&RawValue>()? {
            (self.0)(item.get()).map_err(A::Error::custom)?;
        }
        Ok(())
    }
}

/// Looks for the fields that make an object a wrapper, and visits what they hold.
struct Wrapper<'s, 'i>(&'s mut Inner<'i>);

/// `event`, as far as wrappers use it.
#[derive(Deserialize)]
struct Original<'a> {
    #[serde(borrow, default)]
    original: Option<Cow<'a, str>>,
}

/// `hits` of a search response.
#[derive(Deserialize)]
struct Hits<'a> {
    #[serde(borrow)]
    hits: &'a RawValue,
}

impl<'de> DeserializeSeed<'de> for Wrapper<'_, '_> {
    type Value = bool;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<bool, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wrapper<'_, '_> {
    type Value = bool;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<bool, A::Error> {
        let mut found: Option<Cow<'de, str>> = None;
        while let Some(name) = fields.next_key::<Cow<'de, str>>()? {
            match &*name {
                // A document of Winlogbeat, whatever else it holds.
                "winlog" | "event_data" | "Event" | "EventID" => {
                    fields.next_value::<IgnoredAny>()?;
                    found = None;
                    while fields.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                    break;
                }
                "records" => {
                    let records = fields.next_value::<&RawValue>()?.get();
                    found = records
                        .starts_with('[')
                        .then_some(Cow::Borrowed(records))
                        .or(found);
                }
                "_source" => found = Some(Cow::Borrowed(fields.next_value::<&RawValue>()?.get())),
                "hits" => {
                    let raw = fields.next_value::<&'de RawValue>()?.get();
                    let hits = serde_json::from_str::<Hits<'de>>(raw).ok();
                    found = hits.map(|hits| Cow::Borrowed(hits.hits.get())).or(found);
                }
                "message" => found = found.or(wrapped_text(fields.next_value::<&'de RawValue>()?)),
                "event" => {
                    let raw = fields.next_value::<&'de RawValue>()?.get();
                    let event = serde_json::from_str::<Original<'de>>(raw).ok();
                    let original = event.and_then(|event| event.original);
                    found = found.or(original.filter(|text| is_json(text)));
                }
                _ => drop(fields.next_value::<IgnoredAny>()?),
            }
        }
        let Some(found) = found else { return Ok(false) };
        if found.trim_ascii_start().starts_with('[') {
            let mut deserializer = serde_json::Deserializer::from_str(&found);
            Elements(self.0)
                .deserialize(&mut deserializer)
                .map_err(A::Error::custom)?;
        } else {
            (self.0)(&found).map_err(A::Error::custom)?;
        }
        Ok(true)
    }
}

/// A string whose text is JSON itself.
fn wrapped_text(raw: &RawValue) -> Option<Cow<'_, str>> {
    let text: Cow<'_, str> = serde_json::from_str::<Text<'_>>(raw.get()).ok()?.0;
    is_json(&text).then_some(text)
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

fn is_json(text: &str) -> bool {
    let text = text.trim_ascii();
    let is_closed =
        (text.starts_with('{') && text.ends_with('}')) || (text.starts_with('[') && text.ends_with(']'));
    is_closed && serde_json::from_str::<IgnoredAny>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn opened(message: &str) -> Option<Vec<Value>> {
        let mut all = Vec::new();
        let is_wrapper = open(message, &mut |element| {
            all.push(serde_json::from_str(element).unwrap())
        });
        is_wrapper.unwrap().then_some(all)
    }

    fn document(number: u64) -> Value {
        json!({"@timestamp": "2026-03-02T10:15:04Z", "winlog": {"event_id": 3, "record_id": number}, "message": "{}"})
    }

    #[test]
    fn each_known_wrapper_gives_the_documents_in_it() {
        let (one, two) = (document(1), document(2));
        for message in [
            json!([one, two]),
            json!({"records": [one, two]}),
            json!({"took": 3, "hits": {"total": {"value": 2}, "hits": [{"_id": "0", "_source": one}, {"_source": two}]}}),
            json!({"message": json!([one, two]).to_string(), "@timestamp": "2026-03-02T10:15:04Z"}),
            json!([{"message": one.to_string()}, {"event": {"original": two.to_string()}}]),
            json!({"records": [{"_source": one}, {"message": two.to_string()}]}),
        ] {
            assert_eq!(
                opened(&message.to_string()),
                Some(vec![one.clone(), two.clone()]),
                "{message}"
            );
        }
    }

    #[test]
    fn a_document_is_no_wrapper_whatever_else_it_holds_and_in_whatever_order() {
        for message in [
            document(1).to_string(),
            json!({"message": "{}", "records": [], "winlog": {}}).to_string(),
            r#"{"records":[{"a":1}],"winlog":{}}"#.to_owned(),
            r#"{"message":"text {in} braces"}"#.to_owned(),
            r#"{"hits":3,"records":"x"}"#.to_owned(),
            r#"{"message":"{not json}"}"#.to_owned(),
            "7".to_owned(),
            "\"text\"".to_owned(),
            "null".to_owned(),
        ] {
            assert_eq!(opened(&message), None, "{message}");
        }
    }

    #[test]
    fn an_array_that_breaks_off_gives_what_stands_before_the_break() {
        let mut seen = Vec::new();
        let ended = open(r#"[{"a":1},{"b":2},{"c":"#, &mut |element| {
            seen.push(element.to_owned())
        });
        assert!(ended.is_err());
        assert_eq!(seen, [r#"{"a":1}"#, r#"{"b":2}"#]);
    }

    #[test]
    fn wrappers_within_wrappers_are_opened_up_to_a_bound() {
        let mut message = document(1);
        for _ in 0..50 {
            message = json!([message]);
        }
        let elements = opened(&message.to_string()).unwrap();
        assert_eq!(elements.len(), 1);
        assert!(elements[0].is_array(), "what is deeper is left as it is");
    }

    proptest! {
        #[test]
        fn elements_of_an_array_are_those_that_serde_finds(numbers in prop::collection::vec(0..9u64, 0..20)) {
            let documents: Vec<Value> = numbers.iter().map(|number| document(*number)).collect();
            prop_assert_eq!(opened(&Value::from(documents.clone()).to_string()), Some(documents));
        }
    }
}
