//! Definition of blank text.

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
    use super::*;

    #[test]
    fn invisible_text_is_blank() {
        assert_eq!(
            trim(" \t\u{200b}Revisão de código\u{feff}\n"),
            "Revisão de código"
        );
        assert_eq!(trim("\u{200b}\u{2060} \u{1b}"), "");
    }
}
