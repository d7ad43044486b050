//! The API in OpenAPI's words: every endpoint, every form of an answer, every error.

use std::sync::LazyLock;

use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{ContentBuilder, OpenApi as Document, Ref, RefOr, Required, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::problem::{PROBLEM_JSON, Problem};
use super::{bodies, fit, mark, predict, probes, regions, router, runs};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "speedfit",
        description = "Travel-speed parameters of emergency vehicles: what is published, what a file \
            would give, and the runs of the job.\n\nTimes are RFC 3339 in UTC. Errors are problem \
            documents (RFC 9457).",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        regions::list, regions::parameters, predict::predict, fit::fit,
        runs::list, runs::start, runs::show, mark::publish, mark::roll_back,
        router::openapi, probes::live, probes::ready, probes::schedule,
        probes::metrics,
    ),
    components(schemas(Problem, bodies::Run, bodies::Group, bodies::Parameter, bodies::Refusal)),
    tags(
        (name = "set", description = "The current set."),
        (name = "fit", description = "A file in, parameters out."),
        (name = "runs", description = "The ledger, runs on demand, and the mark."),
        (name = "probes", description = "For orchestrators and monitors."),
    ),
    security(("token" = [])),
    modifiers(&Rest),
)]
struct Api;

/// The document, indented.
#[must_use]
pub fn openapi_json() -> &'static str {
    static TEXT: LazyLock<String> = LazyLock::new(|| {
        let mut document = Api::openapi();
        // Where the API is reached, only the one who reads this knows.
        document.servers = None;
        document.to_pretty_json().unwrap_or_default()
    });
    &TEXT
}

/// What all endpoints have in common.
struct Rest;

/// Errors of single endpoints, by status code, with the endpoints that have them.
const ERRORS: [(&str, &str, &[&str]); 10] = [
    (
        "400",
        "The request cannot be understood.",
        &[
            "predict",
            "fit",
            "list_runs",
            "start_run",
            "publish_run",
            "roll_back",
            "list_regions",
            "region_parameters",
            "show_run",
            "schedule",
            "metrics",
            "livez",
            "readyz",
            "openapi",
        ],
    ),
    (
        "404",
        "There is no such thing.",
        &[
            "list_regions",
            "region_parameters",
            "predict",
            "show_run",
            "publish_run",
            "roll_back",
            "schedule",
        ],
    ),
    ("406", "No form of the answer is accepted.", &["fit"]),
    ("408", "Nothing came of the body for 5 s.", &["fit"]),
    (
        "409",
        "What is there does not allow it, for example a run that is active.",
        &["start_run", "publish_run", "roll_back", "predict"],
    ),
    ("413", "The body is too large.", &["fit", "start_run", "publish_run", "roll_back"]),
    (
        "415",
        "The form of the body is not read here.",
        &["fit", "start_run", "publish_run", "roll_back"],
    ),
    (
        "422",
        "What is asked for does not do, or the file cannot be fitted.",
        &["fit", "predict", "start_run", "publish_run", "roll_back"],
    ),
    ("507", "The server has no room left.", &["fit", "start_run", "publish_run", "roll_back"]),
    (
        "504",
        "The store, or the source, did not answer in time.",
        &[
            "list_regions",
            "region_parameters",
            "predict",
            "list_runs",
            "start_run",
            "show_run",
            "publish_run",
            "roll_back",
            "metrics",
        ],
    ),
];

/// Endpoints for everyone.
const OPEN: [&str; 3] = ["livez", "readyz", "openapi"];
/// Endpoints that a token which may only read does not reach.
const OPERATE: [&str; 3] = ["start_run", "publish_run", "roll_back"];

impl Modify for Rest {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A token with the role `read`, or `operate` for what changes something. Without \
                 tokens the server listens on its own machine only, and asks for none.",
            ))
            .build();
        if let Some(components) = &mut document.components {
            components.add_security_scheme("token", SecurityScheme::Http(scheme));
        }
        for item in document.paths.paths.values_mut() {
            for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
                add_errors(operation);
            }
        }
    }
}

fn add_errors(operation: &mut Operation) {
    let id = operation.operation_id.clone().unwrap_or_default();
    let mut add = |status: &str, description: &str| {
        let problem = Ref::from_schema_name("Problem");
        let content = ContentBuilder::new().schema(Some(problem)).build();
        let response =
            ResponseBuilder::new().description(description).content(PROBLEM_JSON, content);
        operation.responses.responses.insert(status.to_owned(), response.build().into());
    };
    for (status, description, operations) in ERRORS {
        if operations.contains(&id.as_str()) {
            add(status, description);
        }
    }
    let is_open = OPEN.contains(&id.as_str());
    if !is_open {
        add("401", "There is no token, or it is not known.");
    }
    let needs_operate = OPERATE.contains(&id.as_str());
    if let (true, Some(RefOr::T(body))) = (needs_operate, &mut operation.request_body) {
        // Every part of it may be left out, and so may all of it.
        body.required = Some(Required::False);
    }
    let forbidden = if needs_operate {
        "The token may only read, or another web site asks."
    } else {
        "Another web site asks."
    };
    add("403", forbidden);
    add("500", "The server failed.");
    add("503", "The server cannot do it now; `Retry-After` says when to come back.");
}
