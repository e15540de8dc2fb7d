//! Parses the credentials of a request, before anything is proved.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::app_token::ISSUER;
use crate::azure_devops::Scheme;
use crate::models::authorization::Authorization;

/// Maximum length of a token, in bytes; tokens of Entra stay below half of it.
const LONGEST: usize = 8 << 10;

/// Base64 of JWTs: URL alphabet, padding optional.
const BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Token that is not checked yet.
#[derive(Debug, Clone)]
pub(super) struct UnverifiedToken {
    token: SecretString,
    /// `true` if the token was sent as a password (Basic authentication).
    basic: bool,
    kind: Kind,
}

/// Kind of a token by its form and its header. The kind proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Text without structure: a PAT.
    Opaque,
    /// A JWT, signed (three parts) or encrypted (five): an access token. Microsoft calls its payload "not a
    /// data contract", so only the header is read.
    Jwt,
    /// A JWT with `alg` HS256 and the extension's `iss`. Access tokens of Azure DevOps have the same `iss`
    /// with RS256.
    AppToken,
}

/// Parsed `Authorization` header.
#[derive(Debug)]
pub(super) enum ParsedAuthorization {
    /// No credential: other schemes and empty values count as absent.
    Nothing,
    /// A credential that cannot prove an identity.
    Unusable,
    /// A credential to verify.
    Token(UnverifiedToken),
}

impl UnverifiedToken {
    /// Parses the value of an `Authorization` header.
    pub(super) fn from_authorization(header: &str) -> ParsedAuthorization {
        let token = match Authorization::parse(header) {
            Authorization::Absent => return ParsedAuthorization::Nothing,
            Authorization::Unusable => return ParsedAuthorization::Unusable,
            Authorization::Bearer(token) => Self::new(token.expose_secret(), false),
            Authorization::Basic(password) => Self::new(password.expose_secret(), true),
        };
        token.map_or(ParsedAuthorization::Unusable, ParsedAuthorization::Token)
    }

    /// Parses a bare access token. Returns `None` for an unusable token.
    pub(super) fn from_access_token(text: &str) -> Option<Self> {
        Self::new(text.trim(), false)
    }

    fn new(token: &str, basic: bool) -> Option<Self> {
        let usable =
            !token.is_empty() && token.len() <= LONGEST && token.chars().all(|c| c.is_ascii_graphic());
        let kind = if usable { Kind::of(token) } else { None };
        kind.map(|kind| Self {
            token: SecretString::from(token),
            basic,
            kind,
        })
    }

    /// Returns the token.
    pub(super) fn token(&self) -> &SecretString {
        &self.token
    }

    /// Returns `true` if the token must be verified as an app token of the extension, and in no other way.
    pub(super) fn is_app_token(&self) -> bool {
        self.kind == Kind::AppToken
    }

    /// Returns the schemes to try at Azure DevOps, the most likely one first.
    pub(super) fn schemes(&self) -> &'static [Scheme] {
        match (self.basic, self.kind) {
            (true, _) => &[Scheme::Pat],
            (false, Kind::Opaque) => &[Scheme::Pat, Scheme::Bearer],
            (false, Kind::Jwt | Kind::AppToken) => &[Scheme::Bearer, Scheme::Pat],
        }
    }
}

impl Kind {
    /// Returns the kind of `token`, or `None` for a JWT whose header has `crit`: the service supports no
    /// extension that a token may require (RFC 7515, 4.1.11).
    fn of(token: &str) -> Option<Self> {
        let parts: Vec<&str> = token.split('.').collect();
        let [header, payload, ..] = parts.as_slice() else {
            return Some(Self::Opaque);
        };
        if !matches!(parts.len(), 3 | 5) {
            return Some(Self::Opaque);
        }
        let header = json(header).unwrap_or_default();
        if header.get("crit").is_some() {
            return None;
        }
        let hs256 = parts.len() == 3 && header.get("alg").is_some_and(|alg| alg == "HS256");
        let of_extension = || json(payload).is_some_and(|payload| payload["iss"] == ISSUER);
        Some(if hs256 && of_extension() {
            Self::AppToken
        } else {
            Self::Jwt
        })
    }
}

