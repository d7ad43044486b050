//! A run that loses its lock, or is stopped, at any moment, beside another that begins: message, exit
//! code and ledger agree, and no two runs publish that both think they hold the lock.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and one of many cases says what it saw"
)]

mod memory;
mod race;
mod relay;
mod stores;
