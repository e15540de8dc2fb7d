//! Selection of the `api-version` for each resource, from the list of resources that a host publishes.
//!
//! The list is the response to `OPTIONS {base}/_apis`: for each resource the lowest version, the highest one
//! and the highest released one. Above the released version a resource is a preview.

use std::fmt;

use serde::Deserialize;

use super::error::Error;
use super::operation::{LOWEST, PLACES, Place, Resource, WANTED};

/// Version of the REST API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ApiVersion {
    major: u16,
    minor: u16,
}

impl ApiVersion {
    pub(super) const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }

    /// Parses a version such as `7.1`.
    fn parse(text: &str) -> Option<Self> {
        let (major, minor) = text.trim().split_once('.')?;
        Some(Self::new(major.parse().ok()?, minor.parse().ok()?))
    }

    /// Returns the version as a number for metrics: 7.1 for version 7.1.
    #[must_use]
    pub fn as_number(self) -> f64 {
        f64::from(self.major) + f64::from(self.minor) / 10.0
    }

    fn preview(self) -> String {
        format!("{self}-preview.1")
    }
}

impl fmt::Display for ApiVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

/// Element of the list.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Location {
    id: String,
    area: String,
    resource_name: String,
    min_version: String,
    max_version: String,
    released_version: String,
}

impl Location {
    fn is_at(&self, place: &Place) -> bool {
        self.area.eq_ignore_ascii_case(place.area) && self.resource_name.eq_ignore_ascii_case(place.name)
    }

    /// Returns the lowest, highest and highest released version; the last is 0.0 for a resource that is a
    /// preview only.
    fn range(&self) -> Option<Range> {
        let highest = ApiVersion::parse(&self.max_version)?;
        Some(Range {
            lowest: ApiVersion::parse(&self.min_version).unwrap_or(ApiVersion::new(0, 0)),
            highest,
            released: ApiVersion::parse(&self.released_version).unwrap_or(ApiVersion::new(0, 0)),
        })
    }
}

/// Versions in which a host has a resource.
#[derive(Debug, Clone, Copy)]
struct Range {
    lowest: ApiVersion,
    highest: ApiVersion,
    released: ApiVersion,
}

impl Range {
    /// Returns the wanted version or the highest below it. A preview is used if no supported version is
    /// released, at the level of its server: in later versions the preview may have changed.
    fn offer(self, server: ApiVersion) -> Offer {
        if self.released >= LOWEST {
            let wanted = WANTED.max(self.lowest);
            return Offer::Version(self.released.min(wanted).to_string());
        }
        let level = if server < LOWEST { WANTED } else { server };
        let preview = self.highest.min(level.max(self.lowest));
        if preview < LOWEST {
            return Offer::TooOld;
        }
        Offer::Version(preview.preview())
    }
}

/// Way to call a resource of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Offer {
    /// With this `api-version`.
    Version(String),
    /// The list lacks the resource. Call it with this `api-version`; a 404 means that the host does not have
    /// it.
    Unlisted(String),
    /// Not possible: its versions are older than the lowest supported one.
    TooOld,
}

/// Way to call each resource of a host.
#[derive(Debug)]
pub(super) struct Versions {
    offers: [Offer; PLACES.len()],
    /// Highest released version, at most the wanted one; `None` if the host did not report it.
    server: Option<ApiVersion>,
}

impl Versions {
    /// Returns the wanted version for all resources, for a host that does not report its versions.
    pub(super) fn assumed() -> Self {
        Self {
            offers: PLACES
                .each_ref()
                .map(|place| Offer::Version(plain_or_preview(place, WANTED))),
            server: None,
        }
    }

    /// Reads the list. Returns `None` if it contains none of our resources and so cannot be that of Azure
    /// DevOps.
    pub(super) fn read(locations: &[Location]) -> Option<Self> {
        let ranges = PLACES.each_ref().map(|place| range_of(place, locations));
        let server = newest(ranges.iter().flatten())?;
        let mut places = PLACES.iter();
        let offers = ranges.map(|range| match (range, places.next()) {
            (Some(range), _) => range.offer(server),
            (None, _) if server < LOWEST => Offer::TooOld,
            (None, Some(place)) => Offer::Unlisted(plain_or_preview(place, server)),
            (None, None) => Offer::TooOld,
        });
        Some(Self {
            offers,
            server: Some(server),
        })
    }

    pub(super) fn of(&self, resource: Resource) -> &Offer {
        &self.offers[resource as usize]
    }

    /// Returns the highest released version, at most the wanted one. Returns `None` if the host did not
    /// report it.
    pub(super) fn server(&self) -> Option<ApiVersion> {
        self.server
    }

    /// Returns `true` if the host supports no resource in a version that we can read.
    pub(super) fn is_too_old(&self) -> bool {
        self.offers.iter().all(|offer| *offer == Offer::TooOld)
    }

    /// Returns the `api-version` for a resource.
    pub(super) fn api_version(&self, resource: Resource) -> Result<&str, Error> {
        match self.of(resource) {
            Offer::Version(version) | Offer::Unlisted(version) => Ok(version),
            Offer::TooOld if self.is_too_old() => Err(Error::OutdatedServer),
            Offer::TooOld => Err(Error::NotOffered),
        }
    }
}

/// Returns the range of a resource, found by its location id, else by its area and name.
fn range_of(place: &Place, locations: &[Location]) -> Option<Range> {
    let by_id = locations
        .iter()
        .find(|location| location.id.eq_ignore_ascii_case(place.id));
    let found = by_id.or_else(|| locations.iter().find(|location| location.is_at(place)));
    found?.range()
}

