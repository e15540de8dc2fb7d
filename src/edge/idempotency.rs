//! `Idempotency-Key` header: makes requests safe to retry (draft-ietf-httpapi-idempotency-key-header).

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use utoipa::IntoParams;

use crate::error::{Error, FieldError};
use crate::models::idempotencia::Chave;

/// Name of the request header.
const NAME: &str = "Idempotency-Key";
/// Response header of a replayed response to an earlier request.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Header of requests that create something.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header that IdempotencyKey reads")]
pub struct IdempotencyKeyParam {
    /// Makes it safe to send the request again: the same key and content get the same answer for 24 hours.
    #[param(
        rename = "Idempotency-Key",
        nullable = false,
        max_length = 257,
        pattern = r#"^("[!#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$"#
    )]
    idempotency_key: Option<String>,
}

/// The idempotency key of a request, if present.
#[derive(Debug)]
pub struct IdempotencyKey(pub Option<Chave>);

impl<S: Send + Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Error> {
        let mut values = parts.headers.get_all(NAME).iter();
        let Some(value) = values.next() else {
            return Ok(Self(None));
        };
        let key = value.to_str().ok().and_then(Chave::parse);
        match (key, values.next()) {
            (Some(key), None) => Ok(Self(Some(key))),
            _ => Err(Error::Invalid(vec![FieldError {
                loc: vec!["header".into(), NAME.into()],
                kind: "value_error",
                message: "deve ser um texto de 1 a 255 caracteres visíveis, uma única vez".to_owned(),
            }])),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderValue, Request};
    use futures_util::FutureExt;
    use proptest::prelude::*;

    use super::*;
    use crate::arbitrary;

    fn read(values: &[&[u8]]) -> Result<IdempotencyKey, Error> {
        let mut request = Request::new(());
        for value in values {
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(NAME, value);
        }
        let mut parts = request.into_parts().0;
        IdempotencyKey::from_request_parts(&mut parts, &())
            .now_or_never()
            .unwrap()
    }

    proptest! {
        /// Checks that an invalid key is refused: counted as absent, it would turn a retry into a second
        /// request.
        #[test]
        fn present_key_is_valid_or_refused(header in arbitrary::header_bytes(), key in "[a-z0-9-]{1,40}") {
            match read(&[&header]) {
                Ok(found) => prop_assert_eq!(found.0, Chave::parse(std::str::from_utf8(&header).unwrap())),
                Err(error) => prop_assert!(matches!(error, Error::Invalid(_))),
            }
            prop_assert!(read(&[&header]).is_err() || read(&[&header]).unwrap().0.is_some());
            prop_assert!(read(&[key.as_bytes(), &header]).is_err());
            prop_assert_eq!(read(&[key.as_bytes()]).unwrap().0, Chave::parse(&key));
        }
    }
}
