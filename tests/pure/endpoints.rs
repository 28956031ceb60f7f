//! `/metrics`, `/healthz`, `/readyz` and `/status` as whoever reaches them finds them: who gets what, and who is cut off.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use pipewarden::config::Http;
use pipewarden::telemetry::{self, Metrics, Protection, Status};
use pipewarden_kafka::WorkerRole;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

const TOKEN: &str = "0123456789abcdef-token";

/// Far above every time-out of the endpoints.
const PATIENCE: Duration = Duration::from_secs(60);

/// Running endpoints, and the files that protect them.
struct Served {
    address: SocketAddr,
    task: Option<JoinHandle<std::io::Result<()>>>,
    until: Option<oneshot::Sender<()>>,
    runtime: Runtime,
    folder: tempfile::TempDir,
}

impl Served {
    fn start(listen: Ipv4Addr, protect: impl FnOnce(&Path, &mut Http)) -> Self {
        let (runtime, folder) = (Runtime::new().unwrap(), tempfile::tempdir().unwrap());
        let mut http = Http::default();
        protect(folder.path(), &mut http);
        let protection = Protection::read(&http).unwrap();
        let status = Arc::new(Status::default());
        status.start("correlator-0", WorkerRole::Correlator);
        let listener = runtime.block_on(TcpListener::bind((listen, 0))).unwrap();
        let port = listener.local_addr().unwrap().port();
        let (until, ends) = oneshot::channel();
        let task = runtime.spawn(telemetry::serve(
            listener,
            protection,
            Arc::new(Metrics::new()),
            status,
            async {
                let _ = ends.await;
            },
        ));
        Self {
            address: (Ipv4Addr::LOCALHOST, port).into(),
            task: Some(task),
            until: Some(until),
            runtime,
            folder,
        }
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// The status of an answer, and all of it.
    fn get(&self, path: &str, headers: &str) -> (u16, String) {
        let mut stream = self.connect();
        // One that is closed before it has read all has answered what it has to.
        let _ = write!(stream, "GET {path} HTTP/1.1\r\nHost: pipewarden\r\n{headers}\r\n");
        let answer = to_end(&mut stream);
        let status = answer.split(' ').nth(1).unwrap_or_default().parse().unwrap_or(0);
        (status, answer)
    }

    fn all(&self, headers: &str) -> [u16; 4] {
        ["/healthz", "/readyz", "/metrics", "/status"].map(|path| self.get(path, headers).0)
    }
}

/// What comes until the other side closes.
fn to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // A connection that is closed with something unread in it.
        Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset),
    }
    String::from_utf8_lossy(&answer).into_owned()
}

fn with_token(folder: &Path, http: &mut Http) {
    let file = folder.join("token");
    std::fs::write(&file, format!("{TOKEN}\n")).unwrap();
    http.token_file = Some(file);
}

/// A certificate of its own for localhost, and one that has nothing to do with it.
fn with_tls(folder: &Path, http: &mut Http) {
    for (name, host) in [("own", "localhost"), ("other", "localhost")] {
        let made = rcgen::generate_simple_self_signed([host.to_owned()]).unwrap();
        std::fs::write(folder.join(format!("{name}.crt")), made.cert.pem()).unwrap();
        std::fs::write(
            folder.join(format!("{name}.key")),
            made.signing_key.serialize_pem(),
        )
        .unwrap();
    }
    http.certificate_file = Some(folder.join("own.crt"));
    http.key_file = Some(folder.join("own.key"));
}

fn pipewarden(arguments: &[&str]) -> (Output, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_pipewarden"))
        .args(arguments)
        .output()
        .unwrap();
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    (output, text)
}

#[test]
fn without_a_token_status_is_there_for_this_machine_only() {
    let own = Served::start(Ipv4Addr::LOCALHOST, |_, _| {});
    assert_eq!(own.all(""), [200, 503, 200, 200]);
    let everybodys = Served::start(Ipv4Addr::UNSPECIFIED, |_, _| {});
    assert_eq!(everybodys.all(""), [200, 503, 200, 403]);
    let (_, answer) = everybodys.get("/status", "");
    assert!(answer.contains("http.token_file"), "{answer}");
}

#[test]
fn a_token_is_asked_for_by_metrics_and_status_and_by_no_probe() {
    for listen in [Ipv4Addr::LOCALHOST, Ipv4Addr::UNSPECIFIED] {
        let served = Served::start(listen, with_token);
        assert_eq!(
            served.all(&format!("Authorization: Bearer {TOKEN}\r\n")),
            [200, 503, 200, 200]
        );
        for wrong in [
            String::new(),
            "Authorization: Bearer 0123456789abcdef-tokem\r\n".to_owned(),
            format!("Authorization: Basic {TOKEN}\r\n"),
            format!("Authorization: Bearer {TOKEN}x\r\n"),
        ] {
            assert_eq!(served.all(&wrong), [200, 503, 401, 401], "{wrong}");
        }
        let (_, answer) = served.get("/status", "");
        assert!(
            answer.to_lowercase().contains("www-authenticate: bearer"),
            "{answer}"
        );
    }
}

