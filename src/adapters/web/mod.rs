//! Messages over HTTP: a webhook for notices, a Pushgateway for metrics. The only place that names
//! the HTTP client.
//!
//! Certificates are checked against those of the operating system, redirects are not followed, and no
//! body of an answer is read. An address may be a secret: no error and no log holds more of it than
//! the host.

mod address;
mod courier;
mod delivery;
mod error;
mod push;
mod webhook;

pub use address::Address;
pub use courier::{Courier, Patience};
pub use delivery::{delivery_id, signature};
pub use error::{AddressError, WebError};
pub use push::Pushgateway;
pub use webhook::Webhook;
