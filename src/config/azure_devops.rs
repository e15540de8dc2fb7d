//! Azure DevOps organisations, their PATs, and the timeouts and limits of calls to them.

use std::time::Duration;

use secrecy::SecretString;
use url::Url;

use super::Environment;
use super::env::{Reader, no_blank, no_separator};
use crate::azure_devops::config::{ClientConfig, Hosts, OrganizacaoConfig};
use crate::models::organizacao::NomeOrganizacao;

/// Base URL of Azure DevOps Services, followed by its host names; identities have a host of their own.
const SERVICES: &str = "https://dev.azure.com";
const SERVICES_HOST: &str = "dev.azure.com";
const SERVICES_IDENTITY: &str = "https://vssps.dev.azure.com";
const LEGACY_SUFFIX: &str = ".visualstudio.com";

/// Default timeout of background calls, in seconds: Azure DevOps delays an identity by up to 30 seconds, and
/// the call itself takes additional time.
const BACKGROUND_TIMEOUT: u64 = 35;

/// Usual path above the collections of an Azure DevOps Server.
const SERVER_PATH: &str = "tfs";

const URL_EXAMPLE: &str = "https://dev.azure.com/contoso";
const PATS_EXAMPLE: &str = "contoso=pat-of-contoso,fabrikam=pat-of-fabrikam";

/// Organisations, limits of the client, and intervals of background calls.
#[derive(Debug, Clone)]
pub struct AzureDevOpsConfig {
    /// Organisations and limits of the client; the organisation of `AZURE_DEVOPS_ORG_URL` is the first.
    pub client: ClientConfig,
    /// Interval between two probes of the organisations for `/ready`; `None`: never.
    pub probe_interval: Option<Duration>,
    /// Interval between two background synchronisations of the projects; `None`: never.
    pub sync_interval: Option<Duration>,
    /// Cache lifetimes of Azure DevOps data.
    pub fresh: FreshTimes,
}

/// Cache lifetimes of Azure DevOps data. No variable sets them; tests shorten them.
#[derive(Debug, Clone, Copy)]
pub struct FreshTimes {
    /// Work item types of a project.
    pub types: Duration,
    /// Work items and query results.
    pub items: Duration,
    /// Areas of a team.
    pub areas: Duration,
}

impl Default for FreshTimes {
    fn default() -> Self {
        Self {
            types: Duration::from_hours(1),
            items: Duration::from_secs(20),
            areas: Duration::from_mins(5),
        }
    }
}

impl AzureDevOpsConfig {
    pub(super) fn read(reader: &mut Reader<'_>, environment: Environment) -> Self {
        let (organizacoes, hosts) = read_organizacoes(reader, environment);
        let timeout = reader.millis("AZURE_DEVOPS_TIMEOUT_MS", 10_000, 100, 60_000);
        let client = ClientConfig {
            organizacoes,
            hosts,
            connect_timeout: reader.millis("AZURE_DEVOPS_CONNECT_TIMEOUT_MS", 2_000, 50, 30_000),
            timeout,
            background_timeout: read_background_timeout(reader, timeout),
            max_answer_bytes: reader.number("AZURE_DEVOPS_MAX_ANSWER_BYTES", 8 << 20, 1 << 10, 1 << 30),
            concurrency: reader.number("AZURE_DEVOPS_CONCURRENCY", 8, 1, 256),
            breaker_open: reader.millis("AZURE_DEVOPS_BREAKER_OPEN_MS", 5_000, 10, 600_000),
        };
        Self {
            client,
            probe_interval: optional_seconds(reader, "AZURE_DEVOPS_PROBE_INTERVAL", 15),
            sync_interval: optional_seconds(reader, "SYNC_INTERVAL", 0),
            fresh: FreshTimes::default(),
        }
    }
}

impl AzureDevOpsConfig {
    /// Returns `true` if the default organisation is on an Azure DevOps Server and not on Azure DevOps
    /// Services.
    pub(super) fn default_is_own_server(&self) -> bool {
        let default = self.client.organizacoes.first();
        default.is_some_and(|default| default.base_url.host_str() != Some(SERVICES_HOST))
    }
}