#[test]
fn a_connection_is_for_one_request_and_ends_if_its_head_does_not_come() {
    let served = Served::start(Ipv4Addr::LOCALHOST, |_, _| {});
    let mut twice = served.connect();
    let request = "GET /healthz HTTP/1.1\r\nHost: pipewarden\r\n\r\n";
    write!(twice, "{request}{request}").unwrap();
    assert_eq!(to_end(&mut twice).matches("HTTP/1.1 200").count(), 1);
    let (mut silent, mut slow) = (served.connect(), served.connect());
    write!(slow, "GET /healthz HTTP/1.1\r\nHost: pipe").unwrap();
    for stream in [&mut silent, &mut slow] {
        assert!(!to_end(stream).contains("200"));
    }
    let mut long = served.connect();
    // Written as far as it is read.
    let _ = write!(long, "GET /healthz HTTP/1.1\r\nX: {}", "x".repeat(1 << 20));
    assert!(!to_end(&mut long).contains(" 200 "));
    assert_eq!(served.get("/healthz", "").0, 200);
}

#[test]
fn one_address_has_so_many_connections_and_others_are_still_answered() {
    let served = Served::start(Ipv4Addr::LOCALHOST, |_, _| {});
    let held: Vec<TcpStream> = (0..16).map(|_| served.connect()).collect();
    let mut one_too_many = served.connect();
    // It may be closed before it is written to.
    let _ = write!(one_too_many, "GET /healthz HTTP/1.0\r\n\r\n");
    assert!(!to_end(&mut one_too_many).contains(" 200 "));
    let mut other = served.runtime.block_on(async {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((IpAddr::from([127, 0, 0, 2]), 0).into()).unwrap();
        socket.connect(served.address).await.unwrap().into_std().unwrap()
    });
    other.set_nonblocking(false).unwrap();
    write!(other, "GET /healthz HTTP/1.0\r\n\r\n").unwrap();
    assert!(to_end(&mut other).contains(" 200 "));
    drop(held);
}

#[test]
fn a_connection_that_hangs_does_not_keep_the_service_from_ending() {
    let mut served = Served::start(Ipv4Addr::LOCALHOST, |_, _| {});
    let mut hanging = served.connect();
    write!(hanging, "GET /metrics HTTP/1.1\r\n").unwrap();
    // A second one shows that the first has been accepted.
    assert_eq!(served.get("/healthz", "").0, 200);
    drop(served.until.take());
    let task = served.task.take().unwrap();
    served.runtime.block_on(task).unwrap().unwrap();
}

#[test]
fn over_tls_a_service_is_asked_by_whoever_has_its_certificate() {
    let served = Served::start(Ipv4Addr::LOCALHOST, |folder, http| {
        with_tls(folder, http);
        with_token(folder, http);
    });
    let (own, other) = (served.file("own.crt"), served.file("other.crt"));
    let address = format!("https://localhost:{}", served.address.port());
    let (output, text) = pipewarden(&["health", "--address", &address, "--certificate-file", &own]);
    assert!(output.status.success() && text.contains(r#""ok":true"#), "{text}");
    let (output, text) = pipewarden(&["health", "--address", &address, "--certificate-file", &other]);
    assert!(!output.status.success() && text.contains("certificate"), "{text}");
    let (output, text) = pipewarden(&["health", "--address", &address]);
    assert!(
        !output.status.success() && text.contains("--certificate-file"),
        "{text}"
    );
    let plain = served.get("/healthz", "").1;
    assert!(!plain.contains("200"), "{plain}");

    let token = served.file("token");
    let status = ["check", "--status", &address, "--certificate-file", &own];
    let (_, text) = pipewarden(&status);
    assert!(text.contains("answers 401: it asks for a token"), "{text}");
    let (_, text) = pipewarden(&[&status[..], &["--token-file", &token]].concat());
    assert!(text.contains("runs no correlator (yet)"), "it is read: {text}");

    // Whoever only has the settings, as a container's health check has.
    let settings = served.file("settings.json");
    let http = serde_json::json!({
        "listen": served.address, "certificate_file": own, "key_file": served.file("own.key"), "token_file": token,
    });
    std::fs::write(&settings, serde_json::json!({ "http": http }).to_string()).unwrap();
    let (output, text) = pipewarden(&["health", "--config", &settings]);
    assert!(output.status.success(), "{text}");
}

#[test]
fn what_protects_the_endpoints_is_read_at_the_start_and_its_faults_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut http = Http::default();
    with_tls(folder.path(), &mut http);
    let problem = |change: &dyn Fn(&mut Http)| {
        let mut http = http.clone();
        change(&mut http);
        format!("{:#}", Protection::read(&http).err().unwrap())
    };
    let file = |name: &str| -> Option<PathBuf> { Some(folder.path().join(name)) };
    let said = problem(&|http| http.key_file = file("other.key"));
    assert!(
        said.contains("http.key_file") && said.contains("not the key of the certificate"),
        "{said}"
    );
    let said = problem(&|http| http.certificate_file = file("own.key"));
    assert!(
        said.contains("http.certificate_file") && said.contains("no certificate in it"),
        "{said}"
    );
    let said = problem(&|http| http.key_file = file("nowhere.key"));
    assert!(
        said.contains("http.key_file") && said.contains("nowhere.key"),
        "{said}"
    );
    let said = problem(&|http| http.token_file = file("nowhere"));
    assert!(
        said.contains("http.token_file") && said.contains("nowhere"),
        "{said}"
    );
}
