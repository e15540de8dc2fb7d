//! Types of work items: which states they know, which fields they have, how they look.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::Value;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{LIST_PROCESS_STATES, LIST_TYPES, READ_ICON};
use super::organizacao::{Host, Organizacao, text_at};
use crate::models::work_item::Categoria;

/// A type as the list of a project tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDescription {
    /// Name, as work items bear it.
    pub nome: String,
    /// States and their categories.
    pub states: HashMap<String, Categoria>,
    /// Reference names of its fields.
    pub fields: Vec<String>,
    /// Id of its icon.
    pub icon: Option<String>,
    /// Colour of its icon: six hexadecimal digits.
    pub color: Option<String>,
}

#[derive(Debug, Deserialize)]
struct RawState {
    name: String,
    /// Processes call it `stateCategory`.
    #[serde(alias = "stateCategory")]
    category: String,
}

impl RawState {
    fn known(self) -> Option<(String, Categoria)> {
        Some((self.name, Categoria::parse(&self.category)?))
    }
}

#[derive(Debug, Deserialize)]
struct RawType {
    name: String,
    #[serde(default)]
    states: Vec<RawState>,
    #[serde(default)]
    fields: Vec<RawField>,
    #[serde(default)]
    icon: Value,
    #[serde(default)]
    color: Option<String>,
}

impl RawType {
    fn read(self) -> TypeDescription {
        // The address of the icon names another host; only its id is of use.
        let icon = text_at(&self.icon, "/id").filter(|id| {
            id.strip_prefix("icon_").is_some_and(|rest| {
                rest.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
            })
        });
        // Old servers put transparency before it.
        let color = self
            .color
            .filter(|color| matches!(color.len(), 6 | 8) && color.bytes().all(|b| b.is_ascii_hexdigit()));
        TypeDescription {
            nome: self.name,
            states: self.states.into_iter().filter_map(RawState::known).collect(),
            fields: self
                .fields
                .into_iter()
                .map(|field| field.reference_name)
                .collect(),
            icon,
            color: color.map(|color| color[color.len() - 6..].to_ascii_uppercase()),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct RawField {
    reference_name: String,
}

impl Organizacao {
    /// All types of a project in one answer, which is large: it holds their forms.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such project.
    pub async fn types(&self, credential: &Credential, project: &str) -> Result<Vec<TypeDescription>, Error> {
        let segments = [project, "_apis", "wit", "workitemtypes"];
        let answer = self
            .get(&LIST_TYPES, Host::Api, &segments, &[], credential)
            .await?;
        let types: List<RawType> = answer.json()?;
        Ok(types.value.good.into_iter().map(RawType::read).collect())
    }

    /// The states of a type of a process, by the reference name of the type.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such process or type.
    pub async fn process_states(
        &self,
        credential: &Credential,
        process: &str,
        tipo: &str,
    ) -> Result<HashMap<String, Categoria>, Error> {
        let segments = [
            "_apis",
            "work",
            "processes",
            process,
            "workItemTypes",
            tipo,
            "states",
        ];
        let answer = self
            .get(&LIST_PROCESS_STATES, Host::Api, &segments, &[], credential)
            .await?;
        let states: List<RawState> = answer.json()?;
        Ok(states
            .value
            .good
            .into_iter()
            .filter_map(RawState::known)
            .collect())
    }

    /// An icon as SVG, whatever it is: to be shown as an image, never to be put into a page.
    ///
    /// # Errors
    /// When it is not to be had.
    pub async fn icon(&self, credential: &Credential, id: &str, color: &str) -> Result<Vec<u8>, Error> {
        let segments = ["_apis", "wit", "workitemicons", id];
        let query = [("color", color), ("v", "2")];
        let answer = self
            .get(&READ_ICON, Host::Api, &segments, &query, credential)
            .await?;
        Ok(answer.into_bytes())
    }
}
