//! The table of groups: estimates with their intervals, quality, outcome.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::results::GroupResult;
use crate::domain::{GroupKey, GroupOutcome, ParameterRow, ParameterStatus, RunResults, Verdict};

use super::ReportInput;
use super::format::{UNKNOWN, count, interval, number, optional, percentage};
use super::markup::Html;
use super::words;

/// The parameters of all groups, one column each, in the order in which they are first met.
pub(super) struct Columns<'a> {
    /// Name and unit.
    pub(super) parameters: Vec<(&'a str, &'a str)>,
}

impl<'a> Columns<'a> {
    pub(super) fn of(results: &'a RunResults) -> Self {
        let mut seen = BTreeSet::new();
        let rows = results.results.iter().flat_map(|result| &result.parameters);
        let new = rows.filter(|row| seen.insert(row.name.as_str()));
        Self { parameters: new.map(|row| (row.name.as_str(), row.unit.as_str())).collect() }
    }
}

pub(super) fn write(page: &mut Html, input: &ReportInput<'_>, columns: &Columns<'_>) {
    let results = &input.results.results;
    if results.is_empty() {
        return;
    }
    let plots: BTreeMap<&GroupKey, usize> =
        input.plots.iter().enumerate().map(|(i, plot)| (&plot.key, i)).collect();
    page.raw("<section id=\"groups\">\n<h2>Groups</h2>\n");
    page.raw("<p class=\"hint\">Each estimate stands above its 95 % interval; ");
    page.raw("≥ and ≤ stand for one that the records leave open to one side. ");
    page.raw("A name leads to its plot.</p>\n<div class=\"scroll\" tabindex=\"0\">\n");
    page.raw("<table class=\"groups\">\n");
    head(page, columns);
    page.raw("<tbody>\n");
    for (i, result) in results.iter().enumerate() {
        row(page, i, result, columns, plots.get(&result.group.key).copied());
    }
    page.raw("</tbody>\n</table>\n</div>\n</section>\n");
}

fn head(page: &mut Html, columns: &Columns<'_>) {
    page.raw("<thead><tr><th scope=\"col\">Group</th>");
    for &(name, unit) in &columns.parameters {
        page.raw("<th scope=\"col\" class=\"num\"").attribute("title", name).raw(">");
        page.text(words::parameter_label(name).unwrap_or(name.into()));
        page.raw("<small>").text(if unit.is_empty() { "pure number" } else { unit });
        page.raw("</small></th>");
    }
    page.raw(concat!(
        "<th scope=\"col\" class=\"num\">Records<small>used</small></th>",
        "<th scope=\"col\" class=\"num\">Mean error<small>s</small></th>",
        "<th scope=\"col\" class=\"num\">Median error<small>%</small></th>",
        "<th scope=\"col\" class=\"num\">Under P90<small>%</small></th>",
        "<th scope=\"col\">Outcome</th></tr></thead>\n",
    ));
}

fn row(
    page: &mut Html,
    position: usize,
    result: &GroupResult,
    columns: &Columns<'_>,
    plot: Option<usize>,
) {
    let group = &result.group;
    let notes = notes(result);
    page.raw("<tr").attribute("id", format_args!("g{position}"));
    page.raw(if notes.is_empty() { "" } else { " class=\"noted\"" }).raw("><th scope=\"row\">");
    name(page, &group.key, plot);
    page.raw("</th>");
    for &(name, _) in &columns.parameters {
        estimate(page, result.parameters.iter().find(|row| row.name == name));
    }
    let cell = |page: &mut Html, text: String| {
        page.raw("<td class=\"num\">").text(text).raw("</td>");
    };
    cell(page, count(group.n_used));
    cell(page, optional(group.mae_s));
    let share = |share: Option<f64>| share.map_or_else(|| UNKNOWN.to_owned(), percentage);
    cell(page, share(group.median_ape));
    cell(page, share(group.share_under_p90));
    page.raw("<td>");
    badge(page, result);
    page.raw("</td></tr>\n");
    if !notes.is_empty() {
        page.raw("<tr class=\"note\"><td")
            .attribute("colspan", columns.parameters.len() + N_OTHERS);
        page.raw("><div>").prose(notes.join(" · ")).raw("</div></td></tr>\n");
    }
}

/// Columns beside those of the parameters.
const N_OTHERS: usize = 6;

fn name(page: &mut Html, key: &GroupKey, plot: Option<usize>) {
    if let Some(plot) = plot {
        page.raw("<a").attribute("href", format_args!("#p{plot}")).raw(">");
        page.element("bdi", &key.region).raw("</a>");
    } else {
        page.element("bdi", &key.region);
    }
    let parts = [&key.band, &key.priority];
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        page.raw("<small>").element("bdi", part).raw("</small>");
    }
}

fn estimate(page: &mut Html, row: Option<&ParameterRow>) {
    let Some(row) = row else {
        page.raw("<td class=\"num none\">").text(UNKNOWN).raw("</td>");
        return;
    };
    let unsure = matches!(
        row.status,
        ParameterStatus::NotIdentified | ParameterStatus::Imprecise | ParameterStatus::AtBound
    );
    page.raw(if unsure { "<td class=\"num unsure\">" } else { "<td class=\"num\">" });
    page.text(number(row.estimate)).raw("<small>");
    let interval = interval(row.ci_low, row.ci_high);
    page.text(interval.as_deref().unwrap_or(UNKNOWN));
    if let Some(label) = words::status_label(row.status) {
        page.raw(if interval.is_some() { "<br>" } else { " " }).raw("<span class=\"mark\"");
        page.attribute("title", words::status_meaning(row.status)).raw(">").text(label);
        page.raw("</span>");
    }
    page.raw("</small></td>");
}

/// What there is to say of a group, on a line of its own below it.
fn notes(result: &GroupResult) -> Vec<&str> {
    let group = &result.group;
    let is_fallback = group.outcome == GroupOutcome::Fallback;
    let source = words::source_label(group.source_level).filter(|_| is_fallback);
    let is_kept = group.verdict == Verdict::Keep && group.outcome != GroupOutcome::CarriedOver;
    let advised = is_kept.then_some("the judge advised against it");
    let message = Some(group.message.as_str()).filter(|message| !message.is_empty());
    [source, advised, message].into_iter().flatten().collect()
}

/// A group's outcome as a coloured word.
pub(super) fn badge(page: &mut Html, result: &GroupResult) {
    let outcome = result.group.outcome;
    page.raw("<span").attribute("class", format_args!("badge {outcome}"));
    page.attribute("title", words::outcome_meaning(outcome)).raw(">");
    page.text(words::outcome_label(outcome)).raw("</span>");
}
