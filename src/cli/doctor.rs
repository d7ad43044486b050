//! `speedfit doctor`: what keeps a run from working, and what to do about it. Changes nothing.

use clap::Args;
use serde::Serialize;
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::doctor_findings::{of_mistake, of_sample, of_settings};
use super::exit::Exit;
use super::printable::printable;
use super::signals::stop_token;
use super::table::wrapped;
use crate::bootstrap::{self, Ask, WorldError};
use crate::config::Loaded;
use crate::domain::{RefusalRow, Trigger};
use crate::job::{Sampled, sample};
use crate::ports::{Finding, Grade, PortError};

/// Examine the settings, the source and the store, and a sample of the records; change nothing.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Records of the sample; 0 takes none.
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(0..=10_000_000))]
    records: u64,
}

/// What is looked at, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Part {
    Settings,
    Source,
    Store,
    Sample,
}

impl Part {
    fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Source => "source",
            Self::Store => "store",
            Self::Sample => "sample",
        }
    }

    /// How the command ends where this is the first part with a failure.
    fn exit(self) -> Exit {
        match self {
            Self::Settings => Exit::Settings,
            Self::Source | Self::Sample => Exit::SourceUnavailable,
            Self::Store => Exit::StoreUnavailable,
        }
    }
}

#[derive(Serialize)]
struct Row<'a> {
    part: Part,
    check: &'a str,
    grade: &'static str,
    text: &'a str,
    remedy: Option<&'a str>,
}

#[derive(Serialize)]
struct Taken<'a> {
    read: u64,
    used: u64,
    groups: usize,
    is_all: bool,
    refusals: &'a [RefusalRow],
}

#[derive(Serialize)]
struct Document<'a> {
    exit_code: u8,
    findings: Vec<Row<'a>>,
    sample: Option<Taken<'a>>,
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let cancel = stop_token()?;
    let mut visit = Visit { context, parts: Vec::new(), sampled: None };
    match context.load(Vec::new()) {
        Ok(loaded) => visit.world(&loaded, options.records, &cancel).await?,
        Err(error) => visit.note(Part::Settings, of_mistake(&error))?,
    }
    let exit = exit(&visit.parts);
    if context.json() {
        context.print_json(&visit.document(exit))?;
    } else {
        context.print(&visit.verdict())?;
    }
    Ok(exit)
}

/// One visit, and what was found so far.
struct Visit<'a> {
    context: &'a Context,
    parts: Vec<(Part, Vec<Finding>)>,
    sampled: Option<Sampled>,
}

impl Visit<'_> {
    async fn world(
        &mut self,
        loaded: &Loaded,
        max_records: u64,
        cancel: &CancellationToken,
    ) -> anyhow::Result<()> {
        let telling = bootstrap::examine_telling(loaded);
        self.note(Part::Settings, [of_settings(loaded), telling].concat())?;
        let source = stopped_by(cancel, bootstrap::examine_source(loaded)).await?;
        let can_sample =
            bootstrap::can_sample(loaded) && source.as_ref().is_ok_and(|found| is_sound(found));
        self.note(Part::Source, unless_unset(source))?;
        let store = stopped_by(cancel, bootstrap::examine_store(loaded)).await?;
        self.note(Part::Store, unless_unset(store))?;
        if can_sample && max_records > 0 {
            let findings = self.sample(loaded, max_records, cancel).await?;
            self.note(Part::Sample, findings)?;
        }
        Ok(())
    }

    async fn sample(
        &mut self,
        loaded: &Loaded,
        max_records: u64,
        cancel: &CancellationToken,
    ) -> anyhow::Result<Vec<Finding>> {
        let ask = Ask { dry_run: true, ..Ask::new(Trigger::Operator, self.context.user()) };
        let plan = bootstrap::plan(loaded, ask, bootstrap::clock().now())?;
        let source = match bootstrap::source(loaded).await {
            Ok(source) => source,
            Err(WorldError::Source(error) | WorldError::Store(error)) => {
                return Ok(vec![Finding::failed("records", &error)]);
            }
            Err(WorldError::Settings(error)) => return Ok(of_mistake(&error)),
        };
        Ok(match sample(&plan, &source, max_records, cancel).await {
            Ok(sampled) => of_sample(self.sampled.insert(sampled)),
            Err(error) if cancel.is_cancelled() => return Err(error.into()),
            Err(error) => vec![Finding::failed("records", &error)],
        })
    }

    /// Keeps what was found of a part; a person sees it at once.
    fn note(&mut self, part: Part, findings: Vec<Finding>) -> anyhow::Result<()> {
        if !self.context.json() {
            self.context.print(&text(part, &findings, self.context.width()))?;
        }
        self.parts.push((part, findings));
        Ok(())
    }

    fn verdict(&self) -> String {
        let n_of = |grade: Grade| {
            let findings = self.parts.iter().flat_map(|(_, findings)| findings);
            findings.filter(|finding| finding.grade == grade).count()
        };
        let plural = |n: usize, word: &str| format!("{n} {word}{}", if n == 1 { "" } else { "s" });
        let (failures, warnings) = (n_of(Grade::Failure), n_of(Grade::Warning));
        format!("\n{}, {}\n", plural(failures, "failure"), plural(warnings, "warning"))
    }

    fn document(&self, exit: Exit) -> Document<'_> {
        let rows = self.parts.iter().flat_map(|(part, findings)| {
            findings.iter().map(|finding| Row {
                part: *part,
                check: &finding.check,
                grade: shown(finding.grade),
                text: &finding.text,
                remedy: finding.remedy.as_deref(),
            })
        });
        let sample = self.sampled.as_ref().map(|sampled| Taken {
            read: sampled.n_read,
            used: sampled.n_used,
            groups: sampled.n_groups,
            is_all: sampled.is_all,
            refusals: &sampled.refusals,
        });
        Document { exit_code: exit.code(), findings: rows.collect(), sample }
    }
}

