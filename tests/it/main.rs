//! One integration binary, a module per topic.

mod embedded;
mod store_contract;
mod support;
