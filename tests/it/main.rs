//! One integration binary, a module per topic.

mod config;
mod embedded;
mod fit_reference;
mod job;
mod layers;
mod store_contract;
mod support;
