//! Parser of the `Prefer` header (RFC 7240).

/// Returns `true` if the lines of a `Prefer` header say `handling=strict`. Of a preference that is repeated,
/// only the first instance counts.
#[must_use]
pub fn is_strict<'a>(lines: impl IntoIterator<Item = &'a str>) -> bool {
    let preferences = lines.into_iter().flat_map(|line| split(line, ','));
    let mut handlings = preferences.filter_map(|preference| {
        let preference = split(preference, ';').next()?;
        let (name, value) = preference.split_once('=').unwrap_or((preference, ""));
        let is_handling = name.trim().eq_ignore_ascii_case("handling");
        is_handling.then(|| value.trim().trim_matches('"'))
    });
    let handling = handlings.next();
    handling.is_some_and(|handling| handling.eq_ignore_ascii_case("strict"))
}

/// Splits `text` at each separator outside of a quoted string.
fn split(text: &str, separator: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c: char| {
        if std::mem::take(&mut escaped) {
            return false;
        }
        escaped = quoted && c == '\\';
        quoted ^= c == '"';
        c == separator && !quoted
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    #[test]
    fn strict_is_found_among_other_preferences() {
        for lines in [
            &["handling=strict"][..],
            &["Handling = \"strict\" ; x=1"],
            &["respond-async, wait=10", "handling=strict"],
            &["a=\"x, \\\", handling=lenient\", handling=strict"],
            &["handling=strict, handling=lenient"],
        ] {
            assert!(is_strict(lines.iter().copied()), "{lines:?}");
        }
        for lines in [
            &[][..],
            &["", ",;="],
            &["handling"],
            &["handling=lenient", "handling=strict"],
            &["a=\"x, handling=strict\""],
            &["a; handling=strict"],
            &["x-handling=strict"],
        ] {
            assert!(!is_strict(lines.iter().copied()), "{lines:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_are_the_whole_text(text in arbitrary::text()) {
            prop_assert_eq!(split(&text, ',').collect::<Vec<_>>().join(","), text.clone());
            let _ = is_strict([text.as_str()]);
        }
    }
}
