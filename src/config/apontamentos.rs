//! Rules of time entries and of their write-back to Azure DevOps.

use std::collections::BTreeMap;
use std::time::Duration;

use chrono_tz::Tz;

use super::env::{Reader, no_blank};
use crate::models::duracao::Duracao;
use crate::models::organizacao::NomeOrganizacao;
use crate::models::outbox::Mode;

const MODES_EXAMPLE: &str = "fabrikam=absolute,tailspin=off";
/// Maximum length of the name of a work item type, in bytes; Azure DevOps allows 128 characters.
const LONGEST_TYPE: usize = 512;
/// Default age of the oldest day: two years, one of them a leap year.
const USUAL_AGE: u32 = 731;
/// Maximum of that age: the days of the years 1 to 9999, which is no bound.
const LONGEST_AGE: u32 = 3_652_059;
/// Default time that a request waits for Azure DevOps after its entry is stored, unless half of the request
/// timeout is shorter.
const USUAL_BUDGET: Duration = Duration::from_millis(1_500);
/// Maximum of that waiting time, in seconds.
const LONGEST_BUDGET: f64 = 20.0;

/// Rules of time entries.
#[derive(Debug, Clone)]
pub struct ApontamentosConfig {
    /// Time zone of "today" and "this week".
    pub timezone: Tz,
    /// Maximum number of minutes per person and day in an organisation.
    pub max_minutes_per_day: u16,
    /// Age in days of the oldest day on which hours may be logged.
    pub max_age_days: u32,
    /// `true` if hours may be logged on future days.
    pub allow_future: bool,
    /// `true` if members may edit text and activity of their entries on closed work items.
    pub text_on_closed: bool,
    /// Types of work items on which hours may be logged.
    pub work_item_types: Vec<String>,
    /// Handling of an entry whose work item cannot be read.
    pub when_upstream_down: WhenUpstreamDown,
    /// Write-back of hours to Azure DevOps.
    pub outbox: WriteBackConfig,
}

/// Handling of an entry whose work item cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhenUpstreamDown {
    /// The entry is refused with the status of the upstream error; nothing is stored.
    Refuse,
    /// The entry is stored without the check.
    Accept,
}

/// Write-back of hours to Azure DevOps.
#[derive(Debug, Clone)]
pub struct WriteBackConfig {
    /// Mode of organisations without an entry in `modes`.
    pub mode: Mode,
    /// Mode by organisation.
    pub modes: BTreeMap<NomeOrganizacao, Mode>,
    /// Maximum time that a request waits for the write-back; afterwards the worker continues.
    pub budget: Duration,
    /// Time after which a write-back that never succeeded counts as failed.
    pub give_up: Duration,
}

impl WriteBackConfig {
    /// Returns the mode of this organisation.
    #[must_use]
    pub fn mode_of(&self, nome: &NomeOrganizacao) -> Mode {
        self.mode_of_any(std::iter::once(nome))
    }

    /// Returns the mode of an organisation with these present and former names; the first configured name
    /// counts.
    #[must_use]
    pub fn mode_of_any<'a>(&self, mut nomes: impl Iterator<Item = &'a NomeOrganizacao>) -> Mode {
        let configured = nomes.find_map(|nome| self.modes.get(nome));
        configured.copied().unwrap_or(self.mode)
    }
}

impl ApontamentosConfig {
    pub(super) fn read(reader: &mut Reader<'_>, request_timeout: Duration) -> Self {
        Self {
            timezone: reader.parse(
                "APP_TIMEZONE",
                Tz::America__Fortaleza,
                "America/Fortaleza",
                |text| {
                    text.parse()
                        .map_err(|_| "is not a time zone of the IANA database".to_owned())
                },
            ),
            max_minutes_per_day: reader.number("MAX_MINUTES_PER_DAY", Duracao::MAX, 1, Duracao::MAX),
            max_age_days: reader.number("ENTRY_MAX_AGE_DAYS", USUAL_AGE, 1, LONGEST_AGE),
            allow_future: reader.boolean("ALLOW_FUTURE_ENTRIES", false),
            text_on_closed: reader.boolean("EDIT_TEXT_ON_CLOSED", true),
            work_item_types: reader.list(
                "WORK_ITEM_TYPES",
                ["Task", "Bug"].map(str::to_owned).into(),
                "Task,Bug",
                |text| match text.len() {
                    ..=LONGEST_TYPE => Ok(text.to_owned()),
                    _ => Err(format!("has an entry of more than {LONGEST_TYPE} bytes")),
                },
            ),
            when_upstream_down: reader.parse(
                "ENTRY_WHEN_UPSTREAM_DOWN",
                WhenUpstreamDown::Refuse,
                "accept",
                |text| match text.to_ascii_lowercase().as_str() {
                    "refuse" => Ok(WhenUpstreamDown::Refuse),
                    "accept" => Ok(WhenUpstreamDown::Accept),
                    _ => Err("is neither refuse nor accept".to_owned()),
                },
            ),
            outbox: WriteBackConfig::read(reader, request_timeout),
        }
    }
}

