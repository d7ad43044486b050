//! What proves a message: its number, and its signature.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

use super::error::WebError;
use crate::domain::RunNotice;

/// Number of a message: the same for the same run and event, so that who gets it twice can tell.
#[must_use]
pub fn delivery_id(notice: &RunNotice) -> String {
    let run = match &notice.run {
        Some(run) => run.id.to_string(),
        None => format!("at {}", notice.at),
    };
    let digest = Sha256::digest(format!("{}\n{run}\n{}", notice.scope, notice.kind));
    // Half of it tells messages apart.
    hexadecimal(&digest[..16])
}

/// `sha256=` and the HMAC-SHA256 of `<timestamp>.<body>` in hexadecimal.
///
/// # Errors
/// [`WebError::Message`], which no key causes.
pub fn signature(key: &[u8], timestamp_s: i64, body: &[u8]) -> Result<String, WebError> {
    let mac = Hmac::<Sha256>::new_from_slice(key);
    let mut mac = mac.map_err(|error| WebError::Message(error.to_string().into()))?;
    mac.update(format!("{timestamp_s}.").as_bytes());
    mac.update(body);
    Ok(format!("sha256={}", hexadecimal(&mac.finalize().into_bytes())))
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_other_programs() {
        // printf '1700000000.{}' | openssl dgst -sha256 -hmac key
        let expected = "sha256=9d713ed406bb7076d4123f0dc2c39d2df5c654ed4b0cd56b52c8b4c940bd63ae";
        assert_eq!(signature(b"key", 1_700_000_000, b"{}").unwrap(), expected);
    }
}
