//! An address that may be sent to.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;

use super::error::AddressError;

/// A checked address; shown as its host alone, since the rest may be a secret.
#[derive(Clone)]
pub struct Address {
    pub(super) url: Url,
    host: String,
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.host).finish()
    }
}

impl Address {
    /// An address of whatever speaks HTTP, with or without TLS: what is sent there is no secret.
    ///
    /// # Errors
    /// [`AddressError`], without the address.
    pub fn any(text: &str) -> Result<Self, AddressError> {
        let url: Url = text.trim().parse().map_err(|_| AddressError::NoUrl)?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AddressError::Scheme);
        }
        let host = url.host_str().ok_or(AddressError::NoUrl)?.to_owned();
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressError::User);
        }
        Ok(Self { url, host })
    }

    /// An address that only who holds it may know: `https`, or this machine itself.
    ///
    /// # Errors
    /// [`AddressError`], without the address.
    pub fn private(text: &str) -> Result<Self, AddressError> {
        let address = Self::any(text)?;
        if address.url.scheme() == "https" || address.is_loopback() {
            return Ok(address);
        }
        Err(AddressError::Plain)
    }

    /// Its host.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Whether what is sent there is encrypted.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.url.scheme() == "https"
    }

    fn is_loopback(&self) -> bool {
        let bare = self.host.trim_start_matches('[').trim_end_matches(']');
        bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_travel_encrypted_or_not_at_all() {
        let check = |text: &str, expected: Result<&str, &str>| {
            let found = Address::private(text).map(|address| address.host);
            let found = found.as_deref().map_err(ToString::to_string);
            assert_eq!(found, expected.map_err(str::to_owned), "{text}");
        };
        let plain = Err("must be `https://…`, or `http://…` of this machine");
        check("https://hooks.example.org/T0/B0/x?y=z", Ok("hooks.example.org"));
        check("https://hooks.example.org:8443\n", Ok("hooks.example.org"));
        check("http://127.0.0.1:9/x", Ok("127.0.0.1"));
        check("http://127.8.0.1/x", Ok("127.8.0.1"));
        check("http://[::1]:9/x", Ok("[::1]"));
        check("http://localhost/x", Ok("localhost"));
        check("http://hooks.example.org/x", plain);
        check("http://localhost.example.org/x", plain);
        check("http://127.0.0.1.example.org/", plain);
        check("http://127.0.0.1@example.org/", Err("must not hold a user or a password"));
        check("https://u:p@example.org/", Err("must not hold a user or a password"));
        check("ftp://example.org/", Err("must start with `https://`"));
        check("hooks.example.org/x", Err("is no address"));
        check("https://", Err("is no address"));
        check("", Err("is no address"));
    }

    #[test]
    fn it_is_shown_as_its_host() {
        let address = Address::private("https://hooks.example.org/T0/secret").unwrap();
        assert_eq!(format!("{address:?}"), "Address(\"hooks.example.org\")");
    }
}