/// Reads the timeout of background calls, which is at least as long as that of interactive calls.
fn read_background_timeout(reader: &mut Reader<'_>, timeout: Duration) -> Duration {
    let name = "AZURE_DEVOPS_BACKGROUND_TIMEOUT_SECONDS";
    let background = reader.seconds(name, BACKGROUND_TIMEOUT, 1, 300);
    if background < timeout && reader.is_given(name) {
        let problem = "is shorter than AZURE_DEVOPS_TIMEOUT_MS, the patience of people";
        reader.problem(name, problem, "35");
    }
    background.max(timeout)
}

/// Reads a number of seconds up to a week; 0 means never.
fn optional_seconds(reader: &mut Reader<'_>, name: &str, default: u64) -> Option<Duration> {
    Some(reader.seconds(name, default, 0, 604_800)).filter(|interval| !interval.is_zero())
}

fn read_organizacoes(reader: &mut Reader<'_>, environment: Environment) -> (Vec<OrganizacaoConfig>, Hosts) {
    let org_url = reader.parse("AZURE_DEVOPS_ORG_URL", None, URL_EXAMPLE, |text| {
        split_org_url(&parse_url(text, environment)?).map(Some)
    });
    let mut url =
        |name, example| reader.parse(name, None, example, |text| parse_url(text, environment).map(Some));
    let base = url("AZURE_DEVOPS_BASE_URL", SERVICES);
    let identity = url("AZURE_DEVOPS_IDENTITY_URL", SERVICES_IDENTITY);
    let pat = reader.parse("AZURE_DEVOPS_PAT", None, "the-pat", |text| {
        parse_pat(text).map(Some)
    });
    let pats = read_pats(reader);

    let identity_of = |api: &Url| match &identity {
        Some(identity) => Some(identity.clone()),
        None if api.host_str() == Some(SERVICES_HOST) => Url::parse(SERVICES_IDENTITY).ok(),
        None => None,
    };
    let mut found = Vec::new();
    let parent = org_url.as_ref().map(|(api, _)| api.clone());
    if let Some((api, nome)) = org_url {
        let identity = identity_of(&api);
        let own = pats.iter().find(|(other, _)| *other == nome);
        let pat = pat.or_else(|| own.map(|(_, pat)| pat.clone()));
        found.push(Hosts { api, identity }.organizacao(nome, pat));
    } else if pat.is_some() {
        reader.problem(
            "AZURE_DEVOPS_ORG_URL",
            "is required by AZURE_DEVOPS_PAT",
            URL_EXAMPLE,
        );
    }
    let api = base.or(parent).unwrap_or_else(services);
    let identity = identity_of(&api);
    let hosts = Hosts { api, identity };
    for (nome, pat) in pats {
        if !found.iter().any(|known| known.nome == nome) {
            found.push(hosts.organizacao(nome, Some(pat)));
        }
    }
    (found, hosts)
}

/// Returns the base URL of Azure DevOps Services.
#[expect(clippy::expect_used, reason = "a constant, which a test reads")]
fn services() -> Url {
    Url::parse(SERVICES).expect("a constant address")
}

/// Parses a URL to which a credential may be sent. The problem never quotes the text, because a URL can
/// contain a password.
fn parse_url(text: &str, environment: Environment) -> Result<Url, String> {
    // Checked in the whole text: after a password with a slash, the `@` is outside the URL's user part.
    if text.contains('@') {
        return Err("holds a user or a password".to_owned());
    }
    let mut url = Url::parse(text).map_err(|_| "is not an address".to_owned())?;
    if url.query().is_some() || url.fragment().is_some() || url.host_str().is_none() {
        return Err("is not an address of the form https://host/path".to_owned());
    }
    let loopback = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => {}
        "http" if loopback || environment != Environment::Production => {}
        "http" => return Err("must be https in production: credentials are sent there".to_owned()),
        _ => return Err("is neither https nor http".to_owned()),
    }
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&path);
    Ok(url)
}

/// Splits `https://dev.azure.com/contoso`, `https://contoso.visualstudio.com` or
/// `https://server/tfs/Collection` into the URL above the organisation and the organisation's name.
fn split_org_url(url: &Url) -> Result<(Url, NomeOrganizacao), String> {
    let host = url.host_str().unwrap_or_default();
    if let Some(name) = host.strip_suffix(LEGACY_SUFFIX) {
        return Ok((services(), NomeOrganizacao::parse(name)?));
    }
    let mut segments: Vec<&str> = url.path().split('/').filter(|s| !s.is_empty()).collect();
    if host == SERVICES_HOST && segments.len() != 1 {
        return Err("must name the organisation and nothing else".to_owned());
    }
    let last = segments
        .pop()
        .ok_or_else(|| "lacks the organisation".to_owned())?;
    if host != SERVICES_HOST && segments.is_empty() && last.eq_ignore_ascii_case(SERVER_PATH) {
        return Err("lacks the collection, as in https://server/tfs/DefaultCollection".to_owned());
    }
    let name = NomeOrganizacao::parse(&decoded(last))?;
    let mut api = url.clone();
    api.set_path(&segments.join("/"));
    Ok((api, name))
}

