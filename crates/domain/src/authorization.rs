//! The value of an `Authorization` header, taken apart (RFC 9110, 11.6.2) and not yet believed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

/// What an `Authorization` header holds.
#[derive(Debug)]
pub enum Authorization {
    /// No credential: other schemes and empty ones count as absent.
    Absent,
    /// `Basic` without a password in it.
    Unusable,
    /// A token.
    Bearer(SecretString),
    /// The password of `Basic`; the user may be anything (RFC 7617).
    Basic(SecretString),
}

impl Authorization {
    /// Takes a header's value apart. The scheme may be in any case (RFC 9110, 11.1).
    #[must_use]
    pub fn parse(header: &str) -> Self {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or_default();
        let rest = rest.trim();
        if rest.is_empty() {
            return Self::Absent;
        }
        if scheme.eq_ignore_ascii_case("bearer") {
            return Self::Bearer(rest.into());
        }
        if scheme.eq_ignore_ascii_case("basic") {
            return password(rest).map_or(Self::Unusable, Self::Basic);
        }
        Self::Absent
    }

    /// The token or the password: the same for each way to write it.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretString> {
        match self {
            Self::Bearer(secret) | Self::Basic(secret) => Some(secret),
            Self::Absent | Self::Unusable => None,
        }
    }
}

/// `base64(user:password)`.
fn password(encoded: &str) -> Option<SecretString> {
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.into())
}
