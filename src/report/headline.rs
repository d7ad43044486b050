//! The head of the report: how the run ended, what it was asked for, what it counted.

use crate::domain::{GroupOutcome, RunResults, RunRow, Window};

use super::ReportInput;
use super::format::{UNKNOWN, bound, count, duration_ms, moment, percentage_of};
use super::markup::Html;
use super::words;

pub(super) fn write(page: &mut Html, input: &ReportInput<'_>) {
    let run = input.results.run.as_ref();
    page.raw("<header>\n<p class=\"eyebrow\">Travel-speed parameters");
    if let Some(run) = run {
        page.raw(" · run ").text(run.id);
    }
    page.raw("</p>\n").element("h1", input.title).raw("\n");
    status(page, run);
    facts(page, input.results);
    page.raw("<div class=\"tiles\">\n");
    rows_tile(page, input.results);
    groups_tile(page, input.results);
    page.raw("</div>\n</header>\n");
}

fn status(page: &mut Html, run: Option<&RunRow>) {
    let name = run.map_or("unrecorded", |run| run.status.as_str());
    page.raw("<p").attribute("class", format_args!("status {name}")).raw(">");
    page.element("strong", if run.is_some() { name } else { "not recorded" }).raw(" ");
    page.text(words::run_sentence(run.map(|run| run.status))).raw("</p>\n");
    if let Some(outcome) = run.map(RunRow::outcome).filter(|text| !text.is_empty()) {
        page.raw("<p class=\"message\">").prose(outcome).raw("</p>\n");
    }
    if let Some(remedy) = run.and_then(RunRow::remedy) {
        page.raw("<p class=\"message\">To mend it: ").prose(remedy).raw(".</p>\n");
    }
}

fn facts(page: &mut Html, results: &RunResults) {
    page.raw("<dl class=\"facts\">\n");
    if let Some(run) = &results.run {
        let request = &run.request;
        fact(page, "Scope", &request.scope);
        fact(page, "Window", &window_text(request.window));
        fact(page, "Model", &request.model);
        fact(page, "Asked by", &format!("{} ({})", request.requested_by, request.trigger));
        if !request.reason.is_empty() {
            fact(page, "Reason", &request.reason);
        }
        fact(page, "Started", &run.started_at.map_or_else(|| UNKNOWN.to_owned(), moment));
        fact(page, "Finished", &run.finished_at.map_or_else(|| UNKNOWN.to_owned(), moment));
        if let Some(code) = run.exit_code {
            fact(page, "Exit code", &code.to_string());
        }
        fact(page, "Fitted by", &format!("speedfit {}", request.code_version));
    } else if let Some(first) = results.results.first() {
        fact(page, "Model", &first.group.model);
    }
    if !results.timing_ms.is_empty() {
        fact(page, "Took", &timing_text(results));
    }
    if !results.settings_hash.is_empty() {
        let short: String = results.settings_hash.chars().take(12).collect();
        page.raw("<div><dt>Settings</dt><dd><code").attribute("title", &results.settings_hash);
        page.raw(">").text(short).raw("</code></dd></div>\n");
    }
    page.raw("</dl>\n");
}

fn fact(page: &mut Html, name: &'static str, value: &str) {
    page.raw("<div>").element("dt", name).element("dd", value).raw("</div>\n");
}

/// The half-open window; `up to` leaves its end outside.
fn window_text(window: Window) -> String {
    match (window.from.map(bound), window.to.map(bound)) {
        (None, None) => "all time".to_owned(),
        (Some(from), None) => format!("from {from} UTC"),
        (None, Some(to)) => format!("before {to} UTC"),
        (Some(from), Some(to)) => format!("{from} up to {to} UTC"),
    }
}

/// The total, then the phases in the order of a run.
fn timing_text(results: &RunResults) -> String {
    let phase = |name: &str| results.timing_ms.get(name).map(|&ms| duration_ms(ms));
    let phases: Vec<String> = ["read", "fit", "judge", "publish"]
        .into_iter()
        .filter_map(|name| phase(name).map(|span| format!("{name} {span}")))
        .collect();
    match (phase("total"), phases.is_empty()) {
        (Some(total), true) => total,
        (Some(total), false) => format!("{total} ({})", phases.join(", ")),
        (None, _) => phases.join(", "),
    }
}

fn rows_tile(page: &mut Html, results: &RunResults) {
    let rows = &results.rows;
    let refused: u64 = rows.refused.values().sum();
    page.raw("<section class=\"tile\"><h2>Rows</h2><p class=\"big\">").text(count(rows.used));
    page.raw(" <small>used of ").text(count(rows.read)).raw(" read</small></p>\n");
    bar(page, &[("used", rows.used), ("refused", refused)]);
    page.raw("<p class=\"legend\"><span class=\"key used\">used ").text(count(rows.used));
    page.raw("</span> <span class=\"key refused\">refused ").text(count(refused));
    page.raw(" (").text(percentage_of(refused, rows.read)).raw(" %)</span></p></section>\n");
}

fn groups_tile(page: &mut Html, results: &RunResults) {
    let total: u64 = results.groups.values().sum();
    let parts: Vec<(&str, u64)> = GroupOutcome::ALL
        .iter()
        .filter_map(|outcome| Some((outcome.as_str(), *results.groups.get(outcome)?)))
        .filter(|&(_, n)| n > 0)
        .collect();
    page.raw("<section class=\"tile\"><h2>Groups</h2><p class=\"big\">").text(count(total));
    page.raw(" <small>by outcome</small></p>\n");
    bar(page, &parts);
    page.raw("<p class=\"legend\">");
    for &outcome in GroupOutcome::ALL {
        if let Some(&n) = results.groups.get(&outcome).filter(|&&n| n > 0) {
            page.raw("<span").attribute("class", format_args!("key {outcome}"));
            page.attribute("title", words::outcome_meaning(outcome)).raw(">");
            page.text(words::outcome_label(outcome)).raw(" ").text(count(n)).raw("</span> ");
        }
    }
    page.raw("</p></section>\n");
}

/// A bar of parts, each as long as its share; the legend beside it says the same in numbers.
fn bar(page: &mut Html, parts: &[(&str, u64)]) {
    page.raw("<div class=\"bar\" aria-hidden=\"true\">");
    for (class, n) in parts.iter().filter(|(_, n)| *n > 0) {
        page.raw("<i").attribute("class", class).attribute("style", format_args!("flex-grow:{n}"));
        page.raw("></i>");
    }
    page.raw("</div>\n");
}
