//! Credentials of calls to Azure DevOps. A signed call has one in its `Authorization` header, an unsigned one
//! has none.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

/// Secret and the scheme with which it is sent. Its `Debug` output does not show the secret.
#[derive(Debug, Clone)]
pub struct Credential {
    scheme: Scheme,
    secret: SecretString,
}

/// Scheme with which a secret is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// For a PAT: `Basic base64(":" + pat)`, the PAT as the password of an empty user name.
    Pat,
    /// For an access token: `Bearer token`.
    Bearer,
}

/// Keyed hash of a secret (HMAC-SHA256), which distinguishes secrets without storing them. Equal secrets have
/// equal hashes within one process only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// Key of the hashes, random in each process: a hash that leaks cannot be compared with guessed secrets. It
/// is made of two random UUIDs, which contain 244 random bits.
static KEY: LazyLock<hmac::Key> = LazyLock::new(|| {
    let halves = [Uuid::new_v4(), Uuid::new_v4()];
    hmac::Key::new(hmac::HMAC_SHA256, &halves.map(Uuid::into_bytes).concat())
});

impl Fingerprint {
    /// Returns the hash of `secret`, without regard to the scheme with which it is sent.
    #[must_use]
    pub fn of(secret: &str) -> Self {
        let tag = hmac::sign(&KEY, secret.as_bytes());
        let mut bytes = [0; 32];
        bytes.copy_from_slice(tag.as_ref());
        Self(bytes)
    }
}

impl Credential {
    /// Creates a credential that sends `secret` with `scheme`.
    #[must_use]
    pub fn new(scheme: Scheme, secret: SecretString) -> Self {
        Self { scheme, secret }
    }

    /// Creates the credential of a personal access token (PAT).
    #[must_use]
    pub fn pat(secret: SecretString) -> Self {
        Self::new(Scheme::Pat, secret)
    }

    /// Returns the hash of the secret. Limits and circuit breakers take it for the identity that calls Azure
    /// DevOps: two PATs of one person count as two identities.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.secret.expose_secret())
    }

    /// Returns the value of the `Authorization` header, marked as sensitive so that no log prints it. Returns
    /// `None` if an access token contains a character that a header must not contain; a PAT is sent as Base64
    /// and may contain any.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let secret = self.secret.expose_secret();
        let text = match self.scheme {
            Scheme::Pat => format!("Basic {}", STANDARD.encode(format!(":{secret}"))),
            Scheme::Bearer => format!("Bearer {secret}"),
        };
        let mut value = HeaderValue::try_from(text).ok()?;
        value.set_sensitive(true);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use aponta_domain::arbitrary;

    #[test]
    fn pat_is_sent_as_basic_password_without_user() {
        let header = Credential::pat("p".into()).header().unwrap();
        assert_eq!(header, "Basic OnA=");
        assert!(!format!("{header:?}").contains("OnA"), "sensitive");
        assert!(!format!("{:?}", Credential::pat("canary".into())).contains("canary"));
        assert!(Credential::new(Scheme::Bearer, "a\nb".into()).header().is_none());
    }

    proptest! {
        #[test]
        fn any_secret_is_one_exact_header_or_none(secret in arbitrary::text()) {
            let header = |scheme| Credential::new(scheme, secret.as_str().into()).header();
            let pat = header(Scheme::Pat).unwrap();
            let encoded = pat.to_str().unwrap().strip_prefix("Basic ").unwrap();
            prop_assert_eq!(STANDARD.decode(encoded).unwrap(), format!(":{secret}").into_bytes());
            if let Some(bearer) = header(Scheme::Bearer) {
                let expected = format!("Bearer {secret}");
                prop_assert_eq!(bearer.as_bytes(), expected.as_bytes());
                prop_assert!(bearer.is_sensitive() && !secret.contains(['\r', '\n', '\0']));
            }
        }
    }
}
