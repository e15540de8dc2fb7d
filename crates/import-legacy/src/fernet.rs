//! Decryption of Fernet tokens, with which the FastAPI service encrypted PATs
//! (<https://github.com/fernet/spec>): version, time, vector, AES-128-CBC, HMAC-SHA256 over the whole. The
//! age of a token is not checked, as in the FastAPI service.

use aws_lc_rs::cipher::{AES_128, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::{digest, hmac};
use base64::Engine;
use base64::alphabet::{Alphabet, STANDARD, URL_SAFE};
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretString};

/// Length of a key in bytes.
const KEY_BYTES: usize = 32;
const VERSION: u8 = 0x80;
const IV_BYTES: usize = 16;
const MAC_BYTES: usize = 32;
/// Length in bytes of the version and the time in seconds since 1970.
const HEAD_BYTES: usize = 9;

const BASE64: GeneralPurpose = lenient(&URL_SAFE);

const fn lenient(alphabet: &Alphabet) -> GeneralPurpose {
    let config = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    GeneralPurpose::new(alphabet, config)
}

/// Decodes a key in either alphabet of base64. Returns `None` if `text` is not a key.
fn decode(text: &str) -> Option<[u8; KEY_BYTES]> {
    let bytes = lenient(&STANDARD).decode(text).or_else(|_| BASE64.decode(text));
    bytes.ok().and_then(|bytes| bytes.try_into().ok())
}

/// Keys that a text may represent: the value of `PAT_ENCRYPTION_KEY` is a key, that of `SECRET_KEY` is hashed
/// to one. The signature of a token shows which key applies.
pub(super) struct Keys(Vec<[u8; KEY_BYTES]>);

/// The token was not made with any of the keys, or is invalid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unreadable;

impl Keys {
    /// Derives the keys from the value of `PAT_ENCRYPTION_KEY` or `SECRET_KEY`.
    pub(super) fn new(text: &SecretString) -> Self {
        let text = text.expose_secret();
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let hashed = <[u8; KEY_BYTES]>::try_from(hash.as_ref()).ok();
        Self(decode(text).into_iter().chain(hashed).collect())
    }

    /// Decrypts a token.
    pub(super) fn open(&self, token: &str) -> Result<SecretString, Unreadable> {
        let bytes = BASE64.decode(token.trim()).map_err(|_| Unreadable)?;
        let opened = self.0.iter().find_map(|key| open(key, &bytes));
        opened.ok_or(Unreadable)
    }
}

