//! Parser of the `Authorization` header (RFC 9110, 11.6.2). The credential is not verified here.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use secrecy::SecretString;

/// Content of an `Authorization` header.
#[derive(Debug)]
pub enum Authorization {
    /// No credential; other schemes and empty credentials count as absent.
    Absent,
    /// `Basic` without a readable password.
    Unusable,
    /// A token.
    Bearer(SecretString),
    /// Password of `Basic`; the user name is ignored (RFC 7617).
    Basic(SecretString),
}

impl Authorization {
    /// Parses the value of a header. The scheme is matched without regard to case (RFC 9110, 11.1).
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

    /// Returns the token or the password, which are treated alike.
    #[must_use]
    pub fn secret(&self) -> Option<&SecretString> {
        match self {
            Self::Bearer(secret) | Self::Basic(secret) => Some(secret),
            Self::Absent | Self::Unusable => None,
        }
    }
}

/// Decodes `base64(user:password)` and returns the password. Returns `None` if the encoding is invalid.
fn password(encoded: &str) -> Option<SecretString> {
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.into())
}
