//! Which rows were refused, and why.

use std::cmp::Reverse;

use crate::domain::{RefusalRow, RunResults};

use super::format::{count, percentage_of};
use super::markup::Html;
use super::words;

/// Rows of the folded table; a source full of unknown regions has many more.
const MAX_ROWS: usize = 500;

pub(super) fn write(page: &mut Html, results: &RunResults) {
    page.raw("<section id=\"refusals\">\n<h2>Refused rows</h2>\n");
    let total: u64 = results.rows.refused.values().sum();
    if total == 0 {
        page.raw("<p>None.</p>\n</section>\n");
        return;
    }
    page.raw("<p class=\"hint\">A row counts under the first check that it fails, from top to ");
    page.raw("bottom.</p>\n");
    by_reason(page, results, total);
    by_region(page, &results.refusals);
    page.raw("</section>\n");
}

fn by_reason(page: &mut Html, results: &RunResults, total: u64) {
    page.raw(concat!(
        "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">Reason</th>",
        "<th scope=\"col\" class=\"num\">Rows</th>",
        "<th scope=\"col\" class=\"num\">% of read</th>",
        "<th scope=\"col\" class=\"num\">% of refused</th></tr></thead>\n<tbody>\n",
    ));
    for (&reason, &n) in results.rows.refused.iter().filter(|(_, n)| **n > 0) {
        page.raw("<tr><th scope=\"row\">").text(words::reason_label(reason)).raw("<small><code>");
        page.text(reason).raw("</code></small></th>");
        numbers(page, &[count(n), percentage_of(n, results.rows.read), percentage_of(n, total)]);
        page.raw("</tr>\n");
    }
    page.raw("</tbody>\n<tfoot><tr><th scope=\"row\">all</th>");
    numbers(page, &[count(total), percentage_of(total, results.rows.read), "100".to_owned()]);
    page.raw("</tr></tfoot>\n</table></div>\n");
}

fn numbers(page: &mut Html, texts: &[String]) {
    for text in texts {
        page.raw("<td class=\"num\">").text(text).raw("</td>");
    }
}

fn by_region(page: &mut Html, refusals: &[RefusalRow]) {
    if refusals.is_empty() {
        return;
    }
    let mut rows: Vec<&RefusalRow> = refusals.iter().collect();
    rows.sort_by(|a, b| {
        (Reverse(a.count), &a.region, a.reason).cmp(&(Reverse(b.count), &b.region, b.reason))
    });
    page.raw("<details><summary>By region, with examples</summary>\n");
    page.raw(concat!(
        "<div class=\"scroll\" tabindex=\"0\"><table>\n<thead><tr><th scope=\"col\">Region</th>",
        "<th scope=\"col\">Reason</th><th scope=\"col\" class=\"num\">Rows</th>",
        "<th scope=\"col\">Examples</th></tr></thead>\n<tbody>\n",
    ));
    for row in rows.iter().take(MAX_ROWS) {
        page.raw("<tr><th scope=\"row\">");
        if row.region.trim().is_empty() {
            page.raw("<em>no region</em>");
        } else {
            page.element("bdi", &row.region);
        }
        page.raw("</th><td>").text(words::reason_label(row.reason)).raw("</td>");
        numbers(page, &[count(row.count)]);
        page.raw("<td class=\"examples\">");
        for (i, example) in row.examples.iter().enumerate() {
            page.raw(if i > 0 { ", " } else { "" }).element("code", example);
        }
        page.raw("</td></tr>\n");
    }
    page.raw("</tbody>\n</table></div>\n");
    if rows.len() > MAX_ROWS {
        page.raw("<p class=\"hint\">The ").text(count(MAX_ROWS as u64)).raw(" largest of ");
        page.text(count(rows.len() as u64)).raw("; the ledger has them all.</p>\n");
    }
    page.raw("</details>\n");
}
