//! Moves parameters of several operations into components of the OpenAPI document, so that they are not
//! repeated.

use std::collections::BTreeMap;

use utoipa::openapi::path::{Operation, Parameter};
use utoipa::openapi::{OpenApi, Ref, RefOr};

/// Replaces each parameter that occurs more than once by a reference to a component.
pub(super) fn share_parameters(document: &mut OpenApi) {
    let mut uses: Vec<(Parameter, usize)> = Vec::new();
    for parameter in operations(document).flat_map(parameters) {
        match uses.iter_mut().find(|(known, _)| known == parameter) {
            Some((_, count)) => *count += 1,
            None => uses.push((parameter.clone(), 1)),
        }
    }
    let mut shared: BTreeMap<String, Parameter> = BTreeMap::new();
    for (parameter, _) in uses.into_iter().filter(|(_, count)| *count > 1) {
        let names = (1..).map(|n| match n {
            1 => parameter.name.clone(),
            n => format!("{}_{n}", parameter.name),
        });
        if let Some(name) = names.into_iter().find(|name| !shared.contains_key(name)) {
            shared.insert(name, parameter);
        }
    }
    for operation in operations_mut(document) {
        for parameter in operation.parameters.iter_mut().flatten() {
            let RefOr::T(own) = &*parameter else { continue };
            if let Some((name, _)) = shared.iter().find(|(_, known)| *known == own) {
                *parameter = RefOr::Ref(Ref::new(format!("#/components/parameters/{name}")));
            }
        }
    }
    let components = document.components.get_or_insert_default();
    let shared = shared
        .into_iter()
        .map(|(name, parameter)| (name, RefOr::T(parameter)));
    components.parameters.extend(shared);
}

fn parameters(operation: &Operation) -> impl Iterator<Item = &Parameter> {
    operation
        .parameters
        .iter()
        .flatten()
        .filter_map(|parameter| match parameter {
            RefOr::T(parameter) => Some(parameter),
            RefOr::Ref(_) => None,
        })
}

/// Returns the operations of the document, by path.
pub(super) fn operations(document: &OpenApi) -> impl Iterator<Item = &Operation> {
    document.paths.paths.values().flat_map(|item| {
        [&item.get, &item.post, &item.put, &item.patch, &item.delete]
            .into_iter()
            .flatten()
    })
}

/// Returns the operations of the document for changes, by path.
pub(super) fn operations_mut(document: &mut OpenApi) -> impl Iterator<Item = &mut Operation> {
    document.paths.paths.values_mut().flat_map(|item| {
        [
            &mut item.get,
            &mut item.post,
            &mut item.put,
            &mut item.patch,
            &mut item.delete,
        ]
        .into_iter()
        .flatten()
    })
}
