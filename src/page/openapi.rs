//! The API, described by OpenAPI.

use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Value, json};

use super::answers::{About, Alerts, Changes, Detail, Health, Services};

/// The description that `/api/openapi.json` answers.
pub(super) fn description() -> Value {
    let mut schemas = SchemaGenerator::from(schemars::generate::SchemaSettings::draft2020_12().with(
        |settings| {
            "/components/schemas".clone_into(settings.definitions_path.to_mut());
        },
    ));
    let about = get(
        "What the page is of, and how much it holds.",
        &[],
        &answer::<About>(&mut schemas),
    );
    let alerts = get(
        "All alerts that are held, a row each.",
        &[],
        &answer::<Alerts>(&mut schemas),
    );
    let services = get(
        "How running services are.",
        &[],
        &answer::<Services>(&mut schemas),
    );
    let alert = get(
        "One alert with its document.",
        &["id"],
        &answer::<Detail>(&mut schemas),
    );
    let document = json!({ "type": "object", "description": "schemas/alert.schema.json" });
    let revision = get("A document as it was published.", &["id", "revision"], &document);
    let stream = stream(&mut schemas);
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "The API of Pipewarden's page",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Every request only reads. It is what the page uses, and may change with it.",
        },
        "paths": {
            "/api/about": about,
            "/api/alerts": alerts,
            "/api/services": services,
            "/api/alerts/{id}": alert,
            "/api/alerts/{id}/revisions/{revision}": revision,
            "/api/stream/{epoch}/{after}": stream,
        },
        "components": {
            "schemas": schemas.take_definitions(true),
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
        "security": [{}, { "token": [] }],
    })
}

fn answer<T: JsonSchema>(schemas: &mut SchemaGenerator) -> Value {
    schemas.subschema_for::<T>().to_value()
}

/// A path that is only ever read.
fn get(summary: &str, parameters: &[&str], schema: &Value) -> Value {
    let mut responses = json!({
        "200": { "description": "What is asked for.", "content": { "application/json": { "schema": schema } } },
        "401": { "description": "A token is needed, and this is none or another one." },
    });
    if !parameters.is_empty() {
        responses["404"] =
            json!({ "description": "It is not held: forgotten for newer alerts, or never read." });
    }
    json!({ "get": { "summary": summary, "parameters": named(parameters), "responses": responses } })
}

fn named(parameters: &[&str]) -> Vec<Value> {
    let number = |name: &str| matches!(name, "revision" | "after");
    let schema = |name: &str| json!({ "type": if number(name) { "integer" } else { "string" } });
    parameters
        .iter()
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": schema(name) }))
        .collect()
}

fn stream(schemas: &mut SchemaGenerator) -> Value {
    let (changes, health) = (answer::<Changes>(schemas), answer::<Health>(schemas));
    json!({ "get": {
        "summary": "Changes after the one of this number, as server-sent events that never end.",
        "parameters": named(&["epoch", "after"]),
        "responses": {
            "200": {
                "description": "Events `rows` as alerts change, `health` as reading does and every five seconds, and \
                                `restarted` with the end, where `epoch` is of another run of the server.",
                "content": { "text/event-stream": { "schema": { "type": "string" } } },
                "x-events": { "rows": changes, "health": health, "restarted": { "type": "object" } },
            },
            "401": { "description": "A token is needed, and this is none or another one." },
        },
    } })
}