/// Returns the highest released version of the resources, or the highest of all if none is released; at most
/// the wanted one.
fn newest<'a>(ranges: impl Iterator<Item = &'a Range> + Clone) -> Option<ApiVersion> {
    let released = ranges.clone().map(|range| range.released).max()?;
    let highest = ranges.map(|range| range.highest).max()?;
    let none = released == ApiVersion::new(0, 0);
    Some(WANTED.min(if none { highest } else { released }))
}

fn plain_or_preview(place: &Place, version: ApiVersion) -> String {
    if place.is_preview() {
        version.preview()
    } else {
        version.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(place: &Place, min: &str, max: &str, released: &str) -> Location {
        Location {
            id: place.id.to_uppercase(),
            area: place.area.to_owned(),
            resource_name: place.name.to_owned(),
            min_version: min.to_owned(),
            max_version: max.to_owned(),
            released_version: released.to_owned(),
        }
    }

    fn offer(min: &str, max: &str, released: &str) -> Offer {
        let place = &PLACES[Resource::WorkItems as usize];
        let read = Versions::read(&[location(place, min, max, released)]).unwrap();
        read.of(Resource::WorkItems).clone()
    }

    #[test]
    fn range_of_a_resource_becomes_the_version_asked_for() {
        let version = |text: &str| Offer::Version(text.to_owned());
        assert_eq!(offer("1.0", "7.2", "7.1"), version("7.1"));
        assert_eq!(offer("1.0", "8.0", "8.0"), version("7.1"));
        assert_eq!(offer("1.0", "7.1", "7.0"), version("7.0"));
        assert_eq!(offer("1.0", "6.1", "6.0"), version("6.0"));
        assert_eq!(offer("1.0", "5.1", "5.1"), version("5.1"));
        assert_eq!(offer("4.0", "6.0", "0.0"), version("6.0-preview.1"));
        assert_eq!(offer("4.0", "7.2", "0.0"), version("7.1-preview.1"));
        assert_eq!(offer("4.0", "6.0", "5.0"), version("6.0-preview.1"));
        assert_eq!(offer("8.0", "9.0", "9.0"), version("8.0"));
        assert_eq!(offer("1.0", "5.0", "5.0"), Offer::TooOld);
        assert_eq!(offer("1.0", "5.0", "0.0"), Offer::TooOld);
    }

    #[test]
    fn preview_is_asked_for_at_the_level_of_its_server() {
        let list = [
            location(&PLACES[Resource::Projects as usize], "1.0", "6.1", "6.0"),
            location(&PLACES[Resource::ConnectionData as usize], "1.0", "6.1", "0.0"),
            location(&PLACES[Resource::ProcessStates as usize], "6.1", "6.1", "0.0"),
        ];
        let read = Versions::read(&list).unwrap();
        assert_eq!(read.api_version(Resource::ConnectionData), Ok("6.0-preview.1"));
        assert_eq!(read.api_version(Resource::ProcessStates), Ok("6.1-preview.1"));
    }

    #[test]
    fn unlisted_resource_is_asked_for_at_the_level_of_the_server() {
        let projects = &PLACES[Resource::Projects as usize];
        let read = Versions::read(&[location(projects, "1.0", "6.1", "6.0")]).unwrap();
        assert_eq!(read.of(Resource::Teams), &Offer::Unlisted("6.0".to_owned()));
        assert_eq!(
            read.of(Resource::Avatars),
            &Offer::Unlisted("6.0-preview.1".to_owned())
        );
        assert_eq!(read.server(), Some(ApiVersion::new(6, 0)));
        assert!(!read.is_too_old());
    }

    #[test]
    fn server_of_2018_is_too_old_for_everything() {
        let old: Vec<Location> = PLACES
            .iter()
            .map(|place| location(place, "1.0", "4.1", "4.1"))
            .collect();
        let read = Versions::read(&old).unwrap();
        assert!(read.is_too_old());
        assert_eq!(read.api_version(Resource::WorkItems), Err(Error::OutdatedServer));
        // A shorter list gives the same result.
        assert!(Versions::read(&old[..3]).unwrap().is_too_old());
    }

    #[test]
    fn single_resource_that_is_too_old_is_not_offered() {
        let list = [
            location(&PLACES[Resource::Projects as usize], "1.0", "5.1", "5.1"),
            location(&PLACES[Resource::WorkItemIcons as usize], "4.0", "5.0", "0.0"),
        ];
        let read = Versions::read(&list).unwrap();
        assert_eq!(read.api_version(Resource::WorkItemIcons), Err(Error::NotOffered));
        assert_eq!(read.api_version(Resource::Projects), Ok("5.1"));
    }

    #[test]
    fn location_is_found_by_id_before_name_and_by_name_without_id() {
        let place = &PLACES[Resource::WorkItems as usize];
        let mut other = location(place, "1.0", "6.0", "6.0");
        other.id = "62d3d110-0047-428c-ad3c-4fe872c91c74".to_owned();
        let list = [other, location(place, "1.0", "7.0", "7.0")];
        let of = |list: &[Location]| Versions::read(list).unwrap().of(Resource::WorkItems).clone();
        assert_eq!(of(&list), Offer::Version("7.0".to_owned()));
        assert_eq!(of(&list[..1]), Offer::Version("6.0".to_owned()));
    }

    #[test]
    fn version_list_without_known_resources_is_ignored() {
        assert!(Versions::read(&[]).is_none());
        assert!(Versions::read(&[Location::default()]).is_none());
    }

    #[test]
    fn assumed_versions_are_the_wanted_ones() {
        let assumed = Versions::assumed();
        assert_eq!(assumed.api_version(Resource::Wiql), Ok("7.1"));
        assert_eq!(assumed.api_version(Resource::ConnectionData), Ok("7.1-preview.1"));
        assert_eq!((assumed.server(), assumed.is_too_old()), (None, false));
    }
}
