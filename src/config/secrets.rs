//! What must never be printed.

use serde_json::Value;

use super::{Settings, layers};

const HIDDEN: &str = "(hidden)";

/// Whether a librdkafka property holds a secret.
pub(crate) fn is_secret(property: &str) -> bool {
    let property = property.to_ascii_lowercase();
    [
        "password",
        "secret",
        "token",
        ".pem",
        "jaas",
        "oauthbearer.config",
        "sasl.username",
    ]
    .iter()
    .any(|part| property.contains(part))
}

impl Settings {
    /// The settings in force as YAML, secrets hidden.
    pub fn to_display(&self) -> String {
        let mut tree = layers::tree(self);
        if let Some(Value::Object(client)) = tree.get_mut("kafka").and_then(|kafka| kafka.get_mut("client")) {
            for (property, value) in client.iter_mut() {
                if is_secret(property) {
                    *value = HIDDEN.into();
                }
            }
        }
        serde_saphyr::to_string(&Value::Object(tree)).unwrap_or_default()
    }
}
