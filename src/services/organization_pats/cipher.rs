//! Encryption of PATs: AES-256-GCM with a random nonce, bound to the row that holds the PAT.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use aws_lc_rs::digest;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};

use crate::config::vault::{self, VaultConfig};

/// Number of bytes of a hash that form the id of a key.
const ID_BYTES: usize = 12;

/// Holds the keys of the vault.
pub(crate) struct Cipher {
    keys: Vec<Key>,
}

struct Key {
    /// Identifier that does not reveal the key: the beginning of a hash of the key.
    id: String,
    key: RandomizedNonceKey,
}

/// An encrypted PAT as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sealed {
    /// Nonce, ciphertext and tag.
    pub(crate) bytes: Vec<u8>,
    /// Id of the key that encrypted the PAT.
    pub(crate) chave_id: String,
}

/// Error of a PAT that cannot be decrypted: its key is not configured, or the row was changed by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the PAT cannot be decrypted")]
pub(crate) struct Unreadable;

impl Cipher {
    /// Returns `None` if no key is configured.
    pub(crate) fn new(config: &VaultConfig) -> Option<Self> {
        let keys: Vec<Key> = config.keys.iter().filter_map(Key::new).collect();
        (!keys.is_empty()).then_some(Self { keys })
    }

    /// Returns the id of the key that encrypts new PATs.
    pub(crate) fn current_key(&self) -> &str {
        self.keys.first().map_or("", |key| &key.id)
    }

    /// Encrypts `pat` and binds it to `context`.
    pub(crate) fn seal(&self, pat: &SecretString, context: &str) -> Result<Sealed, Unreadable> {
        let key = self.keys.first().ok_or(Unreadable)?;
        let mut text = pat.expose_secret().as_bytes().to_vec();
        let nonce = key
            .key
            .seal_in_place_append_tag(Aad::from(context.as_bytes()), &mut text)
            .map_err(|_| Unreadable)?;
        let mut bytes = nonce.as_ref().to_vec();
        bytes.append(&mut text);
        Ok(Sealed {
            bytes,
            chave_id: key.id.clone(),
        })
    }

    /// Decrypts a PAT that was sealed for the same `context`.
    pub(crate) fn open(&self, sealed: &Sealed, context: &str) -> Result<SecretString, Unreadable> {
        let key = self
            .keys
            .iter()
            .find(|key| key.id == sealed.chave_id)
            .ok_or(Unreadable)?;
        let (nonce, text) = sealed.bytes.split_at_checked(NONCE_LEN).ok_or(Unreadable)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Unreadable)?;
        let mut text = text.to_vec();
        let plain = key
            .key
            .open_in_place(nonce, Aad::from(context.as_bytes()), &mut text)
            .map_err(|_| Unreadable)?;
        let plain = std::str::from_utf8(plain).map_err(|_| Unreadable)?;
        Ok(SecretString::from(plain))
    }
}

impl Key {
    fn new(text: &SecretString) -> Option<Self> {
        let bytes = vault::decode(text.expose_secret()).ok()?;
        let hash = digest::digest(&digest::SHA256, &[b"aponta key id".as_slice(), &bytes].concat());
        let id = hash.as_ref().get(..ID_BYTES)?;
        Some(Self {
            id: URL_SAFE_NO_PAD.encode(id),
            key: RandomizedNonceKey::new(&AES_256_GCM, &bytes).ok()?,
        })
    }
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ids: Vec<&str> = self.keys.iter().map(|key| key.id.as_str()).collect();
        f.debug_struct("Cipher").field("keys", &ids).finish()
    }
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    fn cipher(keys: &[u8]) -> Cipher {
        let keys = keys.iter().map(|byte| STANDARD.encode([*byte; 32]).into());
        let config = VaultConfig {
            keys: keys.collect(),
            ..VaultConfig::default()
        };
        Cipher::new(&config).unwrap()
    }

    #[test]
    fn sealed_pat_opens_only_with_its_key_and_context() {
        let pat = SecretString::from("a pat");
        let old = cipher(&[1]).seal(&pat, "contoso:1").unwrap();
        assert!(!old.bytes.windows(5).any(|window| window == b"a pat"));
        assert_ne!(
            old,
            cipher(&[1]).seal(&pat, "contoso:1").unwrap(),
            "the nonce is random"
        );
        let opened = |cipher: &Cipher, sealed: &Sealed, context| {
            let opened = cipher.open(sealed, context);
            opened.map(|pat| pat.expose_secret().to_owned())
        };
        assert_eq!(
            opened(&cipher(&[2, 1]), &old, "contoso:1"),
            Ok("a pat".to_owned())
        );
        assert_eq!(opened(&cipher(&[2]), &old, "contoso:1"), Err(Unreadable));
        assert_eq!(opened(&cipher(&[1]), &old, "fabrikam:1"), Err(Unreadable));
        for position in 0..old.bytes.len() {
            let mut tampered = old.clone();
            tampered.bytes[position] ^= 1;
            assert_eq!(
                opened(&cipher(&[1]), &tampered, "contoso:1"),
                Err(Unreadable),
                "{position}"
            );
        }
        for length in [0, NONCE_LEN, old.bytes.len() - 1] {
            let cut = Sealed {
                bytes: old.bytes[..length].to_vec(),
                ..old.clone()
            };
            assert_eq!(
                opened(&cipher(&[1]), &cut, "contoso:1"),
                Err(Unreadable),
                "{length}"
            );
        }
        assert_eq!(Cipher::new(&VaultConfig::default()).map(|_| ()), None);
    }

    proptest! {
        #[test]
        fn any_pat_round_trips_and_forged_bytes_fail(
            pat in arbitrary::text(), place in arbitrary::text(), bytes in prop::collection::vec(any::<u8>(), 0..80),
        ) {
            let cipher = cipher(&[7]);
            let sealed = cipher.seal(&pat.as_str().into(), &place).unwrap();
            let opened = cipher.open(&sealed, &place).unwrap();
            prop_assert_eq!(opened.expose_secret(), pat);
            let elsewhere = format!("{place}x");
            prop_assert!(cipher.open(&sealed, &elsewhere).is_err());
            let made_up = Sealed { bytes, ..sealed };
            prop_assert!(cipher.open(&made_up, &place).is_err());
        }
    }
}