fn open(key: &[u8; KEY_BYTES], bytes: &[u8]) -> Option<SecretString> {
    let (signing, encryption) = key.split_at(KEY_BYTES / 2);
    let (signed, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC_BYTES)?)?;
    hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, signing), signed, mac).ok()?;
    let (head, rest) = signed.split_at_checked(HEAD_BYTES)?;
    if head.first() != Some(&VERSION) {
        return None;
    }
    let (iv, text) = rest.split_at_checked(IV_BYTES)?;
    let iv = FixedLength::<IV_BYTES>::try_from(iv).ok()?;
    let key = UnboundCipherKey::new(&AES_128, encryption).ok()?;
    let key = PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?;
    let mut text = text.to_vec();
    let plain = key.decrypt(&mut text, DecryptionContext::Iv128(iv)).ok()?;
    std::str::from_utf8(plain).ok().map(SecretString::from)
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::cipher::{EncryptionContext, PaddedBlockEncryptingKey};
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use aponta_domain::arbitrary;

    /// Example of the specification.
    const KEY: &str = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
    const TOKEN: &str = "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4\
                         BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";

    fn opened(key: &str, token: &str) -> Result<String, Unreadable> {
        let opened = Keys::new(&key.into()).open(token);
        opened.map(|pat| pat.expose_secret().to_owned())
    }

    #[test]
    fn example_of_the_specification_opens() {
        assert_eq!(opened(KEY, TOKEN), Ok("hello".to_owned()));
        assert_eq!(opened(KEY, TOKEN.trim_end_matches('=')), Ok("hello".to_owned()));
    }

    #[test]
    fn key_may_be_the_hash_of_another_secret() {
        // cryptography 48:
        // Fernet(urlsafe_b64encode(sha256(b"chave-de-teste").digest())).encrypt(b"pat-de-teste")
        let token = "gAAAAABpZJdAAAECAwQFBgcICQoLDA0OD9SGdzg2RN3vdlNLWkg9\
                     G1ZsST47DEIbuiy65pLBx2EmTgpHE10csawU1x1JO9mkMw==";
        assert_eq!(opened("chave-de-teste", token), Ok("pat-de-teste".to_owned()));
        assert_eq!(opened("outra-chave", token), Err(Unreadable));
    }

    #[test]
    fn no_changed_token_opens() {
        let bytes = BASE64.decode(TOKEN).unwrap();
        for position in 0..bytes.len() {
            let mut tampered = bytes.clone();
            tampered[position] ^= 1;
            assert_eq!(
                opened(KEY, &BASE64.encode(&tampered)),
                Err(Unreadable),
                "{position}"
            );
            assert_eq!(
                opened(KEY, &BASE64.encode(&bytes[..position])),
                Err(Unreadable),
                "{position}"
            );
        }
        for text in ["", "gAAA", "não é", "aGVsbG8="] {
            assert_eq!(opened(KEY, text), Err(Unreadable), "{text}");
        }
    }

    /// Values with a valid signature that are not a token, because of the version, the block length, the
    /// padding or the text.
    #[test]
    fn signed_non_token_is_refused() {
        let key = decode(KEY).unwrap();
        let signed = |bytes: &[u8]| {
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key[..16]), bytes);
            BASE64.encode([bytes, mac.as_ref()].concat())
        };
        let good = BASE64.decode(TOKEN).unwrap();
        let good = &good[..good.len() - MAC_BYTES];
        assert_eq!(opened(KEY, &signed(good)), Ok("hello".to_owned()));
        let mut other_version = good.to_vec();
        other_version[0] = 0x81;
        let mut other_block = good.to_vec();
        *other_block.last_mut().unwrap() ^= 1;
        for bytes in [
            &other_version[..],
            &other_block,
            &good[..good.len() - 1],
            &good[..20],
            &[],
        ] {
            assert_eq!(opened(KEY, &signed(bytes)), Err(Unreadable), "{bytes:?}");
        }
    }

    /// Encrypts a text as the FastAPI service did.
    fn seal(key: &[u8; KEY_BYTES], text: &str, seconds: u64, iv: [u8; IV_BYTES]) -> Vec<u8> {
        let (signing, encryption) = key.split_at(KEY_BYTES / 2);
        let key = UnboundCipherKey::new(&AES_128, encryption).unwrap();
        let mut secret = text.as_bytes().to_vec();
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        PaddedBlockEncryptingKey::cbc_pkcs7(key)
            .unwrap()
            .less_safe_encrypt(&mut secret, context)
            .unwrap();
        let mut token = [&[VERSION], &seconds.to_be_bytes()[..], &iv, &secret].concat();
        let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, signing), &token);
        token.extend_from_slice(mac.as_ref());
        token
    }

    proptest! {
        #[test]
        fn sealed_token_opens_and_modified_one_does_not(
            text in arbitrary::text(), key: [u8; KEY_BYTES], seconds: u64, iv: [u8; IV_BYTES], position: Index,
                bit in 0_u8..8,
        ) {
            let key_text = BASE64.encode(key);
            let mut token = seal(&key, &text, seconds, iv);
            prop_assert_eq!(opened(&key_text, &BASE64.encode(&token)), Ok(text));
            let position = position.index(token.len());
            token[position] ^= 1_u8 << bit;
            prop_assert_eq!(opened(&key_text, &BASE64.encode(&token)), Err(Unreadable));
        }

        #[test]
        fn no_text_is_a_token(
            text in prop_oneof![arbitrary::text(), "gAAAA[A-Za-z0-9_-]{0,200}={0,2}"],
            key in arbitrary::text(),
        ) {
            prop_assert_eq!(opened(&key, &text), Err(Unreadable));
        }

        /// Checks that any signed bytes are either a token or rejected.
        #[test]
        fn no_signed_bytes_break_the_reader(bytes in prop::collection::vec(any::<u8>(), 0..90), version: bool) {
            let key = decode(KEY).unwrap();
            let bytes = if version { [&[VERSION], &bytes[..]].concat() } else { bytes };
            let mac = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key[..16]), &bytes);
            let found = opened(KEY, &BASE64.encode([&bytes, mac.as_ref()].concat()));
            let whole_blocks = bytes.len() >= HEAD_BYTES + 2 * IV_BYTES
                && (bytes.len() - HEAD_BYTES).is_multiple_of(IV_BYTES);
            prop_assert!(found.is_err() || (bytes[0] == VERSION && whole_blocks));
        }
    }
}