/// Percent-decodes a segment of a path.
fn decoded(segment: &str) -> String {
    // The form decoder treats only `&` and `+` differently from a path.
    let query = format!("={}", segment.replace('+', "%2B").replace('&', "%26"));
    let decoded = url::form_urlencoded::parse(query.as_bytes()).next();
    decoded.map(|(_, text)| text.into_owned()).unwrap_or_default()
}

/// Parses a PAT; the problem never quotes the text.
fn parse_pat(text: &str) -> Result<SecretString, String> {
    if text.chars().all(|c| c.is_ascii_graphic()) {
        Ok(SecretString::from(text))
    } else {
        Err("holds characters that no PAT has".to_owned())
    }
}

/// Reads `org1=pat1,org2=pat2`. Problems identify an entry by its number, never by its text.
fn read_pats(reader: &mut Reader<'_>) -> Vec<(NomeOrganizacao, SecretString)> {
    reader.parse("AZURE_DEVOPS_ORG_PATS", Vec::new(), PATS_EXAMPLE, |text| {
        let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        let mut pats: Vec<(NomeOrganizacao, SecretString)> = Vec::new();
        for (number, entry) in (1..).zip(entries) {
            let problem = |what: &str| format!("entry {number} {what}");
            no_separator(entry).map_err(|what| problem(&what))?;
            let (name, pat) = entry
                .split_once('=')
                .ok_or_else(|| problem("is not organisation=pat"))?;
            let name = NomeOrganizacao::parse(name).map_err(problem)?;
            let pat = Some(pat.trim()).filter(|pat| !pat.is_empty());
            no_blank(pat.unwrap_or_default()).map_err(|what| problem(&what))?;
            let pat = parse_pat(pat.ok_or_else(|| problem("has no PAT"))?).map_err(|e| problem(&e))?;
            if pats.iter().any(|(known, _)| *known == name) {
                return Err(problem("names an organisation again"));
            }
            pats.push((name, pat));
        }
        Ok(pats)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::super::{Config, Env};
    use super::*;
    use crate::arbitrary;

    fn load(pairs: &[(&str, &str)]) -> Result<Vec<(String, String, String, String)>, String> {
        let env = Env::from_pairs(pairs.iter().copied())
            .with("DATABASE_HOST", "db")
            .with("AUTH_ENABLED", "false")
            .with("API_HOST", "127.0.0.1");
        let config = Config::load(&env).map_err(|problems| problems.to_string())?;
        let organizacoes = config.azure_devops.client.organizacoes.into_iter().map(|o| {
            let pat = o
                .pat
                .map(|pat| pat.expose_secret().to_owned())
                .unwrap_or_default();
            let text = |url: Url| url.as_str().to_owned();
            (o.nome.to_string(), text(o.base_url), text(o.identity_url), pat)
        });
        Ok(organizacoes.collect())
    }

    fn row(nome: &str, base: &str, identity: &str, pat: &str) -> (String, String, String, String) {
        (nome.into(), base.into(), identity.into(), pat.into())
    }

    #[test]
    fn default_organisation_comes_first_and_each_one_once() {
        let found = load(&[
            ("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com/Contoso/"),
            ("AZURE_DEVOPS_PAT", "one"),
            ("AZURE_DEVOPS_ORG_PATS", "fabrikam=two, CONTOSO=three"),
        ]);
        let services = "https://dev.azure.com";
        let identity = "https://vssps.dev.azure.com";
        let expected = vec![
            row(
                "contoso",
                &format!("{services}/contoso"),
                &format!("{identity}/contoso"),
                "one",
            ),
            row(
                "fabrikam",
                &format!("{services}/fabrikam"),
                &format!("{identity}/fabrikam"),
                "two",
            ),
        ];
        assert_eq!(found, Ok(expected));
    }

    #[test]
    fn legacy_hosts_and_own_servers_are_parsed() {
        let only = |url| load(&[("AZURE_DEVOPS_ORG_URL", url)]).unwrap().remove(0);
        let legacy = only("https://contoso.visualstudio.com/DefaultCollection");
        assert_eq!(legacy.1, "https://dev.azure.com/contoso");
        let own = only("http://tfs.example:8080/tfs/Default%20Collection");
        assert_eq!(own.0, "default collection");
        assert_eq!(own.1, "http://tfs.example:8080/tfs/default%20collection");
        assert_eq!(own.2, own.1, "a collection serves its identities itself");
        let accented = only("https://tfs.example/tfs/Cole%C3%A7%C3%A3o%20(BR)");
        assert_eq!(accented.0, "coleção (br)");
        assert_eq!(accented.1, "https://tfs.example/tfs/cole%C3%A7%C3%A3o%20(br)");
    }

    #[test]
    fn load_server_without_collection_is_a_problem() {
        for url in ["https://server.example/tfs", "https://server.example:8443/TFS/"] {
            let problems = load(&[("AZURE_DEVOPS_ORG_URL", url)]).unwrap_err();
            assert!(
                problems.contains("AZURE_DEVOPS_ORG_URL") && problems.contains("lacks the collection"),
                "{problems}"
            );
        }
        assert!(load(&[("AZURE_DEVOPS_ORG_URL", "https://server.example/Vendas")]).is_ok());
        assert!(load(&[("AZURE_DEVOPS_ORG_URL", "https://server.example/tfs/tfs")]).is_ok());
    }

    #[test]
    fn wrong_values_are_named_and_never_quoted() {
        let cases = [
            (
                &[("AZURE_DEVOPS_ORG_URL", "https://u:hunter2@dev.azure.com/c")][..],
                "AZURE_DEVOPS_ORG_URL",
            ),
            (
                &[("AZURE_DEVOPS_ORG_URL", "https://u:/hunter2@dev.azure.com/c")],
                "AZURE_DEVOPS_ORG_URL",
            ),
            (
                &[("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com/a/b")],
                "AZURE_DEVOPS_ORG_URL",
            ),
            (
                &[("AZURE_DEVOPS_ORG_URL", "ftp://dev.azure.com/a")],
                "AZURE_DEVOPS_ORG_URL",
            ),
            (
                &[("AZURE_DEVOPS_ORG_URL", "https://dev.azure.com")],
                "AZURE_DEVOPS_ORG_URL",
            ),
            (&[("AZURE_DEVOPS_PAT", "hunter2")], "AZURE_DEVOPS_ORG_URL"),
            (
                &[("AZURE_DEVOPS_ORG_PATS", "contoso:hunter2")],
                "AZURE_DEVOPS_ORG_PATS: entry 1",
            ),
            (
                &[("AZURE_DEVOPS_ORG_PATS", "a=b,../x=hunter2")],
                "AZURE_DEVOPS_ORG_PATS: entry 2",
            ),
            (
                &[("AZURE_DEVOPS_ORG_PATS", "a=x,A=hunter2")],
                "AZURE_DEVOPS_ORG_PATS: entry 2",
            ),
        ];
        for (pairs, expected) in cases {
            let problem = load(pairs).unwrap_err();
            assert!(problem.contains(expected), "{pairs:?}: {problem}");
            assert!(!problem.contains("hunter2"), "{problem}");
        }
    }

    #[test]
    fn production_refuses_addresses_in_clear() {
        let production = |name: &'static str, url: &'static str| {
            let problem = load(&[("ENVIRONMENT", "production"), (name, url)]).unwrap_err();
            problem.contains(&format!("{name}: must be https in production"))
        };
        for name in [
            "AZURE_DEVOPS_ORG_URL",
            "AZURE_DEVOPS_BASE_URL",
            "AZURE_DEVOPS_IDENTITY_URL",
        ] {
            assert!(production(name, "http://tfs.example/tfs/contoso"), "{name}");
            for url in ["https://tfs.example/tfs/contoso", "http://127.0.0.1:81/contoso"] {
                assert!(!production(name, url), "{name} {url}");
            }
        }
    }

    /// Returns the decoded path segments of a URL.
    fn segments(url: &Url) -> Vec<String> {
        let decode = |segment: &str| {
            let query = format!("={}", segment.replace('+', "%2B").replace('&', "%26"));
            form_urlencoded::parse(query.as_bytes())
                .next()
                .unwrap()
                .1
                .into_owned()
        };
        url.path_segments()
            .unwrap()
            .filter(|s| !s.is_empty())
            .map(decode)
            .collect()
    }

    proptest! {
        #[test]
        fn organisation_keeps_the_host_of_its_address(
            url in prop_oneof![
                arbitrary::text().prop_map(|rest| format!("https://{rest}")),
                ("https?", "(dev\\.azure\\.com|[a-z0-9.-]{1,9}\\.visualstudio\\.com|tfs\\.example:81|\\[::1\\])",
                    arbitrary::text())
                    .prop_map(|(scheme, host, rest)| format!("{scheme}://{host}/{rest}")),
                ("https://(dev\\.azure\\.com|tfs\\.example/tfs|[a-z]{1,9}\\.visualstudio\\.com)",
                    "/[A-Za-z0-9. -]{1,20}/?")
                    .prop_map(|(base, rest)| base + &rest),
            ],
            production: bool,
        ) {
            let environment = if production { Environment::Production } else { Environment::Development };
            let parsed = parse_url(&url, environment);
            let Ok((api, nome)) = parsed.clone().and_then(|url| split_org_url(&url)) else { return Ok(()) };
            let parsed = parsed.unwrap();
            let host = parsed.host_str().unwrap();
            let legacy = host.ends_with(LEGACY_SUFFIX);
            prop_assert_eq!(api.host_str(), Some(if legacy { SERVICES_HOST } else { host }));
            prop_assert!(legacy || (api.scheme(), api.port()) == (parsed.scheme(), parsed.port()));
            prop_assert!(api.scheme() == "https" || !production || ["[::1]", "localhost"].contains(&host)
                || host.starts_with("127."));
            let above = segments(&api);
            for identity in [None, Url::parse(SERVICES_IDENTITY).ok()] {
                let host = identity.clone().unwrap_or_else(|| api.clone());
                let organizacao = Hosts { api: api.clone(), identity }.organizacao(nome.clone(), None);
                let (base, people) = (organizacao.base_url, organizacao.identity_url);
                prop_assert_eq!((base.host(), base.port(), base.scheme()), (api.host(), api.port(), api.scheme()));
                prop_assert_eq!((people.host(), people.port(), people.scheme()),
                    (host.host(), host.port(), host.scheme()));
                let mut expected = above.clone();
                expected.push(nome.to_string());
                prop_assert_eq!(segments(&base), expected);
                prop_assert_eq!(segments(&people).pop(), Some(nome.to_string()));
                for url in [base, people] {
                    prop_assert_eq!((url.username(), url.password(), url.query(), url.fragment()),
                        ("", None, None, None));
                }
            }
        }

        #[test]
        fn any_name_is_one_segment_below_the_same_host(text in "[A-Za-z0-9]([A-Za-z0-9_. -]{0,62}[A-Za-z0-9])?") {
            let nome = NomeOrganizacao::parse(&text).unwrap();
            for api in ["https://dev.azure.com", "http://tfs.example:8080/tfs"] {
                let api = Url::parse(api).unwrap();
                let hosts = Hosts { api: api.clone(), identity: None };
                let base = hosts.organizacao(nome.clone(), None).base_url;
                prop_assert_eq!((base.host(), base.port()), (api.host(), api.port()));
                prop_assert_eq!(segments(&base).len(), segments(&api).len() + 1);
                prop_assert_eq!(segments(&base).pop(), Some(nome.to_string()));
            }
        }

        #[test]
        fn each_pat_goes_to_the_organisation_that_it_is_written_for(
            pats in prop::collection::btree_map("[a-z0-9]{1,9}", "[!#-&(-+./-:<-{}~-]{1,20}", 1..5),
        ) {
            let text: Vec<String> = pats.iter()
                .map(|(nome, pat)| format!(" {} = {pat}", nome.to_uppercase())).collect();
            let found = load(&[("AZURE_DEVOPS_ORG_PATS", &text.join(","))]).unwrap();
            let expected: Vec<_> = pats.into_iter().map(|(nome, pat)| {
                row(&nome, &format!("https://dev.azure.com/{nome}"), &format!("https://vssps.dev.azure.com/{nome}"),
                    &pat)
            }).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
