//! `connectionData`: the identity behind a credential in an organisation.

use serde_json::Value;
use uuid::Uuid;

use super::credential::Credential;
use super::error::Error;
use super::identities::{Identity, is_placeholder_id};
use super::operation::{CONNECTION_DATA, Host, KNOWN_USER, Operation};
use super::organizacao::{Organizacao, text_at};
use aponta_domain::ids::person_id;

/// Parameters that restrict the response to the identity.
const QUERY: [(&str, &str); 3] = [
    ("connectOptions", "none"),
    ("lastChangeId", "-1"),
    ("lastChangeId64", "-1"),
];

/// Prefix of the descriptor of the anonymous identity.
const ANONYMOUS_DESCRIPTOR: &str = "system:publicaccess";

/// Member that a credential proves, and the organisation that responded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Member.
    pub identity: Identity,
    /// Id of the organisation, which a rename does not change.
    pub instance_id: Uuid,
}

impl Organizacao {
    /// Returns the member of this organisation that `credential` proves.
    ///
    /// # Errors
    /// [`Error::InvalidCredential`] if the credential proves no identity. Organisations with public projects
    /// respond with 200 even to made-up credentials, as the anonymous identity.
    pub async fn authenticated_user(&self, credential: &Credential) -> Result<Proof, Error> {
        self.connection_data(&CONNECTION_DATA, credential).await
    }

    /// Returns the member for a credential that was proved before. The call does not wait behind unproved
    /// credentials.
    ///
    /// Returns the errors of [`authenticated_user`](Self::authenticated_user).
    /// As for [`authenticated_user`](Self::authenticated_user).
    pub async fn known_user(&self, credential: &Credential) -> Result<Proof, Error> {
        self.connection_data(&KNOWN_USER, credential).await
    }

    async fn connection_data(
        &self,
        operation: &'static Operation,
        credential: &Credential,
    ) -> Result<Proof, Error> {
        let path = ["_apis", "connectionData"];
        let answer = self.get(operation, Host::Api, &path, &QUERY, credential).await?;
        proof(&answer.json()?)
    }
}

fn proof(data: &Value) -> Result<Proof, Error> {
    let identity = identity(data)?;
    let instance_id = text_at(data, "/instanceId").and_then(|text| person_id(&text));
    let instance_id = instance_id.filter(|id| !id.is_nil());
    Ok(Proof {
        identity,
        instance_id: instance_id.ok_or(Error::Nonsense("no instanceId"))?,
    })
}

fn identity(data: &Value) -> Result<Identity, Error> {
    let refused = Error::InvalidCredential { status: 200 };
    let id = |user: &str| {
        let text = text_at(data, &format!("/{user}/id"))?;
        person_id(&text)
    };
    let authenticated = id("authenticatedUser").ok_or(Error::Nonsense("no authenticatedUser.id"))?;
    let descriptor = text_at(data, "/authenticatedUser/descriptor").unwrap_or_default();
    if is_placeholder_id(authenticated) || descriptor.to_ascii_lowercase().starts_with(ANONYMOUS_DESCRIPTOR) {
        return Err(refused);
    }
    // The ids differ if one identity acts for another, which no caller may do here.
    if data.get("authorizedUser").is_some_and(|user| !user.is_null())
        && id("authorizedUser") != Some(authenticated)
    {
        return Err(refused);
    }
    let user = data.get("authenticatedUser").unwrap_or(&Value::Null);
    Ok(Identity::from_json(authenticated, user))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const ADA: &str = "3f0a5c11-2222-4b4b-8c8c-5d5d5d5d5d5d";

    #[test]
    fn connection_data_without_person_is_refused() {
        let refused = Err(Error::InvalidCredential { status: 200 });
        let of = |user: Value| identity(&json!({ "authenticatedUser": user })).map(|i| i.id.to_string());
        assert_eq!(of(json!({ "id": ADA })), Ok(ADA.to_owned()));
        assert_eq!(
            of(json!({ "id": "aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa" })),
            refused
        );
        assert_eq!(of(json!({ "id": Uuid::nil() })), refused);
        assert_eq!(
            of(json!({ "id": ADA, "descriptor": "SYSTEM:PublicAccess;x" })),
            refused
        );
        assert!(matches!(of(json!({ "id": "ada" })), Err(Error::Nonsense(_))));
        assert!(matches!(of(json!([])), Err(Error::Nonsense(_))));
        let both =
            |other: Value| identity(&json!({ "authenticatedUser": {"id": ADA}, "authorizedUser": other }));
        assert!(both(json!({ "id": ADA.to_uppercase() })).is_ok());
        assert!(both(Value::Null).is_ok());
        assert!(both(json!({ "id": Uuid::max() })).is_err());
        assert!(both(json!({})).is_err());
    }
}
