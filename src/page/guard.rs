//! What every answer says to the browser, and which names the page has.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Nothing but files of this origin: no inline script or style, no frame, no form that leaves the page, and no string that
/// becomes markup.
pub(super) const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
     trusted-types 'none'";

const HEADERS: [(HeaderName, &str); 6] = [
    (header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    ),
];

/// Answers, or does not, and says what each answer says.
pub(super) async fn guard(State(is_local): State<bool>, request: Request, next: Next) -> Response {
    let mut response = if is_local && !names_this_machine(request.headers()) {
        let reason = "this page answers to localhost, 127.0.0.1 and [::1] only; with a token it answers to every name\n";
        (StatusCode::MISDIRECTED_REQUEST, reason).into_response()
    } else {
        next.run(request).await
    };
    for (name, value) in HEADERS {
        response
            .headers_mut()
            .insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether the browser was led here by a name of this machine: any other site's name may be made to point here, and then its
/// scripts could read what is served.
fn names_this_machine(headers: &HeaderMap) -> bool {
    let Some(host) = headers.get(header::HOST).and_then(|host| host.to_str().ok()) else {
        return false;
    };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    ["localhost", "127.0.0.1", "[::1]"].contains(&name.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_loopback_are_this_machine() {
        let is_own = |host: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
            names_this_machine(&headers)
        };
        for own in [
            "localhost",
            "LOCALHOST:9465",
            "127.0.0.1:9465",
            "[::1]:9465",
            "[::1]",
        ] {
            assert!(is_own(own), "{own}");
        }
        for other in [
            "",
            "attacker.example",
            "localhost.attacker.example:9465",
            "127.0.0.1.nip.io",
            "[::2]:1",
            "localhost:x",
        ] {
            assert!(!is_own(other), "{other}");
        }
        assert!(!names_this_machine(&HeaderMap::new()));
    }
}