/// Decodes one part of a JWT, without verification.
fn json(part: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64_URL.decode(part).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    fn token(header: &str) -> String {
        match UnverifiedToken::from_authorization(header) {
            ParsedAuthorization::Nothing => "nothing".to_owned(),
            ParsedAuthorization::Unusable => "unusable".to_owned(),
            ParsedAuthorization::Token(presented) => format!("token {}", presented.token.expose_secret()),
        }
    }

    #[test]
    fn bearer_and_basic_are_parsed_and_others_absent() {
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
    fn token_form_decides_the_first_scheme() {
        let of = |header: &str| match UnverifiedToken::from_authorization(header) {
            ParsedAuthorization::Token(presented) => presented,
            other => panic!("{other:?}"),
        };
        assert_eq!(of("Bearer pat").schemes(), [Scheme::Pat, Scheme::Bearer]);
        assert_eq!(of("Bearer a.b.c").schemes(), [Scheme::Bearer, Scheme::Pat]);
        assert_eq!(of("Basic OnBhdA==").schemes(), [Scheme::Pat]);
        assert_eq!(of("Bearer a.b.c.d.e").schemes(), [Scheme::Bearer, Scheme::Pat]);
        assert_eq!(of("Bearer a.b").schemes(), [Scheme::Pat, Scheme::Bearer]);
    }

    fn jwt(header: &str, payload: &str) -> String {
        format!("{}.{}.c", BASE64_URL.encode(header), BASE64_URL.encode(payload))
    }

    fn kind(token: &str) -> Option<Kind> {
        UnverifiedToken::from_access_token(token).map(|presented| presented.kind)
    }

    #[test]
    fn jwt_header_separates_app_and_access_tokens() {
        let ours = format!(r#"{{"iss":"{ISSUER}"}}"#);
        for (header, payload, expected) in [
            (r#"{"alg":"HS256"}"#, ours.as_str(), Some(Kind::AppToken)),
            (r#"{"alg":"RS256"}"#, &ours, Some(Kind::Jwt)),
            (r#"{"alg":"none"}"#, &ours, Some(Kind::Jwt)),
            (r#"{"alg":"hs256"}"#, &ours, Some(Kind::Jwt)),
            (r#"{"alg":["HS256"]}"#, &ours, Some(Kind::Jwt)),
            ("no JSON", &ours, Some(Kind::Jwt)),
            (r#"{"alg":"HS256"}"#, r#"{"iss":"entra"}"#, Some(Kind::Jwt)),
            (r#"{"alg":"HS256"}"#, "[]", Some(Kind::Jwt)),
            (r#"{"alg":"RS256","crit":["exp"]}"#, &ours, None),
            (r#"{"alg":"HS256","crit":null}"#, "{}", None),
        ] {
            assert_eq!(kind(&jwt(header, payload)), expected, "{header} {payload}");
        }
        let encrypted = format!("{}.d.e", jwt(r#"{"alg":"HS256"}"#, &ours));
        assert_eq!(kind(&encrypted), Some(Kind::Jwt), "five parts are encrypted");
        let critical = format!("{}.d.e", jwt(r#"{"alg":"RSA-OAEP","crit":[]}"#, &ours));
        assert_eq!(kind(&critical), None);
    }

    proptest! {
        #[test]
        fn any_header_yields_a_visible_token_or_none(
            header in prop_oneof![
                arbitrary::text(),
                arbitrary::text().prop_map(|rest| format!("Bearer {rest}")),
                arbitrary::text().prop_map(|rest| format!("Basic {}", STANDARD.encode(rest))),
                "[Bb][Ee][Aa][Rr][Ee][Rr] [!-~]{0,20}\\.[A-Za-z0-9_-]{0,30}\\.[!-~]{0,20}",
            ],
        ) {
            let ParsedAuthorization::Token(parsed) = UnverifiedToken::from_authorization(&header) else {
                return Ok(());
            };
            let token = parsed.token().expose_secret();
            prop_assert!((1..=LONGEST).contains(&token.len()));
            prop_assert!(token.bytes().all(|b| b.is_ascii_graphic()));
            if parsed.basic {
                let (_, encoded) = header.trim().split_once(' ').unwrap();
                let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).unwrap()).unwrap();
                prop_assert_eq!(decoded.split_once(':').unwrap().1, token);
            } else {
                prop_assert!(header.ends_with(token) || header.trim().ends_with(token));
            }
        }

        #[test]
        fn sent_credential_is_read_back(token in "[!-~]{1,80}", user in "[^:\\pC]{0,10}", blanks in " {1,3}") {
            let read = |header: &str| match UnverifiedToken::from_authorization(header) {
                ParsedAuthorization::Token(parsed) => Some(parsed.token().expose_secret().to_owned()),
                _ => None,
            };
            prop_assert_eq!(read(&format!("Bearer{blanks}{token}")), Some(token.clone()));
            let basic = STANDARD.encode(format!("{user}:{token}"));
            prop_assert_eq!(read(&format!("basic{blanks}{basic}")), Some(token));
        }

        #[test]
        fn hs256_with_the_issuer_is_an_app_token(
            payload in arbitrary::body(&serde_json::json!({"iss": ISSUER, "aud": ["a"]})),
        ) {
            let token = format!("{}.{}.c", BASE64_URL.encode(r#"{"alg":"HS256"}"#), BASE64_URL.encode(&payload));
            let claims = serde_json::from_slice::<Value>(&payload).ok();
            let ours = claims.is_some_and(|payload| payload["iss"] == ISSUER);
            if let Some(parsed) = UnverifiedToken::from_access_token(&token) {
                prop_assert_eq!(parsed.is_app_token(), ours);
            } else {
                prop_assert!(token.len() > LONGEST);
            }
        }
    }
}
