//! The page's server as whoever reaches it finds it: what is served to whom, and what each answer says to a browser.

mod tls;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pipewarden::config::Http;
use pipewarden::page::{self, About, Bounds, Source, Store, Windows};
use pipewarden::telemetry::Protection;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

const TOKEN: &str = "0123456789abcdef-token";

/// Far above every time-out of the server.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running page.
struct Served {
    address: SocketAddr,
    store: Arc<Store>,
    _until: oneshot::Sender<()>,
    _runtime: Runtime,
}

impl Served {
    fn start(listen: Ipv4Addr, http: &Http) -> Self {
        let runtime = Runtime::new().unwrap();
        let about = About {
            version: "0",
            source: Source {
                kind: "file",
                name: "alerts.ndjson".to_owned(),
            },
            hint: "wait".to_owned(),
            brokers: None,
            services: Vec::new(),
            windows: Windows::of(&Default::default()),
            bounds: Bounds {
                alerts: 100,
                revisions: 10,
                bytes: 1 << 20,
            },
        };
        let store = Arc::new(Store::new(about, "run-1".to_owned()));
        let listener = runtime.block_on(TcpListener::bind((listen, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (until, ends) = oneshot::channel();
        let served = page::serve(
            listener,
            Protection::read(http).unwrap(),
            Arc::clone(&store),
            async {
                let _ = ends.await;
            },
        );
        runtime.spawn(served);
        Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            store,
            _until: until,
            _runtime: runtime,
        }
    }

    fn loopback() -> Self {
        Self::start(Ipv4Addr::LOCALHOST, &Http::default())
    }

    fn take(&self, id: &str, revision: u64) {
        let alert = json!({"message": id, "pipewarden": {"alert_id": id, "revision": revision}});
        self.store.take(alert.to_string().as_bytes(), &"here");
    }

    fn ask(&self, method: &str, path: &str, headers: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "{method} {path} HTTP/1.1\r\n{headers}\r\n").unwrap();
        stream
    }

    /// Status, head and body of an answer that ends.
    fn answer(&self, method: &str, path: &str, headers: &str) -> (u16, String, String) {
        let mut answer = String::new();
        self.ask(method, path, headers)
            .read_to_string(&mut answer)
            .unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (
            head.split(' ').nth(1).unwrap().parse().unwrap(),
            head.to_lowercase(),
            body.to_owned(),
        )
    }

    fn get(&self, path: &str) -> (u16, String, String) {
        self.answer("GET", path, "Host: localhost\r\n")
    }

    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&self.get(path).2).unwrap()
    }
}

/// The next event of a stream with this name.
fn event(lines: &mut impl Iterator<Item = std::io::Result<String>>, wanted: &str) -> Value {
    loop {
        let line = lines.next().unwrap().unwrap();
        if line == format!("event: {wanted}") {
            let data = lines.next().unwrap().unwrap();
            return serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        }
    }
}

#[test]
fn every_answer_forbids_scripts_of_others_frames_and_keeping() {
    let served = Served::loopback();
    for path in [
        "/",
        "/main.js",
        "/api/about",
        "/api/alerts/none",
        "/nowhere",
        "/api/nowhere",
    ] {
        let (_, head, _) = served.get(path);
        for said in [
            "content-security-policy: default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'",
            "require-trusted-types-for 'script'",
            "frame-ancestors 'none'",
            "x-content-type-options: nosniff",
            "referrer-policy: no-referrer",
            "cache-control: no-store",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(said), "{path}: {said}: {head}");
        }
        assert!(!head.contains("access-control-allow"), "{path}");
    }
    let (_, head, _) = served.get("/main.js");
    assert!(head.contains("content-type: text/javascript"), "{head}");
}

#[test]
fn another_name_than_this_machines_gets_nothing_on_loopback() {
    let served = Served::loopback();
    for host in ["attacker.example", "localhost.attacker.example", ""] {
        assert_eq!(
            served
                .answer("GET", "/api/alerts", &format!("Host: {host}\r\n"))
                .0,
            421,
            "{host}"
        );
    }
    let port = served.address.port();
    assert_eq!(
        served
            .answer("GET", "/api/alerts", &format!("Host: 127.0.0.1:{port}\r\n"))
            .0,
        200
    );
}

#[test]
fn without_a_token_only_names_of_loopback_are_answered_wherever_it_listens() {
    let served = Served::start(Ipv4Addr::UNSPECIFIED, &Http::default());
    assert_eq!(
        served.answer("GET", "/api/alerts", "Host: soc.example\r\n").0,
        421
    );
    assert_eq!(served.get("/api/alerts").0, 200);
}

#[test]
fn no_method_but_get_and_head_is_answered() {
    let served = Served::loopback();
    for path in [
        "/",
        "/main.js",
        "/api/about",
        "/api/alerts",
        "/api/alerts/a",
        "/api/stream/run-1/0",
    ] {
        for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
            assert_eq!(
                served.answer(method, path, "Host: localhost\r\n").0,
                405,
                "{method} {path}"
            );
        }
    }
}

#[test]
fn data_asks_for_the_token_and_the_page_itself_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, TOKEN).unwrap();
    let http = Http {
        token_file: Some(token),
        ..Http::default()
    };
    let served = Served::start(Ipv4Addr::UNSPECIFIED, &http);
    let with = |path: &str, token: &str| {
        let headers = format!("Host: soc.example\r\nAuthorization: Bearer {token}\r\n");
        served.answer("GET", path, &headers).0
    };
    for path in [
        "/api/about",
        "/api/alerts",
        "/api/alerts/a",
        "/api/alerts/a/revisions/1",
        "/api/stream/x/0",
        "/api/nowhere",
    ] {
        assert_eq!(
            served.answer("GET", path, "Host: soc.example\r\n").0,
            401,
            "{path}"
        );
        assert_eq!(with(path, "wrong"), 401, "{path}");
        assert_ne!(with(path, TOKEN), 401, "{path}");
    }
    assert_eq!(served.answer("GET", "/main.js", "Host: soc.example\r\n").0, 200);
}

