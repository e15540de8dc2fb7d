//! Credentials that sign calls.

use std::sync::LazyLock;

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

/// Secret and the scheme with which it is sent.
#[derive(Debug, Clone)]
pub struct Credential {
    scheme: Scheme,
    secret: SecretString,
}

/// Scheme with which a secret is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// A PAT: `Basic base64(":" + pat)`.
    Pat,
    /// An access token: `Bearer`.
    Bearer,
}

/// Keyed hash of a secret, valid in this process only: distinguishes secrets without storing them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint([u8; 32]);

/// Generated in each process, so that a hash is useless outside of the process.
static KEY: LazyLock<hmac::Key> = LazyLock::new(|| {
    let halves = [Uuid::new_v4(), Uuid::new_v4()];
    hmac::Key::new(hmac::HMAC_SHA256, &halves.map(Uuid::into_bytes).concat())
});

impl Fingerprint {
    /// Returns the hash of `secret`.
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

    /// Creates the credential of a personal access token.
    #[must_use]
    pub fn pat(secret: SecretString) -> Self {
        Self::new(Scheme::Pat, secret)
    }

    /// Returns the hash that stands for the identity of the caller: equal secrets count as one identity.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.secret.expose_secret())
    }

    /// Returns the header value, marked as sensitive so that no log prints it. Returns `None` if the secret
    /// contains characters that a header must not contain.
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
