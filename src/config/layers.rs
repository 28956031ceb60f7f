//! Reads the layers, and names the key and the layer that are wrong.
//!
//! The crate `config` parses the file and merges the layers; the defaults are those of the types. Each layer is checked
//! before that, since only then it is known which file or variable holds an unknown or renamed key.

use std::path::{Path, PathBuf};

use config::{Config, FileFormat};
use serde_json::{Map, Value};
use thiserror::Error;

use super::Settings;
use super::renamed::new_name;
use crate::diagnostics::did_you_mean;

/// The environment variables that set something begin so.
const PREFIX: &str = "PIPEWARDEN_";

/// Why settings are rejected.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read or is not of its format.
    #[error("cannot read the configuration {}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        message: String,
    },
    /// A key that does not exist.
    #[error("{origin}: unknown key {key}{}", .hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default())]
    UnknownKey {
        /// The file or the environment variable.
        origin: String,
        /// The whole key.
        key: String,
        /// The key that was probably meant, as a question.
        hint: Option<String>,
    },
    /// A key of an earlier version.
    #[error("{origin}: {key} is called {new} now; CHANGELOG.md lists all new names")]
    RenamedKey {
        /// The file or the environment variable.
        origin: String,
        /// The whole key.
        key: String,
        /// Its new name.
        new: String,
    },
    /// A value of the wrong type or form.
    #[error("{key}: {message}")]
    Value {
        /// The whole key.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// Values that cannot work, alone or together.
    #[error("{}", .0.join("\n"))]
    Invalid(Vec<String>),
    /// Several of these, a line each.
    #[error("{}", lines(.0))]
    Several(Vec<Self>),
}