impl WriteBackConfig {
    fn read(reader: &mut Reader<'_>, request_timeout: Duration) -> Self {
        let modes = reader.list("WRITEBACK_ORG_MODES", Vec::new(), MODES_EXAMPLE, |part| {
            let (nome, mode) = part.split_once('=').ok_or("is not name=mode")?;
            let nome = NomeOrganizacao::parse(nome).map_err(str::to_owned)?;
            no_blank(mode.trim())?;
            Ok((nome, parse_mode(mode)?))
        });
        Self {
            mode: reader.parse("WRITEBACK_MODE", Mode::Delta, "delta", parse_mode),
            modes: modes.into_iter().collect(),
            budget: reader.parse(
                "WRITEBACK_BUDGET",
                USUAL_BUDGET.min(request_timeout / 2),
                "1.5",
                |text| {
                    let seconds = text
                        .parse::<f64>()
                        .ok()
                        .filter(|s| (0.0..=LONGEST_BUDGET).contains(s));
                    let seconds = seconds
                        .ok_or_else(|| format!("is not a number of seconds from 0 to {LONGEST_BUDGET}"))?;
                    Ok(Duration::from_secs_f64(seconds))
                },
            ),
            give_up: Duration::from_hours(reader.number("WRITEBACK_GIVE_UP_HOURS", 72, 1, 8_760)),
        }
    }
}

fn parse_mode(text: &str) -> Result<Mode, String> {
    match text.trim().to_ascii_lowercase().as_str() {
        "delta" => Ok(Mode::Delta),
        "absolute" => Ok(Mode::Absolute),
        "off" => Ok(Mode::Off),
        _ => Err("is none of delta, absolute, off".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::Env;
    use super::*;

    fn read(pairs: &[(&str, &str)]) -> Result<ApontamentosConfig, super::super::Problems> {
        let env = Env::from_pairs(pairs.iter().copied());
        let mut reader = Reader::new(&env);
        let config = ApontamentosConfig::read(&mut reader, Duration::from_secs(30));
        reader.finish(config)
    }

    #[test]
    fn defaults_match_documentation() {
        let config = read(&[]).unwrap();
        assert_eq!(config.timezone, Tz::America__Fortaleza);
        assert_eq!(config.max_minutes_per_day, 1_440);
        assert_eq!(config.max_age_days, 731);
        assert!(!config.allow_future);
        assert_eq!(config.work_item_types, ["Task", "Bug"]);
        assert_eq!(config.when_upstream_down, WhenUpstreamDown::Refuse);
        assert_eq!(config.outbox.budget, Duration::from_millis(1_500));
        assert_eq!(config.outbox.mode, Mode::Delta);
    }

    #[test]
    fn each_organisation_may_have_a_mode_of_its_own() {
        let config = read(&[
            ("WRITEBACK_MODE", "off"),
            ("WRITEBACK_ORG_MODES", "Contoso=absolute"),
        ])
        .unwrap();
        let mode = |nome| config.outbox.mode_of(&NomeOrganizacao::parse(nome).unwrap());
        assert_eq!((mode("contoso"), mode("fabrikam")), (Mode::Absolute, Mode::Off));
    }

    #[test]
    fn invalid_value_names_its_variable() {
        let problems = read(&[
            ("APP_TIMEZONE", "Ceará"),
            ("MAX_MINUTES_PER_DAY", "1441"),
            ("ENTRY_MAX_AGE_DAYS", "0"),
            ("ENTRY_WHEN_UPSTREAM_DOWN", "maybe"),
            ("WRITEBACK_ORG_MODES", "contoso"),
            ("WRITEBACK_MODE", "both"),
            ("WRITEBACK_BUDGET", "NaN"),
            ("WRITEBACK_GIVE_UP_HOURS", "0"),
        ])
        .unwrap_err();
        assert_eq!(
            problems.variables(),
            [
                "APP_TIMEZONE",
                "MAX_MINUTES_PER_DAY",
                "ENTRY_MAX_AGE_DAYS",
                "ENTRY_WHEN_UPSTREAM_DOWN",
                "WRITEBACK_ORG_MODES",
                "WRITEBACK_MODE",
                "WRITEBACK_BUDGET",
                "WRITEBACK_GIVE_UP_HOURS"
            ]
        );
    }
}
