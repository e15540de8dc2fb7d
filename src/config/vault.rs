//! Keys of the PAT vault.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::SecretString;

use super::Environment;
use super::env::{Reader, no_blank};

/// Length of a key, in bytes.
pub const KEY_BYTES: usize = 32;

const EXAMPLE: &str = "the output of: head -c 32 /dev/urandom | base64";

/// Both base64 alphabets are in use for keys: `openssl rand -base64 32` and the FastAPI service's generator.
const STANDARD: GeneralPurpose = lenient(&alphabet::STANDARD);
const URL_SAFE: GeneralPurpose = lenient(&alphabet::URL_SAFE);

const fn lenient(alphabet: &alphabet::Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

/// Keys of the vault; if there are none, the vault is off.
#[derive(Debug, Clone, Default)]
pub struct VaultConfig {
    /// Keys as validated base64 of 32 bytes. The first key encrypts, all keys decrypt.
    pub keys: Vec<SecretString>,
    /// `true` if `organization_url` may be `http` on this machine; `false` in production.
    pub allow_plain_urls: bool,
}

/// Error: the text is not a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NotAKey;

impl fmt::Display for NotAKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is not base64 of 32 bytes")
    }
}

impl std::error::Error for NotAKey {}

impl VaultConfig {
    /// Reads `PAT_ENCRYPTION_KEYS`, or else the single key of `PAT_ENCRYPTION_KEY`. There is no default
    /// (D-13).
    pub(super) fn read(reader: &mut Reader<'_>, environment: Environment) -> Self {
        let parse = |text: &str| {
            no_blank(text)?;
            match decode(text) {
                Ok(_) => Ok(SecretString::from(text)),
                Err(problem) => Err(problem.to_string()),
            }
        };
        let only = reader.list("PAT_ENCRYPTION_KEY", Vec::new(), EXAMPLE, parse);
        let keys = reader.list("PAT_ENCRYPTION_KEYS", Vec::new(), EXAMPLE, parse);
        Self {
            keys: if keys.is_empty() { only } else { keys },
            allow_plain_urls: environment != Environment::Production,
        }
    }
}

/// Decodes a key.
///
/// # Errors
/// [`NotAKey`] when the text is not base64 of 32 bytes.
pub fn decode(text: &str) -> Result<[u8; KEY_BYTES], NotAKey> {
    let bytes = STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text));
    bytes.ok().and_then(|bytes| bytes.try_into().ok()).ok_or(NotAKey)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_is_32_bytes_in_either_alphabet() {
        assert!(decode(&STANDARD.encode([0xff; 32])).is_ok());
        assert!(decode(&URL_SAFE.encode([0xff; 32])).is_ok());
        assert!(decode(STANDARD.encode([1; 32]).trim_end_matches('=')).is_ok());
        for bad in ["", "secret", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])] {
            assert_eq!(decode(bad), Err(NotAKey), "{bad}");
        }
    }
}
