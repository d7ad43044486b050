//! A Pushgateway: it keeps the metrics of jobs that end before anybody asks them.

use reqwest::header::CONTENT_TYPE;
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::courier::Courier;
use super::error::{AddressError, WebError};
use crate::ports::PortResult;

/// Replaces the metrics of a scope there.
pub struct Pushgateway {
    courier: Courier,
    address: Address,
}

impl Pushgateway {
    /// The gateway at this address.
    #[must_use]
    pub fn new(courier: Courier, address: Address) -> Self {
        Self { courier, address }
    }

    /// Puts a text of Prometheus' form in the place of what the gateway has of this scope.
    ///
    /// # Errors
    /// Whatever keeps it from arriving; nothing else hangs on it.
    pub async fn push(
        &self,
        scope: &str,
        content_type: &str,
        text: &str,
        cancel: &CancellationToken,
    ) -> PortResult<()> {
        let url = self.url(scope).map_err(|error| WebError::Message(error.into()))?;
        let build = || {
            let request = self.courier.client().put(url.clone());
            Ok(request.header(CONTENT_TYPE, content_type).body(text.to_owned()))
        };
        Ok(self.courier.send(self.address.host(), scope, build, cancel).await?)
    }

    fn url(&self, scope: &str) -> Result<reqwest::Url, AddressError> {
        let mut url = self.address.url.clone();
        let mut path = url.path_segments_mut().map_err(|()| AddressError::NoUrl)?;
        path.pop_if_empty().extend(["metrics", "job", "speedfit"]);
        if is_plain(scope) {
            path.extend(["scope", scope]);
        } else {
            path.extend(["scope@base64", base64_url(scope.as_bytes()).as_str()]);
        }
        drop(path);
        Ok(url)
    }
}

/// Whether a path may hold it as it is: no slash, nothing that is escaped, no `.` and `..`.
fn is_plain(scope: &str) -> bool {
    let is_kept = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    !scope.is_empty() && scope.chars().all(is_kept)
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 with the alphabet for addresses and without padding (RFC 4648, section 5).
fn base64_url(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |nth: usize| u32::from(chunk.get(nth).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for nth in 0..=chunk.len() {
            let six = bits >> (18 - 6 * nth) & 63;
            text.push(char::from(ALPHABET[six as usize]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::adapters::web::Patience;
    use crate::ports::SystemClock;

    #[test]
    fn base64_is_that_of_the_standard() {
        let check = |text: &str, expected: &str| assert_eq!(base64_url(text.as_bytes()), expected);
        check("", "");
        check("f", "Zg");
        check("fo", "Zm8");
        check("foo", "Zm9v");
        check("foob", "Zm9vYg");
        check("fooba", "Zm9vYmE");
        check("foobar", "Zm9vYmFy");
        check("ü?>~", "w7w_Pn4");
    }

    #[test]
    fn each_scope_has_a_place_of_its_own() {
        let patience = Patience { attempts: 1, timeout: Duration::from_secs(1) };
        let check = |address: &str, scope: &str, expected: &str| {
            let courier = Courier::new(Arc::new(SystemClock), patience).unwrap();
            let gateway = Pushgateway::new(courier, Address::any(address).unwrap());
            assert_eq!(gateway.url(scope).unwrap().as_str(), expected);
        };
        let plain = "http://gateway:9091/metrics/job/speedfit/scope/city-1";
        check("http://gateway:9091", "city-1", plain);
        check("http://gateway:9091/", "city-1", plain);
        check(
            "https://g/prefix/",
            "a/b",
            "https://g/prefix/metrics/job/speedfit/scope@base64/YS9i",
        );
        check("http://g", "..", "http://g/metrics/job/speedfit/scope@base64/Li4");
        check("http://g", "Åre", "http://g/metrics/job/speedfit/scope@base64/w4VyZQ");
    }
}
