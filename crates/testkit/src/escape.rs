//! JSON written in other ways that mean the same.

use rand::seq::SliceRandom as _;
use rand::{Rng, RngExt as _};
use serde_json::Value;

/// A document with keys in any order, any whitespace, and characters escaped at random.
pub fn rewritten(value: &Value, random: &mut impl Rng) -> Vec<u8> {
    let mut text = String::new();
    write(value, random, &mut text);
    text.into_bytes()
}

fn write(value: &Value, random: &mut impl Rng, text: &mut String) {
    match value {
        Value::Object(entries) => {
            let mut entries: Vec<_> = entries.iter().collect();
            entries.shuffle(random);
            list(entries, ('{', '}'), random, text, |(key, value), random, text| {
                string(key, random, text);
                space(random, text);
                text.push(':');
                space(random, text);
                write(value, random, text);
            });
        }
        Value::Array(items) => list(items.iter().collect(), ('[', ']'), random, text, write),
        Value::String(value) => string(value, random, text),
        other => text.push_str(&other.to_string()),
    }
}

fn list<T, R: Rng>(
    items: Vec<T>,
    (open, close): (char, char),
    random: &mut R,
    text: &mut String,
    mut item: impl FnMut(T, &mut R, &mut String),
) {
    text.push(open);
    for (index, next) in items.into_iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        space(random, text);
        item(next, random, text);
        space(random, text);
    }
    text.push(close);
}

fn space(random: &mut impl Rng, text: &mut String) {
    if random.random_bool(0.2) {
        text.push([' ', '\n', '\t', '\r'][random.random_range(0..4)]);
    }
}

fn string(value: &str, random: &mut impl Rng, text: &mut String) {
    // Most strings are left alone, or nothing would ever be skipped.
    let share = if random.random_bool(0.02) {
        random.random_range(0.0..1.0)
    } else {
        0.0
    };
    text.push('"');
    for c in value.chars() {
        if c < ' ' || c == '"' || c == '\\' || random.random_bool(share) {
            let mut units = [0u16; 2];
            for unit in c.encode_utf16(&mut units) {
                let escape = if random.random() {
                    format!("\\u{unit:04x}")
                } else {
                    format!("\\u{unit:04X}")
                };
                // The short forms.
                match c {
                    '"' | '\\' if random.random_bool(0.8) => {
                        text.push('\\');
                        text.push(c);
                    }
                    '\n' if random.random_bool(0.8) => text.push_str("\\n"),
                    '\t' if random.random_bool(0.8) => text.push_str("\\t"),
                    '\r' if random.random_bool(0.8) => text.push_str("\\r"),
                    _ => text.push_str(&escape),
                }
            }
        } else {
            text.push(c);
        }
    }
    text.push('"');
}
