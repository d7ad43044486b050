//! People and machines are told of runs: a webhook that signs, metrics in Prometheus' form, files in
//! object storage; by the adapters alone, and by the real binary.

mod dead;
mod exposition;
mod program;
mod receiver;
mod webhook;
