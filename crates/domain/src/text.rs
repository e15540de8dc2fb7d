//! Form of texts: composed characters, no invisible characters at the ends. Texts are brought into this form
//! before they are checked, so that lengths count the characters that are stored.

use std::borrow::Cow;

use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// Maximum number of characters of a name; the columns are `varchar(255)`.
pub const NAME_MAX: usize = 255;

/// Returns the text with composed characters (normalization form C).
#[must_use]
pub fn composed(text: &str) -> Cow<'_, str> {
    if is_nfc_quick(text.chars()) == IsNormalized::Yes {
        Cow::Borrowed(text)
    } else {
        Cow::Owned(text.nfc().collect())
    }
}

/// Returns the text as it is stored: composed and trimmed.
#[must_use]
pub fn normalized(text: &str) -> String {
    trim(&composed(text)).to_owned()
}

/// Returns a text of Azure DevOps as it is stored and shown: without control characters other than tabs and
/// line breaks, [`normalized`], and cut to `max` characters.
#[must_use]
pub fn from_upstream(text: &str, max: usize) -> String {
    let is_kept = |c: &char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    let mut text = normalized(&text.chars().filter(is_kept).collect::<String>());
    if let Some((end, _)) = text.char_indices().nth(max) {
        text.truncate(end);
        text.truncate(trim(&text).len());
    }
    text
}

/// Removes invisible characters from both ends: white space, control characters, zero-width characters. A
/// name that consists only of such characters is blank.
#[must_use]
pub fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c.is_whitespace() || c.is_control() || is_zero_width(c))
}

/// Returns `true` for the zero-width space, joiners and marks, the word joiner and the byte order mark.
fn is_zero_width(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    #[test]
    fn invisible_text_is_blank() {
        assert_eq!(
            trim(" \t\u{200b}Revisão de código\u{feff}\n"),
            "Revisão de código"
        );
        assert_eq!(trim("\u{200b}\u{2060} \u{1b}"), "");
    }

    #[test]
    fn text_is_composed_then_trimmed_then_cut() {
        assert_eq!(normalized(" Cafe\u{301}\n"), "Café");
        assert_eq!(from_upstream("\0 e\u{301}\u{7}\0e\u{301} x", 3), "éé");
        assert_eq!(from_upstream("a\u{85}\n\tb\r", 255), "a\n\tb");
        assert_eq!(from_upstream(" \0\u{200b}", 255), "");
    }

    proptest! {
        #[test]
        fn upstream_text_fits_and_stays_as_it_is(text in arbitrary::text(), max in 0_usize..20) {
            let clean = from_upstream(&text, max);
            prop_assert!(clean.chars().count() <= max && !clean.contains('\0'));
            prop_assert_eq!(from_upstream(&clean, max), clean.clone());
            prop_assert_eq!(normalized(&clean), clean);
        }

        #[test]
        fn normalized_text_stays_as_it_is(text in arbitrary::text()) {
            let once = normalized(&text);
            prop_assert_eq!(normalized(&once), once);
        }
    }
}
