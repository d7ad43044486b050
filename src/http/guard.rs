//! What keeps browsers out of an API that has no use for them, and requests within their time.

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::problem::Problem;
use super::state::Api;

/// Says from where a browser's request comes (Fetch Metadata).
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Headers of every answer; those of an endpoint win.
const HEADERS: [(HeaderName, HeaderValue); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        header::CONTENT_SECURITY_POLICY,
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
    ),
    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
];

/// Adds the headers of every answer.
pub(super) async fn secure_headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// Refuses what a web page of somebody else sends: a request to a name that only pretends to be this
/// machine, where nothing else protects it, and a change that another site asks for.
pub(super) async fn same_site(State(api): State<Api>, request: Request, next: Next) -> Response {
    let host = host(&request);
    if api.options().local_names_only && !host.as_ref().is_some_and(is_local) {
        let why = "this server answers to `localhost`, `127.0.0.1` and `[::1]` only";
        return forbidden(why)
            .with_hint("set `SPEEDFIT_API_TOKENS` to serve other names")
            .into_response();
    }
    let is_change = !matches!(*request.method(), Method::GET | Method::HEAD);
    if is_change && is_cross_site(request.headers(), host.as_ref()) {
        return forbidden("another web site may not ask for this").into_response();
    }
    next.run(request).await
}

fn forbidden(why: &str) -> Problem {
    Problem::new(StatusCode::FORBIDDEN, "cross-site", "The request comes from elsewhere", why)
}

/// The name that the client thinks it talks to.
fn host(request: &Request) -> Option<Authority> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.clone());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let (host, None) = (hosts.next()?, hosts.next()) else { return None };
    host.to_str().ok()?.parse().ok()
}

fn is_local(host: &Authority) -> bool {
    // Without user and password, which no client sends.
    !host.as_str().contains('@')
        && ["localhost", "127.0.0.1", "[::1]"]
            .iter()
            .any(|name| host.host().eq_ignore_ascii_case(name))
}

fn is_cross_site(headers: &HeaderMap, host: Option<&Authority>) -> bool {
    let site = headers.get(SEC_FETCH_SITE).map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin" && site != b"none") {
        return true;
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return false };
    let origin = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
    match (origin, host) {
        (Some((_, origin)), Some(host)) => !origin.eq_ignore_ascii_case(host.as_str()),
        _ => true,
    }
}

/// Drops a request that takes too long, and with it what it has begun.
pub(super) async fn in_time(State(api): State<Api>, request: Request, next: Next) -> Response {
    let limit = api.options().timeout;
    tokio::select! {
        biased;
        response = next.run(request) => response,
        () = api.services().clock().sleep(limit) => {
            let limit_s = limit.as_secs_f64();
            Problem::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "too-slow",
                "The request took too long",
                format!("it was given up after {limit_s} s"),
            )
            .with_hint("ask for less; the limit is the setting `http.timeout_s`")
            .into_response()
        }
    }
}

/// The answer after a panic; where it happened, the log tells.
pub(super) fn after_panic(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::internal("a mistake in speedfit; its log tells more").into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(host: &str, headers: &[(&str, &str)]) -> Request {
        let mut request = Request::builder().uri("/x").method(Method::POST);
        if !host.is_empty() {
            request = request.header(header::HOST, host);
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(axum::body::Body::empty()).unwrap()
    }

    #[test]
    fn names_of_this_machine_are_told_from_others() {
        let check = |name: &str, expected: bool| {
            assert_eq!(
                host(&request(name, &[])).as_ref().is_some_and(is_local),
                expected,
                "{name}"
            );
        };
        check("localhost", true);
        check("LOCALHOST:8765", true);
        check("127.0.0.1:8765", true);
        check("[::1]:8765", true);
        check("", false);
        check("localhost.evil.example", false);
        check("evil.example:8765", false);
        check("127.0.0.1.nip.io", false);
        check("localhost@evil.example", false);
        check("evil@localhost", false);
    }

    #[test]
    fn posts_of_other_sites_are_refused() {
        let check = |headers: &[(&str, &str)], expected: bool| {
            let request = request("api.example:8765", headers);
            let is_cross = is_cross_site(request.headers(), host(&request).as_ref());
            assert_eq!(is_cross, expected, "{headers:?}");
        };
        check(&[], false);
        check(&[("origin", "http://api.example:8765")], false);
        check(&[("origin", "http://api.example")], true);
        check(&[("origin", "http://evil.example")], true);
        check(&[("origin", "null")], true);
        check(&[("sec-fetch-site", "cross-site")], true);
        check(&[("sec-fetch-site", "same-site")], true);
        check(&[("sec-fetch-site", "same-origin")], false);
        check(&[("sec-fetch-site", "none")], false);
    }
}
