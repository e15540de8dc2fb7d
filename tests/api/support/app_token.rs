//! App tokens as the extension's pages send them, and forged ones.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

/// Key of the tests' extension; looks like a JWT, as the real ones do.
pub const SECRET: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.extension-secret.of-the-tests-0001";
/// The one that replaces it.
pub const NEXT_SECRET: &str = "eyJ0eXAiOiJKV1QiLCJhbGciOiJIUzI1NiJ9.extension-secret.of-the-tests-0002";
/// Registration of the tests' extension.
pub const APP_ID: &str = "12121212-6666-4f4f-9a9a-404040404040";
pub const ISSUER: &str = "app.vstoken.visualstudio.com";

/// Variables that make a server know the extension.
pub const VARIABLES: [(&str, &str); 2] = [
    ("AZURE_EXTENSION_SECRET", SECRET),
    ("AZURE_EXTENSION_APP_ID", APP_ID),
];

pub fn now() -> i64 {
    i64::try_from(jsonwebtoken::get_current_timestamp()).unwrap()
}

/// What a right token says of `user`.
pub fn claims(user: Uuid) -> Value {
    json!({
        "nameid": user, "tid": Uuid::nil(), "jti": Uuid::new_v4(), "iss": ISSUER, "aud": APP_ID,
        "nbf": now() - 60, "exp": now() + 4_200
    })
}

pub fn sign(claims: &Value, secret: &str) -> String {
    sign_with(&Header::new(Algorithm::HS256), claims, secret)
}

pub fn sign_with(header: &Header, claims: &Value, secret: &str) -> String {
    encode(header, claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// A right token of `user`.
pub fn app_token(user: Uuid) -> String {
    sign(&claims(user), SECRET)
}
