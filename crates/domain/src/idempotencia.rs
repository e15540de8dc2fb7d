//! Requests that may be sent again (draft-ietf-httpapi-idempotency-key-header).

use super::ids::ApontamentoId;

/// The key that a client made up: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chave(String);

impl Chave {
    /// Most characters.
    pub const MAX: usize = 255;

    /// Reads the header: a string in quotes (RFC 8941), or the bare text that many clients send. `None` when
    /// it is neither.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let bare = match text.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"')?,
            None => text,
        };
        let fits = (1..=Self::MAX).contains(&bare.len());
        let visible = bare
            .bytes()
            .all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
        (fits && visible).then(|| Self(bare.to_owned()))
    }

    /// The key without quotes.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A key that was used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedKey {
    /// Hash of the request.
    pub fingerprint: Vec<u8>,
    /// Entry that the request made.
    pub apontamento: ApontamentoId,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    #[test]
    fn a_key_is_the_same_with_and_without_quotes() {
        assert_eq!(Chave::parse("\"8e03978e-40d5\""), Chave::parse(" 8e03978e-40d5 "));
        assert!(Chave::parse(&"k".repeat(255)).is_some());
        for bad in [
            "",
            "\"\"",
            "\"a",
            "a b",
            "a\"b",
            "\"a\\\"b\"",
            "ação",
            &"k".repeat(256),
        ] {
            assert_eq!(Chave::parse(bad), None, "{bad}");
        }
    }
    proptest! {
        #[test]
        fn whatever_is_taken_is_visible_and_the_same_in_quotes(
            text in prop_oneof![arbitrary::text(), "\"?[!-~]{0,260}\"?"],
        ) {
            if let Some(chave) = Chave::parse(&text) {
                let bare = chave.as_str();
                prop_assert!((1..=Chave::MAX).contains(&bare.len()));
                prop_assert!(bare.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\'));
                prop_assert!(text.contains(bare));
                prop_assert_eq!(Chave::parse(bare), Some(chave.clone()));
                prop_assert_eq!(Chave::parse(&format!(" \"{bare}\"")), Some(chave));
            }
        }

        #[test]
        fn every_key_of_visible_characters_is_taken(text in "[!#-\\[\\]-~]{1,255}") {
            let chave = Chave::parse(&text);
            prop_assert_eq!(chave.as_ref().map(Chave::as_str), Some(text.as_str()));
        }
    }
}
