//! One access of DETECT-8 in every shape in which Windows events are published.

use serde_json::{Map, Value, json};

use super::winlogbeat;

/// The three events in one shape.
pub struct Shape {
    pub name: &'static str,
    pub connection: Value,
    pub pipe: Value,
    pub share: Value,
}

impl Shape {
    pub fn events(&self) -> [&Value; 3] {
        [&self.connection, &self.pipe, &self.share]
    }
}

/// All shapes.
pub fn all() -> Vec<Shape> {
    let mut shapes = vec![shape("winlogbeat 8", |event| event)];
    shapes.push(shape("winlogbeat 7 before 7.13", numbers));
    shapes.push(shape("winlogbeat 7 with its script modules", |event| {
        moved(numbers(event), false)
    }));
    shapes.push(shape("after ingest pipelines", |event| moved(event, true)));
    shapes.push(shape("logstash", logstash));
    shapes.push(shape("logstash with doubled backslashes", |event| {
        doubled(logstash(event))
    }));
    shapes.push(shape("winlogbeat 6", flat));
    shapes.push(shape("rendered from evtx", rendered));
    shapes.push(shape("nxlog", nxlog));
    shapes
}

fn shape(name: &'static str, change: impl Fn(Value) -> Value) -> Shape {
    let [connection, pipe, share] = winlogbeat::detect_8().map(change);
    Shape {
        name,
        connection,
        pipe,
        share,
    }
}

fn code(event: &Value) -> u64 {
    event["winlog"]["event_id"].as_str().unwrap().parse().unwrap()
}

/// Event ids as numbers.
fn numbers(mut event: Value) -> Value {
    let code = code(&event);
    event["event"]["code"] = code.into();
    event["winlog"]["event_id"] = code.into();
    event
}

fn take(data: &mut Map<String, Value>, field: &str) -> Value {
    data.remove(field).unwrap_or(Value::Null)
}

fn as_number(value: &Value) -> Value {
    value.as_str().unwrap().parse::<u64>().unwrap().into()
}

/// Fields moved to their ECS names, as the Sysmon module (and `ingest` pipelines) do.
fn moved(mut event: Value, ingest: bool) -> Value {
    if ingest {
        let record_id = event["winlog"]["record_id"].to_string();
        event["winlog"]["record_id"] = record_id.into();
    }
    let data_of = |event: &mut Value| std::mem::take(event["winlog"]["event_data"].as_object_mut().unwrap());
    if data_has(&event, "IpAddress") {
        if ingest {
            let mut data = data_of(&mut event);
            event["source"] =
                json!({"ip": take(&mut data, "IpAddress"), "port": as_number(&take(&mut data, "IpPort"))});
            event["file"] = json!({"name": take(&mut data, "RelativeTargetName")});
            event["winlog"]["event_data"] = data.into();
        }
        return event;
    }
    let mut data = data_of(&mut event);
    event["process"] = json!({
        "executable": take(&mut data, "Image"),
        "entity_id": take(&mut data, "ProcessGuid"),
        "pid": as_number(&take(&mut data, "ProcessId")),
    });
    take(&mut data, "UtcTime");
    if data.contains_key("PipeName") {
        event["file"] = json!({"name": take(&mut data, "PipeName")});
    } else {
        take(&mut data, "User");
        event["network"] = json!({
            "transport": take(&mut data, "Protocol"),
            "direction": if take(&mut data, "Initiated") == "true" {
                if ingest { "outbound" } else { "egress" }
            } else if ingest { "inbound" } else { "ingress" },
        });
        for (end, prefix) in [("source", "Source"), ("destination", "Destination")] {
            event[end] = json!({
                "ip": take(&mut data, &format!("{prefix}Ip")),
                "port": as_number(&take(&mut data, &format!("{prefix}Port"))),
                "domain": take(&mut data, &format!("{prefix}Hostname")),
            });
        }
    }
    event["winlog"].as_object_mut().unwrap().remove("event_data");
    event
}

fn data_has(event: &Value, field: &str) -> bool {
    event["winlog"]["event_data"].get(field).is_some()
}

fn logstash(mut event: Value) -> Value {
    event.as_object_mut().unwrap().remove("@metadata");
    event["@version"] = "1".into();
    event["tags"] = json!(["beats_input_codec_plain_applied"]);
    event["event"]["original"] = "the message once more".into();
    event
}

fn doubled(mut event: Value) -> Value {
    for value in event["winlog"]["event_data"]
        .as_object_mut()
        .unwrap()
        .values_mut()
    {
        if let Some(text) = value.as_str() {
            *value = text.replace('\\', "\\\\").into();
        }
    }
    event
}

/// Everything at the top level, as Winlogbeat 6 has it.
fn flat(mut event: Value) -> Value {
    let winlog = event["winlog"].take();
    json!({
        "@timestamp": event["@timestamp"],
        "@metadata": {"beat": "winlogbeat", "type": "doc", "version": "6.8.23"},
        "type": "wineventlog",
        "source_name": winlog["provider_name"],
        "log_name": winlog["channel"],
        "computer_name": winlog["computer_name"],
        "event_id": winlog["event_id"].as_str().unwrap().parse::<u64>().unwrap(),
        "record_number": winlog["record_id"].to_string(),
        "event_data": winlog["event_data"],
        "keywords": ["Audit Success"],
        "host": {"name": "collector"},
    })
}

/// As the `evtx` crate renders the XML of an event.
fn rendered(mut event: Value) -> Value {
    let code = code(&event);
    let winlog = event["winlog"].take();
    json!({"Event": {
        "#attributes": {"xmlns": "http://schemas.microsoft.com/win/2004/08/events/event"},
        "System": {
            "Provider": {"#attributes": {"Name": winlog["provider_name"]}},
            "EventID": code,
            "Keywords": "0x8020000000000000",
            "TimeCreated": {"#attributes": {"SystemTime": event["@timestamp"]}},
            "EventRecordID": winlog["record_id"],
            "Channel": winlog["channel"],
            "Computer": winlog["computer_name"],
        },
        "EventData": winlog["event_data"],
    }})
}

/// Everything at the top level, under Windows' own names.
fn nxlog(mut event: Value) -> Value {
    let code = code(&event);
    let winlog = event["winlog"].take();
    let mut flat = winlog["event_data"].as_object().unwrap().clone();
    for (name, value) in [
        ("@timestamp", event["@timestamp"].take()),
        ("EventID", code.into()),
        ("SourceName", winlog["provider_name"].clone()),
        (
            "Channel",
            winlog["channel"].as_str().unwrap().to_lowercase().into(),
        ),
        ("Hostname", winlog["computer_name"].clone()),
        ("RecordNumber", winlog["record_id"].clone()),
        ("EventType", "INFO".into()),
        ("host", "collector".into()),
        ("Keywords", json!(-9_214_364_837_600_034_816_i64)),
    ] {
        flat.insert(name.to_owned(), value);
    }
    flat.into()
}
