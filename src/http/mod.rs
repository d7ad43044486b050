//! The HTTP API: what is asked and answered, by whom, and within which limits.
//!
//! Reads the ledger and the published sets through the ports; whatever else it needs, it asks for
//! through [`Services`]. Knows no settings file, no adapter and no command.

mod accept;
mod access;
mod answer;
mod auth;
mod bodies;
mod connections;
mod current;
mod documentation;
mod error;
mod extract;
mod fit;
mod guard;
mod mark;
mod patience;
mod places;
mod predict;
mod probes;
mod problem;
mod regions;
mod router;
mod runs;
mod schemas;
mod services;
mod state;
mod tasks;
mod timer;
mod upload;

pub use auth::{Role, TokenError, Tokens};
pub use connections::serve;
pub use documentation::openapi_json;
pub use error::{ServiceError, with_causes};
pub use problem::{Problem, Whose, status_of};
pub use router::router;
pub use services::{
    FitAsk, Fitted, MarkAsk, MarkTarget, Requested, RunAsk, Services, UploadFormat,
};
pub use state::{Api, Options};
