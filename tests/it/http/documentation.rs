//! The document that describes the API is true of it.

use std::collections::BTreeSet;

use axum::body::Body;
use axum::http::StatusCode;
use serde_json::Value;
use speedfit::http::{openapi_json, router};

use super::desk::MemoryDesk;
use super::{api, open, request, send, token_options};

fn document() -> Value {
    serde_json::from_str(openapi_json()).unwrap()
}

/// Method, path and operation of every endpoint.
fn operations(document: &Value) -> Vec<(String, String, &Value)> {
    let paths = document["paths"].as_object().unwrap();
    let of_path = |(path, item): (&String, &'_ Value)| {
        let methods = item.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        methods.into_iter().map(|method| (method, path.clone())).collect::<Vec<_>>()
    };
    let all = paths.iter().flat_map(of_path);
    all.map(|(method, path)| {
        let operation = &document["paths"][&path][&method];
        (method.to_uppercase(), path, operation)
    })
    .collect()
}

#[test]
fn the_document_changes_only_on_purpose() {
    let version = format!("\"version\": \"{}\"", env!("CARGO_PKG_VERSION"));
    insta::assert_snapshot!(openapi_json().replace(&version, "\"version\": \"(this)\""));
}

#[tokio::test]
async fn every_endpoint_of_the_document_is_there() {
    let desk = MemoryDesk::new();
    let router = open(&desk);
    let document = document();
    let operations = operations(&document);
    assert_eq!(operations.len(), 14);
    for (method, path, _) in operations {
        let uri = path.replace("{region}", "x").replace("{id}", "1");
        let answer = send(&router, request(&method, &uri, &[], Body::empty())).await;
        assert_ne!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
        let is_missing = answer.body.contains("there is no such endpoint");
        assert!(!is_missing, "{method} {path}");
    }
}

#[tokio::test]
async fn endpoints_ask_for_tokens_where_the_document_says_so() {
    let desk = MemoryDesk::new();
    let router = router(api(&desk, token_options()).0);
    let document = document();
    for (method, path, operation) in operations(&document) {
        let uri = path.replace("{region}", "x").replace("{id}", "1");
        let answer = send(&router, request(&method, &uri, &[], Body::empty())).await;
        let is_open = operation["security"] == serde_json::json!([{}]);
        let is_refused = answer.status == StatusCode::UNAUTHORIZED;
        assert_eq!(is_refused, !is_open, "{method} {path} {}", operation["security"]);
        assert_eq!(operation["responses"]["401"].is_object(), !is_open, "{method} {path}");
    }
}

#[test]
fn every_form_that_is_named_is_described() {
    fn named(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                let reference = object.get("$ref").and_then(Value::as_str);
                found.extend(reference.map(str::to_owned));
                object.values().for_each(|value| named(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| named(value, found)),
            _ => {}
        }
    }
    let document = document();
    let mut references = BTreeSet::new();
    named(&document, &mut references);
    assert!(references.len() >= 10, "{references:?}");
    for reference in references {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}