fn lines(errors: &[ConfigError]) -> String {
    let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

impl Settings {
    /// The defaults, then `file`, then the environment.
    ///
    /// # Errors
    /// [`ConfigError`], which names each key that is wrong and its origin.
    pub fn load(
        file: Option<&Path>,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let defaults = tree(&Self::default());
        let (mut layers, mut errors) = (Vec::new(), Vec::new());
        if let Some(path) = file {
            match read_file(path) {
                Ok(mut layer) => {
                    stringify_properties(&mut layer);
                    errors.extend(take_unknown(&mut layer, &defaults, &path.display().to_string()));
                    layers.push(layer);
                }
                Err(unreadable) => errors.push(unreadable),
            }
        }
        for (name, value) in environment {
            match from_environment(&name, &value, &defaults) {
                Ok(layer) => layers.extend(layer),
                Err(error) => errors.push(error),
            }
        }
        let settings = match read(merged(layers), &defaults) {
            Ok(settings) => settings,
            Err(unread) => {
                errors.extend(unread);
                Self::default()
            }
        };
        // Of values that could be read only together with others that could not nothing can be said.
        let problems = settings.problems();
        if !problems.is_empty() {
            errors.push(ConfigError::Invalid(problems));
        }
        if errors.len() > 1 {
            return Err(ConfigError::Several(errors));
        }
        errors.pop().map_or(Ok(settings), Err)
    }
}

/// The settings, or an error for each value that is of the wrong type or form.
fn read(merged: Value, defaults: &Map<String, Value>) -> Result<Settings, Vec<ConfigError>> {
    let first = match deserialized(merged.clone()) {
        Ok(settings) => return Ok(settings),
        Err(error) => error,
    };
    let mut errors = Vec::new();
    if let Value::Object(merged) = merged {
        for (path, value) in leaves(&merged, defaults) {
            errors.extend(deserialized(Value::Object(nested(&path, value))).err());
        }
    }
    Err(if errors.is_empty() { vec![first] } else { errors })
}

fn deserialized(tree: Value) -> Result<Settings, ConfigError> {
    serde_path_to_error::deserialize(tree).map_err(|error| ConfigError::Value {
        key: error.path().to_string(),
        message: error.inner().to_string(),
    })
}

/// Each value by its path, as deep as the defaults have sections.
fn leaves(tree: &Map<String, Value>, defaults: &Map<String, Value>) -> Vec<(Vec<String>, Value)> {
    let mut all = Vec::new();
    for (key, value) in tree {
        match (value, defaults.get(key)) {
            (Value::Object(below), Some(Value::Object(known))) if !known.is_empty() => {
                all.extend(leaves(below, known).into_iter().map(|(mut path, value)| {
                    path.insert(0, key.clone());
                    (path, value)
                }));
            }
            _ => all.push((vec![key.clone()], value.clone())),
        }
    }
    all
}

/// The settings as a tree of JSON values.
pub(super) fn tree(settings: &Settings) -> Map<String, Value> {
    match serde_json::to_value(settings) {
        Ok(Value::Object(tree)) => tree,
        _ => Map::new(),
    }
}

fn read_file(path: &Path) -> Result<Map<String, Value>, ConfigError> {
    let broken = |message: String| ConfigError::File {
        path: path.to_owned(),
        message,
    };
    let text = std::fs::read_to_string(path).map_err(|error| broken(error.to_string()))?;
    if text.trim().is_empty() {
        return Ok(Map::new());
    }
    let format = match path.extension().and_then(|extension| extension.to_str()) {
        Some("toml") => FileFormat::Toml,
        Some("json") => FileFormat::Json,
        _ => FileFormat::Yaml,
    };
    Config::builder()
        .add_source(config::File::from_str(&text, format))
        .build()
        .and_then(Config::try_deserialize)
        .map_err(|error| broken(error.to_string()))
}

/// librdkafka takes every property as text; people write `true` and `30000`.
fn stringify_properties(layer: &mut Map<String, Value>) {
    let client = layer.get_mut("kafka").and_then(|kafka| kafka.get_mut("client"));
    if let Some(Value::Object(client)) = client {
        for value in client.values_mut() {
            if value.is_number() || value.is_boolean() {
                *value = Value::from(value.to_string());
            }
        }
    }
}

/// Whether a key holds names of librdkafka's choice, which no default can list.
fn is_free(path: &str) -> bool {
    path == "kafka.client"
}

/// Takes out keys that do not exist, with an error for each.
fn take_unknown(
    layer: &mut Map<String, Value>,
    known: &Map<String, Value>,
    origin: &str,
) -> Vec<ConfigError> {
    fn walk(
        layer: &mut Map<String, Value>,
        known: &Map<String, Value>,
        above: &str,
        note: &mut impl FnMut(String),
    ) {
        layer.retain(|key, value| {
            let path = if above.is_empty() {
                key.clone()
            } else {
                format!("{above}.{key}")
            };
            let Some(expected) = known.get(key) else {
                note(path);
                return false;
            };
            if let (Value::Object(value), Value::Object(expected)) = (value, expected)
                && !is_free(&path)
            {
                walk(value, expected, &path, note);
            }
            true
        });
    }
    let (all, mut errors) = (keys(known), Vec::new());
    walk(layer, known, "", &mut |path| {
        errors.push(unknown(origin, path, &all))
    });
    errors
}

/// The error of a key that is none of `all`.
fn unknown(origin: &str, key: String, all: &[String]) -> ConfigError {
    let origin = origin.to_owned();
    match new_name(&key) {
        Some(new) => ConfigError::RenamedKey { origin, key, new },
        None => {
            let hint = did_you_mean(&key, all.iter().map(String::as_str));
            ConfigError::UnknownKey { origin, key, hint }
        }
    }
}

/// Every key, whole.
pub(super) fn keys(tree: &Map<String, Value>) -> Vec<String> {
    fn walk(tree: &Map<String, Value>, path: &str, all: &mut Vec<String>) {
        for (key, value) in tree {
            let path = if path.is_empty() {
                key.clone()
            } else {
                format!("{path}.{key}")
            };
            if let Value::Object(below) = value {
                walk(below, &path, all);
            }
            all.push(path);
        }
    }
    let mut all = Vec::new();
    walk(tree, "", &mut all);
    all
}

/// `PIPEWARDEN_KAFKA__TOPICS__INPUT=a,b` as a layer. Under `kafka.client`, underscores stand for the dots of
/// librdkafka's names: `PIPEWARDEN_KAFKA__CLIENT__SECURITY_PROTOCOL`.
fn from_environment(
    name: &str,
    value: &str,
    defaults: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>, ConfigError> {
    let Some(rest) = name.strip_prefix(PREFIX) else {
        return Ok(None);
    };
    // Every setting has a section. Other names are not ours to judge: Kubernetes, for one, puts
    // `PIPEWARDEN_SERVICE_HOST` and the like there. But a setting with an underscore too few is a mistake.
    if !rest.contains("__") {
        return not_a_setting(name, rest, defaults).map(|()| None);
    }
    let mut path: Vec<String> = rest.split("__").map(str::to_ascii_lowercase).collect();
    if path.len() == 3 && path[..2] == ["kafka", "client"] {
        path[2] = path[2].replace('_', ".");
        return Ok(Some(nested(&path, Value::String(value.to_owned()))));
    }
    let mut place = Some(defaults);
    let mut default = None;
    for part in &path {
        default = place.and_then(|place| place.get(part));
        place = default.and_then(Value::as_object);
    }
    let typed = match default {
        Some(Value::Bool(_)) => value.parse().ok().map(Value::Bool),
        Some(Value::Number(_)) => value.parse::<i64>().ok().map(Value::from),
        Some(Value::Array(_)) => Some(value.split(',').map(|item| Value::from(item.trim())).collect()),
        Some(Value::Object(_)) | None => {
            return Err(unknown(name, path.join("."), &keys(defaults)));
        }
        Some(Value::String(_) | Value::Null) => Some(Value::from(value)),
    };
    // A value of the wrong type goes on as text, so that the error names the key and the expected type.
    Ok(Some(nested(&path, typed.unwrap_or_else(|| Value::from(value)))))
}

/// # Errors
/// A variable that is a setting but for an underscore.
fn not_a_setting(name: &str, rest: &str, defaults: &Map<String, Value>) -> Result<(), ConfigError> {
    let is_meant = |key: &String| key.contains('.') && key.replace('.', "_").eq_ignore_ascii_case(rest);
    let Some(key) = keys(defaults).into_iter().find(is_meant) else {
        return Ok(());
    };
    let meant = format!("{PREFIX}{}", key.to_ascii_uppercase().replace('.', "__"));
    Err(ConfigError::UnknownKey {
        origin: name.to_owned(),
        key: rest.to_ascii_lowercase(),
        hint: did_you_mean(&meant, [meant.as_str()]),
    })
}

fn nested(path: &[String], value: Value) -> Map<String, Value> {
    let value = path.iter().rev().fold(value, |below, part| {
        Value::Object(Map::from_iter([(part.clone(), below)]))
    });
    match value {
        Value::Object(tree) => tree,
        _ => Map::new(),
    }
}

/// All layers as one; where two set the same key the later one counts.
fn merged(layers: Vec<Map<String, Value>>) -> Value {
    let mut builder = Config::builder();
    for layer in layers {
        let text = Value::Object(layer).to_string();
        builder = builder.add_source(config::File::from_str(&text, FileFormat::Json));
    }
    builder
        .build()
        .and_then(Config::try_deserialize)
        .expect("what is written as JSON can be read as JSON")
}
