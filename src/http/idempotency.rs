//! `Idempotency-Key`: a request that may be sent again (draft-ietf-httpapi-idempotency-key-header).

use axum::extract::FromRequestParts;
use axum::http::HeaderName;
use axum::http::request::Parts;
use utoipa::IntoParams;

use crate::error::{Error, FieldError};
use crate::models::idempotencia::Chave;

/// The request header.
const NAME: &str = "Idempotency-Key";
/// Says that an answer is that of an earlier request.
pub const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// For requests that make something.
#[derive(Debug, IntoParams)]
#[into_params(parameter_in = Header)]
#[expect(dead_code, reason = "describes the header that IdempotencyKey reads")]
pub struct IdempotencyKeyParam {
    /// Makes it safe to send the request again: the same key and content get the same answer for 24 hours.
    #[param(
        rename = "Idempotency-Key",
        nullable = false,
        max_length = 257,
        pattern = r#"^("[!#-\[\]-~]{1,255}"|[!#-\[\]-~]{1,255})$"#,
        example = "\"8e03978e-40d5-43e8-bc93-6894a57f9324\""
    )]
    idempotency_key: Option<String>,
}

/// The key of a request, if it has one.
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
