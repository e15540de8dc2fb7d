//! Reads a response: classifies its status and media type and limits the size of its body.
//!
//! Success is the expected 2xx *and* JSON. Status 203, a redirect and HTML count as a sign-in page.

use std::time::{Duration, SystemTime};

use chrono::DateTime;
use reqwest::header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::error::{Error, Unavailability, connection_error};
use super::lenient;
use super::operation::Operation;

/// Header with the token of the next page.
const CONTINUATION: &str = "x-ms-continuationtoken";

/// Maximum number of bytes read of an error body.
const ERROR_BODY_BYTES: usize = 64 << 10;

/// Successful response to a call.
#[derive(Debug)]
pub(super) struct ApiResponse {
    body: Vec<u8>,
    /// Opaque token of the next page; `None` on the last page.
    pub(super) continuation: Option<String>,
}

impl ApiResponse {
    /// Returns the body unchanged.
    pub(super) fn into_bytes(self) -> Vec<u8> {
        self.body
    }

    /// Parses the body as `T`.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        lenient::parse(&self.body).map_err(|_| Error::Nonsense("the JSON does not have the expected shape"))
    }
}

/// Classifies the `response` to an operation, checks its media type, and reads at most `limit` bytes of its
/// body.
pub(super) async fn read(
    response: Response,
    operation: &Operation,
    limit: usize,
) -> Result<ApiResponse, Error> {
    let status = response.status();
    let retry_after = retry_after(response.headers());
    match classify(status, is(response.headers(), "text/html"), retry_after) {
        Some(Error::Rejected { status, .. }) => return Err(error_body(response).await.rejection(status)),
        // An unknown organisation is reported with a page of the portal. Only an error of Azure DevOps itself
        // proves that a work item does not exist; the 404 page of a gateway does not.
        Some(Error::NotFound) if operation.is_of_work_items() => {
            let away = || Error::unavailable(Unavailability::Status(404), retry_after);
            let named = error_body(response).await.is_named();
            return Err(if named { Error::NotFound } else { away() });
        }
        Some(error) => return Err(error),
        None => {}
    }
    if !is(response.headers(), operation.media_type) {
        return Err(Error::Nonsense("the answer is not of the expected type"));
    }
    let continuation = response.headers().get(CONTINUATION);
    let continuation = match continuation.map(|token| token.to_str()) {
        None => None,
        Some(Ok(token)) => Some(token.trim().to_owned()).filter(|token| !token.is_empty()),
        Some(Err(_)) => return Err(Error::Nonsense("the continuation token is not text")),
    };
    let body = read_body(response, limit).await?;
    Ok(ApiResponse { body, continuation })
}

/// Reads an error body. Returns an empty one if the body is not JSON or cannot be read.
async fn error_body(response: Response) -> ErrorBody {
    let body = read_body(response, ERROR_BODY_BYTES).await.unwrap_or_default();
    lenient::parse(&body).unwrap_or_default()
}

/// Returns the error that the status and type represent. Returns `None` for a 2xx whose body is to be read.
fn classify(status: StatusCode, html: bool, retry_after: Option<Duration>) -> Option<Error> {
    let code = status.as_u16();
    let turned_away = code == 401 || code == 203 || status.is_redirection();
    let error = match code {
        429 => Error::Throttled { retry_after },
        // A throttled identity may get the response of an unknown one; only this header shows the difference
        // (backstage issue 35717).
        _ if turned_away && retry_after.is_some() => Error::Throttled { retry_after },
        _ if turned_away => Error::InvalidCredential { status: code },
        403 => Error::Forbidden,
        404 => Error::NotFound,
        408 | 500..=599 => Error::unavailable(Unavailability::Status(code), retry_after),
        200..=299 if html => Error::InvalidCredential { status: code },
        200..=299 => return None,
        _ => ErrorBody::default().rejection(code),
    };
    Some(error)
}

/// Returns `true` if the media type is `expected`; its parameters are ignored.
fn is(headers: &HeaderMap, expected: &str) -> bool {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = value.and_then(|value| value.split(';').next());
    essence.is_some_and(|essence| essence.trim().eq_ignore_ascii_case(expected))
}