#[test]
fn an_address_that_others_reach_needs_a_token() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("alerts.ndjson");
    std::fs::write(&file, "").unwrap();
    let said = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(["ui", "--listen", "0.0.0.0:0", "--file"])
        .arg(&file)
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(1));
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(
        said.contains("--listen 0.0.0.0:0") && said.contains("--token-file"),
        "{said}"
    );
}

#[test]
fn a_stream_has_what_was_missed_and_then_what_comes() {
    let served = Served::loopback();
    served.take("a", 1);
    served.take("b", 1);
    let alerts = served.json("/api/alerts");
    assert_eq!(
        (alerts["epoch"].as_str(), alerts["last"].as_u64()),
        (Some("run-1"), Some(2))
    );
    let stream = served.ask("GET", "/api/stream/run-1/1", "Host: localhost\r\n");
    let mut lines = BufReader::new(stream).lines();
    let missed = event(&mut lines, "rows");
    assert_eq!(
        (&missed["rows"][0]["id"], &missed["last"]),
        (&json!("b"), &json!(2))
    );
    served.take("a", 2);
    let came = event(&mut lines, "rows");
    assert_eq!(
        (&came["rows"][0]["id"], &came["rows"][0]["revision"]),
        (&json!("a"), &json!(2))
    );
    assert_eq!(event(&mut lines, "health")["problem"], Value::Null);
    served.store.set_problem(Some("no broker answers"));
    assert_eq!(event(&mut lines, "health")["problem"], "no broker answers");
}

#[test]
fn numbers_of_another_run_are_said_to_be_that() {
    let served = Served::loopback();
    let (status, _, body) = served.get("/api/stream/run-0/7");
    assert!(status == 200 && body.contains("event: restarted"), "{body}");
}

#[test]
fn an_alert_has_its_document_as_it_was_read_and_earlier_ones() {
    let served = Served::loopback();
    served.take("a/b", 1);
    let odd = r#"{"message":"a/b", "b": 1.0e2, "pipewarden":{"revision":2,"alert_id":"a/b"}}"#;
    served.store.take(odd.as_bytes(), &"here");
    let (_, _, body) = served.get("/api/alerts/a%2Fb");
    assert!(body.contains(odd), "{body}");
    let earlier = served.json("/api/alerts/a%2Fb/revisions/1");
    assert_eq!(earlier["pipewarden"]["revision"], 1);
    for nowhere in [
        "/api/alerts/none",
        "/api/alerts/a%2Fb/revisions/3",
        "/api/alerts/none/revisions/1",
    ] {
        assert_eq!(served.get(nowhere).0, 404);
    }
}

/// The schema of an answer, closed: a field that is not described is one too many.
fn closed(description: &Value, schema: &Value) -> Value {
    let mut components = description["components"].clone();
    for schema in components["schemas"].as_object_mut().unwrap().values_mut() {
        if schema.get("properties").is_some() {
            schema["additionalProperties"] = json!(false);
        }
    }
    json!({ "allOf": [schema], "components": components })
}

fn assert_valid(description: &Value, schema: &Value, answer: &Value) {
    let closed = closed(description, schema);
    let errors: Vec<String> = jsonschema::validator_for(&closed)
        .unwrap()
        .iter_errors(answer)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?}");
}

#[test]
fn the_description_is_of_what_is_answered_and_of_all_of_it() {
    let served = Served::loopback();
    served.take("a", 1);
    served.take("a", 2);
    served.store.take(b"no json", &"here");
    served.store.explain(&json!({"alert_id": "a"}));
    served.store.set_problem(Some("no broker answers"));
    served.store.set_services(vec![page::ServiceState {
        name: "http://a:1".to_owned(),
        asked: "2024-10-24T15:00:00Z".to_owned(),
        problem: None,
        status: Some(json!({"ready": true})),
    }]);
    let description = served.json("/api/openapi.json");
    assert_eq!(description["openapi"], "3.1.0");
    let mut tried = 0;
    for (path, methods) in description["paths"].as_object().unwrap() {
        assert_eq!(
            methods.as_object().unwrap().keys().collect::<Vec<_>>(),
            ["get"],
            "{path}"
        );
        let ok = &methods["get"]["responses"]["200"];
        let place = [
            ("{id}", "a"),
            ("{revision}", "1"),
            ("{epoch}", "run-1"),
            ("{after}", "0"),
        ]
        .iter()
        .fold(path.clone(), |path, (name, value)| path.replace(name, value));
        if let Some(events) = ok.get("x-events") {
            let mut lines = BufReader::new(served.ask("GET", &place, "Host: localhost\r\n")).lines();
            for name in ["rows", "health"] {
                assert_valid(&description, &events[name], &event(&mut lines, name));
            }
        } else {
            assert_valid(
                &description,
                &ok["content"]["application/json"]["schema"],
                &served.json(&place),
            );
        }
        tried += 1;
    }
    assert_eq!(tried, 6);
    let broken = json!({"services": [{"name": 1}], "more": 0});
    let services = &description["paths"]["/api/services"]["get"]["responses"]["200"]["content"]["application/json"]
        ["schema"];
    let validator = jsonschema::validator_for(&closed(&description, services)).unwrap();
    assert!(
        !validator.is_valid(&broken),
        "a schema that takes anything describes nothing"
    );
}
