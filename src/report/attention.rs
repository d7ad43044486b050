//! What is worth a look before anything else: groups without new parameters, and parameters that
//! the records cannot tell.

use crate::domain::results::GroupResult;
use crate::domain::{GroupOutcome, ParameterStatus, RunResults};

use super::format::count;
use super::markup::Html;
use super::words;

/// Names shown per finding; the table has them all.
const MAX_NAMES: usize = 12;

/// A sentence's end, and the groups that it is about (their positions in the results).
struct Finding {
    text: String,
    groups: Vec<usize>,
}

pub(super) fn write(page: &mut Html, results: &RunResults) {
    page.raw("<section id=\"attention\">\n<h2>Worth a look</h2>\n");
    let findings = findings(&results.results);
    if let Some(preference) = &results.model_preference {
        page.raw("<p>").prose(preference).raw("; the setting is <code>fit.model</code>.</p>\n");
    }
    if findings.is_empty() {
        page.raw(if results.results.is_empty() {
            "<p>There is no group: no record was accepted, or none was read. The window, the \
             selection of regions and the refusals below say why.</p>\n"
        } else {
            "<p>Nothing: every group has parameters of its own, and its records tell each of them.\
             </p>\n"
        });
    } else {
        page.raw("<ul class=\"findings\">\n");
        for finding in &findings {
            write_finding(page, finding, &results.results);
        }
        page.raw("</ul>\n");
    }
    page.raw("</section>\n");
}

fn write_finding(page: &mut Html, finding: &Finding, results: &[GroupResult]) {
    let n = finding.groups.len();
    page.raw("<li>").element("strong", count(n as u64));
    page.raw(if n == 1 { " group " } else { " groups " }).text(&finding.text).raw(": ");
    for (i, &group) in finding.groups.iter().take(MAX_NAMES).enumerate() {
        page.raw(if i > 0 { ", " } else { "" }).raw("<a");
        page.attribute("href", format_args!("#g{group}")).raw(">");
        page.element("bdi", &results[group].group.key).raw("</a>");
    }
    if n > MAX_NAMES {
        page.raw(" and ").text(count((n - MAX_NAMES) as u64)).raw(" more");
    }
    page.raw(".</li>\n");
}

fn findings(results: &[GroupResult]) -> Vec<Finding> {
    let outcomes = [
        (GroupOutcome::Failed, "without parameters"),
        (GroupOutcome::Cancelled, "not done when the run was stopped"),
        (GroupOutcome::CarriedOver, "carried over from the set before"),
        (GroupOutcome::Fallback, "served by a level above, for want of records"),
    ];
    let by_outcome = outcomes.into_iter().map(|(outcome, text)| Finding {
        text: text.to_owned(),
        groups: positions(results, |result| result.group.outcome == outcome),
    });
    let statuses = [
        (ParameterStatus::NotIdentified, "whose records cannot tell the"),
        (ParameterStatus::Imprecise, "with a wide interval of the"),
        (ParameterStatus::AtBound, "on the edge of the permitted range of the"),
    ];
    let names = parameter_names(results);
    let by_status = statuses.into_iter().flat_map(|(status, text)| {
        names.iter().map(move |name| {
            let label =
                words::parameter_label(name).map_or((*name).to_owned(), |l| l.to_lowercase());
            let groups = positions(results, |result| {
                result.parameters.iter().any(|row| row.name == *name && row.status == status)
            });
            Finding { text: format!("{text} {label}"), groups }
        })
    });
    by_outcome.chain(by_status).filter(|finding| !finding.groups.is_empty()).collect()
}

fn positions(results: &[GroupResult], holds: impl Fn(&GroupResult) -> bool) -> Vec<usize> {
    results.iter().enumerate().filter(|(_, result)| holds(result)).map(|(i, _)| i).collect()
}

fn parameter_names(results: &[GroupResult]) -> Vec<&str> {
    let mut names = Vec::new();
    for row in results.iter().flat_map(|result| &result.parameters) {
        if !names.contains(&row.name.as_str()) {
            names.push(&row.name);
        }
    }
    names
}
