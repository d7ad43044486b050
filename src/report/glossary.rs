//! The folded explanation at the end, for a reader who meets such a report for the first time.

use crate::domain::{GroupOutcome, ParameterStatus};

use super::groups::Columns;
use super::markup::Html;
use super::words;

pub(super) fn write(page: &mut Html, columns: &Columns<'_>) {
    page.raw("<section id=\"glossary\"><details><summary>How to read this report</summary>\n");
    if !columns.parameters.is_empty() {
        page.raw("<h3>Parameters</h3>\n<dl>\n");
        for &(name, _) in &columns.parameters {
            page.raw("<dt>").text(&words::parameter_label(name).unwrap_or(name.into())).raw(" ");
            page.element("code", name).raw("</dt><dd>");
            page.text(words::parameter_meaning(name).unwrap_or("see the model's settings"));
            page.raw("</dd>\n");
        }
        page.raw("</dl>\n");
    }
    page.raw(concat!(
        "<h3>Quality</h3>\n<dl>\n",
        "<dt>95 % interval</dt><dd>were the fit repeated on like records, 95 of 100 such ",
        "intervals would hold the true value</dd>\n",
        "<dt>Mean error</dt><dd>how far single trips lie from the fitted median, on average, ",
        "in seconds</dd>\n",
        "<dt>Median error</dt><dd>half of the trips lie closer to the fitted median than this ",
        "share of their own time</dd>\n",
        "<dt>Under P90</dt><dd>share of trips at or under the predicted 90th percentile; ",
        "90 is right</dd>\n</dl>\n",
    ));
    page.raw("<h3>Outcomes</h3>\n<dl>\n");
    for &outcome in GroupOutcome::ALL {
        page.element("dt", words::outcome_label(outcome));
        page.element("dd", words::outcome_meaning(outcome)).raw("\n");
    }
    page.raw("</dl>\n<h3>Marks on estimates</h3>\n<dl>\n");
    for &status in ParameterStatus::ALL {
        if let Some(label) = words::status_label(status) {
            page.element("dt", label).element("dd", words::status_meaning(status)).raw("\n");
        }
    }
    page.raw("</dl>\n</details></section>\n");
}
