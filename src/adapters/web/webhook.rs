//! A webhook: one signed JSON document for each notice.

use async_trait::async_trait;
use reqwest::header::CONTENT_TYPE;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::address::Address;
use super::courier::Courier;
use super::delivery::{delivery_id, signature};
use super::error::WebError;
use crate::domain::RunNotice;
use crate::ports::{Herald, PortResult};

/// Version of the document's form; a change of meaning raises it, with a note in CHANGELOG.
const SCHEMA_VERSION: u32 = 1;

/// Tells notices to an address.
pub struct Webhook {
    courier: Courier,
    address: Address,
    key: Option<SecretString>,
}

#[derive(Serialize)]
struct Body<'a> {
    schema_version: u32,
    delivery: &'a str,
    #[serde(flatten)]
    notice: &'a RunNotice,
}

impl Webhook {
    /// A webhook at this address, signed where there is a key.
    #[must_use]
    pub fn new(courier: Courier, address: Address, key: Option<SecretString>) -> Self {
        Self { courier, address, key }
    }

    async fn deliver(
        &self,
        notice: &RunNotice,
        cancel: &CancellationToken,
    ) -> Result<(), WebError> {
        let id = delivery_id(notice);
        let body = Body { schema_version: SCHEMA_VERSION, delivery: &id, notice };
        let body = serde_json::to_vec(&body).map_err(|error| WebError::Message(error.into()))?;
        let build = || {
            // Of each try: who checks signatures refuses old ones.
            let timestamp_s = self.courier.clock().now().as_second();
            let request = (self.courier.client().post(self.address.url.clone()))
                .header(CONTENT_TYPE, "application/json")
                .header("X-Speedfit-Event", notice.kind.as_str())
                .header("X-Speedfit-Delivery", &id)
                .header("X-Speedfit-Timestamp", timestamp_s.to_string());
            Ok(match &self.key {
                Some(key) => {
                    let key = key.expose_secret().as_bytes();
                    request.header("X-Speedfit-Signature", signature(key, timestamp_s, &body)?)
                }
                None => request,
            }
            .body(body.clone()))
        };
        self.courier.send(self.address.host(), &id, build, cancel).await
    }
}

#[async_trait]
impl Herald for Webhook {
    fn describe(&self) -> String {
        format!("the webhook at `{}`", self.address.host())
    }

    async fn tell(&self, notice: &RunNotice, cancel: &CancellationToken) -> PortResult<()> {
        Ok(self.deliver(notice, cancel).await?)
    }
}
