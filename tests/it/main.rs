//! One integration binary, a module per topic.

mod cli_shell;
mod config;
