//! Types of work items: their states, fields and icons.

use std::collections::HashMap;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::Value;

use super::credential::Credential;
use super::error::Error;
use super::lenient::List;
use super::operation::{Host, LIST_PROCESS_STATES, LIST_TYPE_STATES, LIST_TYPES, READ_ICON};
use super::organizacao::{Organizacao, text_at};
use aponta_domain::work_item::Categoria;

/// Maximum number of types that are read one by one at the same time.
const AT_ONCE: usize = 4;

/// Type of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeDescription {
    /// Name, as used in work items.
    pub nome: String,
    /// Reference name, as used in processes.
    pub reference_name: Option<String>,
    /// States with their categories.
    pub states: HashMap<String, Categoria>,
    /// `true` if the response contained states, each with a category.
    pub states_known: bool,
    /// Reference names of its fields; `None` if the response lacked them.
    pub fields: Option<Vec<String>>,
    /// Id of the icon.
    pub icon: Option<String>,
    /// Colour of the icon: six hexadecimal digits.
    pub color: Option<String>,
}

/// States as reported by types and processes. A state without a category is left out.
#[derive(Debug, Default)]
struct States {
    known: HashMap<String, Categoria>,
    /// `true` if there were states, each with a category.
    has_all_states: bool,
}

impl States {
    fn read(states: &[Value]) -> Self {
        let known: HashMap<String, Categoria> = states.iter().filter_map(state).collect();
        Self {
            has_all_states: !states.is_empty() && states.iter().all(|value| state(value).is_some()),
            known,
        }
    }
}

fn state(value: &Value) -> Option<(String, Categoria)> {
    let text = |name: &str| value.get(name)?.as_str();
    // Processes name it `stateCategory`.
    let category = text("category").or_else(|| text("stateCategory"))?;
    Some((text("name")?.to_owned(), Categoria::parse(category)?))
}

fn type_of(value: &Value) -> Option<TypeDescription> {
    let list = |name: &str| value.get(name).and_then(Value::as_array);
    let states = States::read(list("states").map(Vec::as_slice).unwrap_or_default());
    let field = |field: &Value| Some(field.get("referenceName")?.as_str()?.to_owned());
    // The address of the icon names another host, so only its id is used.
    let icon = text_at(value, "/icon/id").filter(|id| {
        id.strip_prefix("icon_").is_some_and(|rest| {
            rest.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        })
    });
    // Old servers prefix the colour with the transparency.
    let color = text_at(value, "/color")
        .filter(|color| matches!(color.len(), 6 | 8) && color.bytes().all(|b| b.is_ascii_hexdigit()));
    Some(TypeDescription {
        nome: value.get("name")?.as_str()?.to_owned(),
        reference_name: text_at(value, "/referenceName"),
        states: states.known,
        states_known: states.has_all_states,
        fields: list("fields").map(|fields| fields.iter().filter_map(field).collect()),
        icon,
        color: color.map(|color| color[color.len() - 6..].to_ascii_uppercase()),
    })
}

/// Returns the value of a call; `None` where Azure DevOps refused it. An outage stays an error.
fn ok_unless_outage<T>(answer: Result<T, Error>) -> Result<Option<T>, Error> {
    match answer {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_away() => Err(error),
        Err(_) => Ok(None),
    }
}

impl Organizacao {
    /// Returns all types of a project from one response, which is large because it contains their forms.
    /// Types without fields or states in the list are read one by one.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the project does not exist.
    pub async fn types(&self, credential: &Credential, project: &str) -> Result<Vec<TypeDescription>, Error> {
        let segments = [project, "_apis", "wit", "workitemtypes"];
        let answer = self
            .get(&LIST_TYPES, Host::Api, &segments, &[], credential)
            .await?;
        let types: List<Value> = answer.json()?;
        let types = types.value.good.iter().filter_map(type_of);
        let whole: Vec<_> = types
            .map(|tipo| self.completed(credential, project, tipo))
            .collect();
        stream::iter(whole).buffered(AT_ONCE).try_collect().await
    }

    /// Completes a type with the fields and states of its own resource.
    async fn completed(
        &self,
        credential: &Credential,
        project: &str,
        mut tipo: TypeDescription,
    ) -> Result<TypeDescription, Error> {
        if tipo.fields.is_none() || !tipo.states_known {
            let own = ok_unless_outage(self.type_by_name(credential, project, &tipo.nome).await)?;
            if let Some(own) = own.flatten() {
                tipo.fields = tipo.fields.or(own.fields);
                tipo.states.extend(own.states);
                tipo.states_known |= own.states_known;
            }
        }
        if !tipo.states_known
            && let Some(states) = ok_unless_outage(self.type_states(credential, project, &tipo.nome).await)?
        {
            tipo.states.extend(states.known);
            tipo.states_known = states.has_all_states;
        }
        Ok(tipo)
    }

    /// Reads a single type. Its resource is that of the list, so the call has the same operation and version.
    async fn type_by_name(
        &self,
        credential: &Credential,
        project: &str,
        tipo: &str,
    ) -> Result<Option<TypeDescription>, Error> {
        let segments = [project, "_apis", "wit", "workitemtypes", tipo];
        let answer = self
            .get(&LIST_TYPES, Host::Api, &segments, &[], credential)
            .await?;
        let value: Value = answer.json()?;
        Ok(type_of(&value))
    }

    async fn type_states(&self, credential: &Credential, project: &str, tipo: &str) -> Result<States, Error> {
        let segments = [project, "_apis", "wit", "workitemtypes", tipo, "states"];
        let answer = self
            .get(&LIST_TYPE_STATES, Host::Api, &segments, &[], credential)
            .await?;
        let states: List<Value> = answer.json()?;
        Ok(States::read(&states.value.good))
    }

    /// Returns the states of a type of a process, by the reference name of the type.
    ///
    /// # Errors
    /// [`Error::NotFound`] if the process or type does not exist.
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
        let states: List<Value> = answer.json()?;
        Ok(States::read(&states.value.good).known)
    }

    /// Returns an icon as unchecked SVG: show it as an image, never embed it in a page.
    ///
    /// # Errors
    /// Returns an error if the icon cannot be read.
    pub async fn icon(&self, credential: &Credential, id: &str, color: &str) -> Result<Vec<u8>, Error> {
        let segments = ["_apis", "wit", "workitemicons", id];
        let query = [("color", color), ("v", "2")];
        let answer = self
            .get(&READ_ICON, Host::Api, &segments, &query, credential)
            .await?;
        Ok(answer.into_bytes())
    }
}
