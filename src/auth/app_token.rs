//! App tokens: tokens that `SDK.getAppToken()` issues to the extension's pages (HS256, signed with the
//! extension's secret, naming only a user). They do not prove a membership, because one secret signs for
//! every customer of the extension.

use std::collections::HashSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use secrecy::ExposeSecret;
use serde::Deserialize;
use uuid::Uuid;

use crate::azure_devops::identities::is_placeholder_id;
use crate::config::AuthConfig;
use crate::models::ids::person_id;

/// `iss` of every app token, without a URL scheme.
pub(super) const ISSUER: &str = "app.vstoken.visualstudio.com";

/// Tolerated clock difference, in seconds.
const LEEWAY_SECONDS: u64 = 60;

/// Verifies app tokens.
pub(super) struct AppTokens {
    keys: Vec<DecodingKey>,
    validation: Validation,
}

/// Reason why an app token proves no identity.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Rejected {
    /// No secret is configured.
    NoSecret,
    /// The signature or a claim is invalid.
    Invalid,
}

#[derive(Deserialize)]
struct Claims {
    nameid: String,
}

impl AppTokens {
    pub(super) fn new(config: &AuthConfig) -> Self {
        // The key is the certificate's text itself, without decoding, although the text looks like a JWT or
        // base64.
        let keys = config.app_secrets.iter();
        let keys = keys.map(|secret| DecodingKey::from_secret(secret.expose_secret().as_bytes()));
        // Only one algorithm is accepted: neither `none` nor a key from the token itself (RFC 8725, 3.1).
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

    /// Returns the id of the user that `token` names.
    pub(super) fn verify(&self, token: &str) -> Result<Uuid, Rejected> {
        if self.keys.is_empty() {
            return Err(Rejected::NoSecret);
        }
        let verified = self
            .keys
            .iter()
            .find_map(|key| jsonwebtoken::decode::<Claims>(token, key, &self.validation).ok());
        let user = verified.and_then(|token| person_id(&token.claims.nameid));
        user.filter(|id| !is_placeholder_id(*id)).ok_or(Rejected::Invalid)
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{EncodingKey, Header, encode, get_current_timestamp};
    use proptest::prelude::*;
    use proptest::sample::Index;
    use serde_json::{Value, json};

    use super::*;
    use crate::arbitrary;
    use crate::config::{Config, Env};

    const SECRET: &str = "extension-secret-of-the-tests-0001";
    const APP_ID: &str = "12121212-6666-4f4f-9a9a-404040404040";

    fn tokens() -> AppTokens {
        let env = Env::from_pairs([
            ("DATABASE_HOST", "db"),
            ("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com/contoso"),
            ("AZURE_EXTENSION_SECRET", SECRET),
            ("AZURE_EXTENSION_APP_ID", APP_ID),
        ]);
        AppTokens::new(&Config::load(&env).unwrap().auth)
    }

    fn claims(user: Uuid) -> Value {
        let now = get_current_timestamp();
        json!({ "nameid": user, "iss": ISSUER, "aud": APP_ID, "nbf": now - 60, "exp": now + 4_000 })
    }

    fn sign(claims: &Value) -> String {
        let key = EncodingKey::from_secret(SECRET.as_bytes());
        encode(&Header::new(Algorithm::HS256), claims, &key).unwrap()
    }

    proptest! {
        #[test]
        fn valid_token_names_its_user_and_modified_one_fails(
            id in 1_u128..1 << 120, place: Index, byte in "[A-Za-z0-9_.-]",
        ) {
            let (user, tokens) = (Uuid::from_u128(id), tokens());
            let token = sign(&claims(user));
            prop_assert_eq!(tokens.verify(&token), Ok(user));
            let place = place.index(token.len());
            prop_assert_eq!(tokens.verify(&token[..place]), Err(Rejected::Invalid));
            let mut changed = token.clone();
            changed.replace_range(place..=place, &byte);
            if changed != token {
                prop_assert_eq!(tokens.verify(&changed), Err(Rejected::Invalid));
            }
        }

        #[test]
        fn no_text_is_a_token(text in arbitrary::text(), parts in prop::collection::vec(arbitrary::text(), 3)) {
            prop_assert_eq!(tokens().verify(&text), Err(Rejected::Invalid));
            prop_assert_eq!(tokens().verify(&parts.join(".")), Err(Rejected::Invalid));
        }

        /// Checks that a signed token proves a user only with the right issuer, audience and times, and only
        /// the user that it names.
        #[test]
        fn signed_token_with_wrong_claims_is_refused(claims in arbitrary::mutated(&claims(Uuid::from_u128(7)))) {
            if !claims.is_object() {
                return Ok(());
            }
            if let Ok(user) = tokens().verify(&sign(&claims)) {
                prop_assert_eq!(claims["nameid"].as_str().and_then(person_id), Some(user));
                prop_assert!(!is_placeholder_id(user));
                let holds = |claim: &Value, right: &str| match claim {
                    Value::Array(all) => all.iter().any(|one| one == right),
                    one => one == right,
                };
                prop_assert!(holds(&claims["iss"], ISSUER) && holds(&claims["aud"], APP_ID), "{}", claims);
                let seconds = |name: &str| claims[name].as_f64().unwrap();
                #[expect(clippy::cast_precision_loss, reason = "seconds since 1970")]
                let now = get_current_timestamp() as f64;
                prop_assert!(seconds("exp") > now - 62.0 && seconds("nbf") < now + 62.0, "{}", claims);
            }
        }
    }
}
