//! Types of work items: which states they know, which fields they have.

use std::collections::HashMap;

use serde::Deserialize;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{LIST_TYPE_FIELDS, LIST_TYPE_STATES};
use super::organizacao::{Host, Organizacao};
use crate::models::work_item::Categoria;

#[derive(Debug, Deserialize)]
struct RawState {
    name: String,
    category: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawField {
    reference_name: String,
}

impl Organizacao {
    /// The states of a type and the category of each, custom ones included.
    ///
    /// # Errors
    /// [`Error::NotFound`] when the project has no such type.
    pub async fn type_states(
        &self,
        credential: &Credential,
        project: &str,
        tipo: &str,
    ) -> Result<HashMap<String, Categoria>, Error> {
        let segments = [project, "_apis", "wit", "workitemtypes", tipo, "states"];
        let answer = self
            .get(&LIST_TYPE_STATES, Host::Api, &segments, &[], credential)
            .await?;
        let states: List<RawState> = answer.json()?;
        let known = |state: RawState| Some((state.name, Categoria::parse(&state.category)?));
        Ok(states.value.good.into_iter().filter_map(known).collect())
    }

    /// Reference names of the fields of a type.
    ///
    /// # Errors
    /// As for [`type_states`](Self::type_states).
    pub async fn type_fields(
        &self,
        credential: &Credential,
        project: &str,
        tipo: &str,
    ) -> Result<Vec<String>, Error> {
        let segments = [project, "_apis", "wit", "workitemtypes", tipo, "fields"];
        let answer = self
            .get(&LIST_TYPE_FIELDS, Host::Api, &segments, &[], credential)
            .await?;
        let fields: List<RawField> = answer.json()?;
        let names = fields.value.good.into_iter().map(|field| field.reference_name);
        Ok(names.collect())
    }
}
