//! One integration binary, a module per topic.

mod config;
mod embedded;
mod fit_reference;
mod job;
mod store_contract;
mod support;
//! Tests of the whole: one binary, a module per topic.

mod layers;