/// How the command ends: as the first part with a failure says.
fn exit(parts: &[(Part, Vec<Finding>)]) -> Exit {
    let first = parts.iter().find(|(_, findings)| !is_sound(findings));
    first.map_or(Exit::Done, |(part, _)| part.exit())
}

/// Whether runs work in spite of it.
fn is_sound(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.grade < Grade::Failure)
}

async fn stopped_by<T>(
    cancel: &CancellationToken,
    work: impl Future<Output = T>,
) -> Result<T, PortError> {
    tokio::select! {
        biased;
        () = cancel.cancelled() => Err(PortError::cancelled()),
        outcome = work => Ok(outcome),
    }
}

/// Without its secret a half is not looked at; the settings' own findings say so already.
fn unless_unset(found: Result<Vec<Finding>, WorldError>) -> Vec<Finding> {
    found.unwrap_or_else(|_| {
        vec![Finding::new("secret", Grade::Note, "not checked without its secret")]
    })
}

fn shown(grade: Grade) -> &'static str {
    match grade {
        Grade::Good => "ok",
        Grade::Note => "note",
        Grade::Warning => "warning",
        Grade::Failure => "failure",
    }
}

/// The findings of a part, a line each; on a terminal broken to fit it.
fn text(part: Part, findings: &[Finding], width: Option<u16>) -> String {
    let mut text = format!("{}\n", part.as_str());
    let longest = findings.iter().map(|finding| finding.check.chars().count()).max().unwrap_or(0);
    for Finding { check, grade, text: found, remedy } in findings {
        let head = format!("  {:<7}  {check:<longest$}  ", shown(*grade));
        let indent = head.chars().count();
        let width = width.unwrap_or(u16::MAX);
        let lines = wrapped(&printable(found), indent, width);
        text.push_str(&head);
        text.push_str(lines.trim_start());
        if let Some(remedy) = remedy {
            text.push_str(&wrapped(&format!("remedy: {}", printable(remedy)), indent, width));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn findings_fit_a_terminal_of_80_columns() {
        let findings = [
            Finding::new("files", Grade::Good, "`config/production.toml`"),
            Finding::new(
                "permissions",
                Grade::Failure,
                "the login `reader` may not SELECT from `dbo.incident`: the SELECT permission was \
                 denied on the object (error 229)",
            )
            .with_remedy("grant what `scripts/grants.sql` lists; then run `speedfit doctor` again"),
        ];
        insta::assert_snapshot!(text(Part::Source, &findings, Some(80)), @r"
        source
          ok       files        `config/production.toml`
          failure  permissions  the login `reader` may not SELECT from `dbo.incident`:
                                the SELECT permission was denied on the object (error
                                229)
                                remedy: grant what `scripts/grants.sql` lists; then run
                                `speedfit doctor` again
        ");
        let piped = text(Part::Source, &findings, None);
        assert_eq!(piped.lines().count(), 4, "{piped}");
    }

    #[test]
    fn the_first_part_that_fails_gives_the_code() {
        let failed = || vec![Finding::new("x", Grade::Failure, "x")];
        let check = |parts: &[Part], expected: Exit| {
            let parts: Vec<_> = parts.iter().map(|part| (*part, failed())).collect();
            assert_eq!(exit(&parts), expected);
        };
        check(&[], Exit::Done);
        check(&[Part::Store, Part::Sample], Exit::StoreUnavailable);
        check(&[Part::Sample], Exit::SourceUnavailable);
        check(&[Part::Settings, Part::Source], Exit::Settings);
    }
}
