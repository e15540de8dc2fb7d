//! Tokens that `SDK.getAppToken()` gives to the extension's pages: HS256, signed with the extension's secret, naming a user
//! and nothing else. They are no proof of membership: one secret signs for every customer of the extension.

use std::collections::HashSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret;
use serde::Deserialize;
use uuid::Uuid;

use crate::azure_devops::identities::is_nobody;
use crate::config::AuthConfig;

/// `iss` of every app token; there is no scheme before it.
pub(super) const ISSUER: &str = "app.vstoken.visualstudio.com";

/// How far clocks may differ.
const LEEWAY_SECONDS: u64 = 60;

/// Checks app tokens.
pub(super) struct AppTokens {
    keys: Vec<DecodingKey>,
    validation: Validation,
}

/// Why an app token proves nobody.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// There is no key to check it with.
    NoSecret,
    /// It breaks a rule.
    Invalid,
}

#[derive(Deserialize)]
struct Claims {
    nameid: String,
}

impl AppTokens {
    pub(super) fn new(config: &AuthConfig) -> Self {
        // The key is the text of the certificate as it stands, though it looks like a JWT or base64.
        let keys = config.app_secrets.iter();
        let keys = keys.map(|secret| DecodingKey::from_secret(secret.expose_secret().as_bytes()));
        // One algorithm: neither `none` nor a key that the token itself brings (RFC 8725, 3.1).
        let mut validation = Validation::new(Algorithm::HS256);
        validation.leeway = LEEWAY_SECONDS;
        validation.validate_exp = true;
        validation.validate_nbf = true;
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&config.app_ids);
        validation.required_spec_claims = HashSet::from(["exp", "nbf", "iss", "aud"].map(str::to_owned));
        Self {
            keys: keys.collect(),
            validation,
        }
    }

    /// The id of the user whom `token` names.
    pub(super) fn verify(&self, token: &str) -> Result<Uuid, Rejected> {
        if self.keys.is_empty() {
            return Err(Rejected::NoSecret);
        }
        let verified = self
            .keys
            .iter()
            .find_map(|key| jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok());
        let user = verified.and_then(|token| Uuid::parse_str(&token.claims.nameid).ok());
        user.filter(|id| !is_nobody(*id)).ok_or(Rejected::Invalid)
    }
}
