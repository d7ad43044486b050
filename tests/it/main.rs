//! One integration binary, a module per topic.

mod embedded;
mod memory;
mod store_contract;
mod support;