async fn read_body(mut response: Response, limit: usize) -> Result<Vec<u8>, Error> {
    let too_large = || Error::Nonsense("the answer is too large");
    let announced = response.content_length().unwrap_or_default();
    if usize::try_from(announced).map_or(true, |announced| announced > limit) {
        return Err(too_large());
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(connection_error)? {
        if body.len() + chunk.len() > limit {
            return Err(too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}

/// Error body in any of its several shapes; each shape has a name for the error, or none.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct ErrorBody {
    type_key: Option<String>,
    #[serde(rename = "ClassName")]
    class_name: Option<String>,
    custom_properties: Value,
}

/// Violations of the rules of a process.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct CustomProperties {
    #[serde(rename = "RuleValidationErrors")]
    rules: Vec<BrokenRule>,
    /// The only field, in responses without the list.
    #[serde(rename = "FieldReferenceName")]
    field: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct BrokenRule {
    field_reference_name: String,
    field_status_flags: String,
}

impl ErrorBody {
    /// Returns `true` if the body is an error of Azure DevOps, which always has a type.
    fn is_named(&self) -> bool {
        self.type_key.is_some() || self.class_name.is_some()
    }

    fn rejection(self, status: u16) -> Error {
        let name = self.type_key.or(self.class_name).unwrap_or_default();
        let objections: CustomProperties = serde_json::from_value(self.custom_properties).unwrap_or_default();
        let rules = objections.rules.iter().take(MOST_RULES);
        let only = objections.field.iter().filter(|_| objections.rules.is_empty());
        Error::Rejected {
            status,
            type_key: words(&name),
            fields: rules
                .map(|rule| {
                    let (field, flags) = (words(&rule.field_reference_name), words(&rule.field_status_flags));
                    format!("{field} [{flags}]")
                })
                .chain(only.map(|field| words(field)))
                .collect(),
        }
    }
}

/// Maximum number of broken rules in an error.
const MOST_RULES: usize = 5;

/// Removes characters that do not occur in type names, field names and flags, and truncates the text to 80
/// characters. Other text would be prose.
fn words(text: &str) -> String {
    text.chars()
        .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | ',' | ' '))
        .take(80)
        .collect()
}

/// Reads `Retry-After`: whole or decimal seconds, or a date (RFC 9110, 10.2.3).
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok();
    }
    let at = SystemTime::from(DateTime::parse_from_rfc2822(text).ok()?);
    Some(at.duration_since(SystemTime::now()).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use reqwest::header::HeaderValue;
    use serde_json::json;

    use super::*;
    use aponta_domain::arbitrary;

    fn wait(value: &str) -> Option<Duration> {
        let mut headers = HeaderMap::new();
        headers.insert(RETRY_AFTER, value.parse().unwrap());
        retry_after(&headers)
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        assert_eq!(wait("7"), Some(Duration::from_secs(7)));
        assert_eq!(wait("0.25"), Some(Duration::from_millis(250)));
        assert_eq!(wait("Wed, 21 Oct 2015 07:28:00 GMT"), Some(Duration::ZERO));
        assert!(wait("Tue, 31 Dec 2199 23:59:59 GMT") > Some(Duration::from_hours(1)));
        for nonsense in ["", "soon", "-1", "NaN", "1e400"] {
            assert_eq!(wait(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn sign_in_page_is_a_refusal_and_429_is_a_throttle() {
        let of = |code: u16, html, wait: Option<u64>| {
            let status = StatusCode::from_u16(code).unwrap();
            classify(status, html, wait.map(Duration::from_secs)).map(|error| error.kind())
        };
        for code in [401, 203, 302, 303, 307] {
            assert_eq!(of(code, true, None), Some("invalid_credential"), "{code}");
            assert_eq!(of(code, true, Some(3)), Some("throttled"), "{code}");
        }
        assert_eq!(of(200, true, None), Some("invalid_credential"));
        assert_eq!(of(200, false, Some(3)), None);
        assert_eq!(of(503, true, None), Some("unavailable"));
        assert_eq!(of(412, false, None), Some("rejected"));
    }

    proptest! {
        #[test]
        fn any_retry_after_is_seconds_or_a_date_or_ignored(header in prop_oneof![
            arbitrary::header_bytes().boxed(),
            "-?[0-9]{0,25}(\\.[0-9]{0,12})?(e[0-9]{1,3})?".prop_map(String::into_bytes).boxed(),
            "(Mon|Wed), [0-9]{2} (Jan|Oct|Dec) [0-9]{1,6} [0-9]{2}:[0-9]{2}:[0-9]{2} (GMT|[+-][0-9]{4})"
                .prop_map(String::into_bytes).boxed(),
        ]) {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_bytes(&header).unwrap());
            let wait = retry_after(&headers);
            let text = String::from_utf8_lossy(&header);
            match text.trim().parse::<f64>() {
                Ok(seconds) => prop_assert_eq!(wait, Duration::try_from_secs_f64(seconds).ok()),
                Err(_) if wait.is_some() => prop_assert!(DateTime::parse_from_rfc2822(text.trim()).is_ok()),
                Err(_) => {}
            }
        }

        #[test]
        fn any_number_of_seconds_is_the_wait(seconds: u32) {
            prop_assert_eq!(wait(&seconds.to_string()), Some(Duration::from_secs(seconds.into())));
        }

        #[test]
        fn any_unusable_status_is_an_error(
            code in 100_u16..1_000, html: bool, seconds in prop::option::of(any::<u64>()),
        ) {
            let wait = seconds.map(Duration::from_secs);
            let error = classify(StatusCode::from_u16(code).unwrap(), html, wait);
            let usable = (200..300).contains(&code) && code != 203 && !html;
            prop_assert_eq!(error.is_none(), usable);
            if let Some(error) = error {
                let kind = error.kind();
                prop_assert_eq!(kind == "unavailable", code == 408 || (500..600).contains(&code), "{}", kind);
                let reported = error.retry_after();
                prop_assert!(reported.is_none() || reported == wait);
            }
        }

        #[test]
        fn error_body_keeps_names_only(body in arbitrary::body(&json!({
            "typeKey": "RuleValidationException", "ClassName": "x", "message": "c4n4ry", "customProperties": {
                "RuleValidationErrors": [{"fieldReferenceName": "Custom.Area",
                "fieldStatusFlags": "required, limitedToValues"}],
            },
        }))) {
            let body = lenient::parse::<ErrorBody>(&body).unwrap_or_default();
            let Error::Rejected { status: 400, type_key, fields } = body.rejection(400) else { unreachable!() };
            let name = |c: char| c.is_ascii_alphanumeric() || "._, ".contains(c);
            prop_assert!(type_key.chars().all(name) && type_key.len() <= 80);
            prop_assert!(fields.len() <= MOST_RULES);
            for field in fields {
                prop_assert!(field.chars().all(|c| name(c) || c == '[' || c == ']') && field.len() <= 163, "{}", field);
            }
        }
    }
}
