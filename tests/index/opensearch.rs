//! A real OpenSearch for tests, one for all tests of the binary, and the few requests that they make.
//!
//! It is fetched from Maven Central and runs on the JDK, on loopback. A test that finds none skips loudly, or fails where
//! `PIPEWARDEN_REQUIRE_BROKER=1` says that it must run.

use std::io::{BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::Duration;

use serde_json::Value;

use crate::libraries::libraries;

/// Its version, as the pom names it.
const VERSION: &str = "2.19.1.0";

/// How long it may take to start, and to answer a request.
const PATIENCE: Duration = Duration::from_secs(120);

/// Options of Java: little memory, and a quick start.
const JAVA: &str = "-Xmx768m -Xms256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1";

/// The index of this test binary, or `None` with a loud word where there is none and none is required.
pub(crate) fn opensearch() -> Option<&'static OpenSearch> {
    static INDEX: OnceLock<Result<OpenSearch, String>> = OnceLock::new();
    match INDEX.get_or_init(OpenSearch::start) {
        Ok(index) => Some(index),
        Err(reason) => {
            let is_required = std::env::var("PIPEWARDEN_REQUIRE_BROKER").is_ok_and(|value| value == "1");
            assert!(
                !is_required,
                "PIPEWARDEN_REQUIRE_BROKER=1 and there is no OpenSearch: {reason}"
            );
            eprintln!("SKIPPED: this test needs OpenSearch and there is none: {reason}");
            None
        }
    }
}

/// A node of its own, with nothing in it.
pub(crate) struct OpenSearch {
    address: SocketAddr,
    /// A shell stands between it and the tests. When the pipe to it closes, with the test binary however that ends, the node ends
    /// and the shell removes its folder.
    _shell: (Child, ChildStdin),
}

impl OpenSearch {
    fn start() -> Result<Self, String> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/index/opensearch");
        let libraries = libraries(&format!("opensearch-{VERSION}"), "tests/index/opensearch/pom.xml")?;
        let data = tempfile::Builder::new()
            .prefix("pipewarden-opensearch-")
            .tempdir()
            .map_err(|error| error.to_string())?
            .keep();
        let log = data.join("log");
        let errors = std::fs::File::create(&log).map_err(|error| error.to_string())?;
        let mut child = Command::new("sh")
            .args(["-c", "java $3 -cp \"$0\" \"$1\" \"$2\"; rm -rf \"$2\""])
            .arg(format!("{}/*", libraries.display()))
            .arg(folder.join("Start.java"))
            .arg(&data)
            .arg(JAVA)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors)
            .spawn()
            .map_err(|error| format!("java: {error}"))?;
        let lifeline = child.stdin.take().ok_or("no pipe to the shell")?;
        let output = child.stdout.take().ok_or("no pipe from the shell")?;
        let address = address_in(BufReader::new(output))
            .map_err(|reason| format!("{reason}\n{}", std::fs::read_to_string(&log).unwrap_or_default()))?;
        Ok(Self {
            address,
            _shell: (child, lifeline),
        })
    }

    /// The answer to a request, which must succeed.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let (status, answer) = self.send(method, path, body).unwrap();
        assert!(status < 300, "{method} {path}: {status} {answer:#}");
        answer
    }

    /// Status and answer of a request. Of HTTP 1.0, so that the answer ends with the connection.
    fn send(&self, method: &str, path: &str, body: &str) -> std::io::Result<(u16, Value)> {
        let mut stream = TcpStream::connect(self.address)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let length = body.len();
        write!(
            stream,
            "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        )?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Ok((
            status.unwrap_or(0),
            serde_json::from_str(body).unwrap_or_default(),
        ))
    }
}

/// The address that the node prints, as soon as it does.
fn address_in(output: impl std::io::BufRead + Send + 'static) -> Result<SocketAddr, String> {
    let (found, address) = mpsc::channel();
    // It reads to the end, so that the node can always write.
    std::thread::spawn(move || {
        for line in output.lines().map_while(Result::ok) {
            if let Some(address) = line.strip_prefix("listening on ") {
                let _ = found.send(address.parse().map_err(|error| format!("{line}: {error}")));
            }
        }
    });
    let ended = |_| "it did not start".to_owned();
    address.recv_timeout(PATIENCE).map_err(ended)?
}
