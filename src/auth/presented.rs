//! What a request shows as proof, before anything is proved.

use base64::Engine;
use base64::alphabet;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::azure_devops::Scheme;

/// Longest token looked at; Entra's stay below half of it.
const LONGEST: usize = 8 << 10;

/// Base64 of JWTs: URL alphabet, and whoever pads is forgiven.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A token that may or may not prove somebody.
#[derive(Debug, Clone)]
pub(super) struct Presented {
    token: SecretString,
    /// It came as a password.
    basic: bool,
    /// `iss` of its unverified payload, if it is shaped like a JWT.
    issuer: Option<String>,
    jwt: bool,
}

/// What an `Authorization` header holds.
#[derive(Debug)]
pub(super) enum Shown {
    /// No credential: other schemes and empty ones count as absent.
    Nothing,
    /// One that cannot prove anybody.
    Unusable,
    /// One that may.
    Token(Presented),
}

impl Presented {
    /// Takes the value of an `Authorization` header apart.
    pub(super) fn from_authorization(header: &str) -> Shown {
        let (scheme, rest) = header.trim().split_once(' ').unwrap_or_default();
        let rest = rest.trim();
        let token = match scheme.to_ascii_lowercase().as_str() {
            _ if rest.is_empty() => return Shown::Nothing,
            "bearer" => Self::new(rest, false),
            "basic" => password(rest).and_then(|password| Self::new(password.expose_secret(), true)),
            _ => return Shown::Nothing,
        };
        token.map_or(Shown::Unusable, Shown::Token)
    }

    /// A bare access token.
    pub(super) fn from_access_token(text: &str) -> Option<Self> {
        Self::new(text.trim(), false)
    }

    fn new(token: &str, basic: bool) -> Option<Self> {
        let usable =
            !token.is_empty() && token.len() <= LONGEST && token.chars().all(|c| c.is_ascii_graphic());
        let jwt = token.split('.').count() == 3;
        usable.then(|| Self {
            token: SecretString::from(token),
            basic,
            issuer: jwt.then(|| unverified_issuer(token)).flatten(),
            jwt,
        })
    }

    /// The token itself.
    pub(super) fn token(&self) -> &SecretString {
        &self.token
    }

    /// Who the token says made it. Proves nothing.
    pub(super) fn claimed_issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// In which forms Azure DevOps should be asked about it, the likeliest first.
    pub(super) fn schemes(&self) -> &'static [Scheme] {
        match (self.basic, self.jwt) {
            (true, _) => &[Scheme::Pat],
            (false, true) => &[Scheme::Bearer, Scheme::Pat],
            (false, false) => &[Scheme::Pat, Scheme::Bearer],
        }
    }
}

/// `base64(user:password)`; the user may be anything (RFC 7617).
fn password(encoded: &str) -> Option<SecretString> {
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.into())
}

fn unverified_issuer(token: &str) -> Option<String> {
    let payload = BASE64_URL.decode(token.split('.').nth(1)?).ok()?;
    let payload: Value = serde_json::from_slice(&payload).ok()?;
    Some(payload.get("iss")?.as_str()?.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    fn token(header: &str) -> String {
        match Presented::from_authorization(header) {
            Shown::Nothing => "nothing".to_owned(),
            Shown::Unusable => "unusable".to_owned(),
            Shown::Token(presented) => format!("token {}", presented.token.expose_secret()),
        }
    }

    #[test]
    fn bearer_and_basic_are_taken_apart_and_the_rest_is_absent() {
        assert_eq!(token("Bearer abc"), "token abc");
        assert_eq!(token("bEARER   abc "), "token abc");
        assert_eq!(token("Basic OnBhdA=="), "token pat");
        assert_eq!(
            token(&format!("Basic {}", STANDARD.encode("ana:p:t"))),
            "token p:t"
        );
        for absent in ["", "Bearer", "Bearer  ", "Digest abc", "abc", "Basic "] {
            assert_eq!(token(absent), "nothing", "{absent}");
        }
        let no_colon = format!("Basic {}", STANDARD.encode("pat"));
        let no_password = format!("Basic {}", STANDARD.encode("ana:"));
        let long = format!("Bearer {}", "a".repeat(LONGEST + 1));
        for unusable in [
            "Basic ???",
            &no_colon,
            &no_password,
            "Bearer a b",
            "Bearer ção",
            &long,
        ] {
            assert_eq!(token(unusable), "unusable", "{unusable}");
        }
    }

    #[test]
    fn the_shape_decides_what_is_tried_first() {
        let of = |header: &str| match Presented::from_authorization(header) {
            Shown::Token(presented) => presented,
            other => panic!("{other:?}"),
        };
        assert_eq!(of("Bearer pat").schemes(), [Scheme::Pat, Scheme::Bearer]);
        assert_eq!(of("Bearer a.b.c").schemes(), [Scheme::Bearer, Scheme::Pat]);
        assert_eq!(of("Basic OnBhdA==").schemes(), [Scheme::Pat]);
        let payload = BASE64_URL.encode(r#"{"iss":"me"}"#);
        assert_eq!(of(&format!("Bearer a.{payload}.c")).claimed_issuer(), Some("me"));
        assert_eq!(of("Bearer a.b.c").claimed_issuer(), None);
    }

    proptest! {
        #[test]
        fn whatever_the_header_holds_a_token_is_visible_and_from_it(
            header in prop_oneof![
                arbitrary::text(),
                arbitrary::text().prop_map(|rest| format!("Bearer {rest}")),
                arbitrary::text().prop_map(|rest| format!("Basic {}", STANDARD.encode(rest))),
                "[Bb][Ee][Aa][Rr][Ee][Rr] [!-~]{0,20}\\.[A-Za-z0-9_-]{0,30}\\.[!-~]{0,20}",
            ],
        ) {
            let Shown::Token(shown) = Presented::from_authorization(&header) else { return Ok(()) };
            let token = shown.token().expose_secret();
            prop_assert!((1..=LONGEST).contains(&token.len()));
            prop_assert!(token.bytes().all(|b| b.is_ascii_graphic()));
            if shown.basic {
                let (_, encoded) = header.trim().split_once(' ').unwrap();
                let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).unwrap()).unwrap();
                prop_assert_eq!(decoded.split_once(':').unwrap().1, token);
            } else {
                prop_assert!(header.ends_with(token) || header.trim().ends_with(token));
            }
        }

        #[test]
        fn what_clients_send_is_read_back(token in "[!-~]{1,80}", user in "[^:\\pC]{0,10}", blanks in " {1,3}") {
            let read = |header: &str| match Presented::from_authorization(header) {
                Shown::Token(shown) => Some(shown.token().expose_secret().to_owned()),
                _ => None,
            };
            prop_assert_eq!(read(&format!("Bearer{blanks}{token}")), Some(token.clone()));
            let basic = STANDARD.encode(format!("{user}:{token}"));
            prop_assert_eq!(read(&format!("basic{blanks}{basic}")), Some(token));
        }

        #[test]
        fn the_issuer_is_what_the_payload_says(payload in arbitrary::body(&serde_json::json!({"iss": "me", "aud": ["a"]}))) {
            let token = format!("e30.{}.c", BASE64_URL.encode(&payload));
            let told = serde_json::from_slice::<Value>(&payload).ok();
            let told = told.and_then(|payload| Some(payload.get("iss")?.as_str()?.to_owned()));
            if let Some(shown) = Presented::from_access_token(&token) {
                prop_assert_eq!(shown.claimed_issuer(), told.as_deref());
                prop_assert!(shown.jwt);
            } else {
                prop_assert!(token.len() > LONGEST);
            }
        }
    }
}
