//! What is told of published parameters: the report of a run, one HTML file for an analyst with
//! nothing to load and nothing to execute, and predictions.
//!
//! Knows what a run produced, not how, nor where records and parameters are kept. The same input
//! gives the same bytes.

mod attention;
mod format;
mod glossary;
mod groups;
mod headline;
mod markup;
mod plot;
mod plots;
pub mod prediction;
mod refusals;
mod words;

use std::error::Error;

use jiff::Timestamp;

use crate::domain::{GroupKey, RunResults};
pub use crate::fit::summary::DistanceBin;
use markup::Html;

/// What a report is made of.
#[derive(Debug, Clone, Copy)]
pub struct ReportInput<'a> {
    /// Heading, for example the scope's name.
    pub title: &'a str,
    /// What the run produced.
    pub results: &'a RunResults,
    /// Drawings, in the order in which they are wanted; groups may be missing.
    pub plots: &'a [GroupPlot],
    /// When the report is made.
    pub generated_at: Timestamp,
    /// Version of the program that makes it.
    pub code_version: &'a str,
}

/// What is drawn of one group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupPlot {
    /// The group.
    pub key: GroupKey,
    /// Observed quantiles, by ascending distance.
    pub bins: Vec<DistanceBin>,
    /// The fitted median: distance in km, travel time in s, by ascending distance.
    pub curve: Vec<(f64, f64)>,
    /// The median of the set that was current before, in the same form.
    pub previous: Option<Vec<(f64, f64)>>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A plot could not be drawn.
    #[error("cannot draw the plot of group `{group}`")]
    Draw {
        /// The group.
        group: String,
        /// What the drawing library says.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The report as one HTML document in UTF-8. Values that are not finite are shown as unknown or
/// left out of the drawings.
///
/// # Errors
/// [`ReportError::Draw`] where the drawing library fails.
pub fn html(input: &ReportInput<'_>) -> Result<String, ReportError> {
    let columns = groups::Columns::of(input.results);
    let mut page = Html::default();
    page.raw(concat!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
        "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
        "<meta name=\"color-scheme\" content=\"light dark\">\n",
        "<meta http-equiv=\"Content-Security-Policy\" ",
        "content=\"default-src 'none'; style-src 'unsafe-inline'\">\n<title>",
    ));
    page.text(input.title).raw("</title>\n<style>\n").raw(include_str!("style.css"));
    page.raw("</style>\n</head>\n<body>\n");
    headline::write(&mut page, input);
    page.raw("<main>\n");
    attention::write(&mut page, input.results);
    groups::write(&mut page, input, &columns);
    plots::write(&mut page, input)?;
    refusals::write(&mut page, input.results);
    glossary::write(&mut page, &columns);
    page.raw("</main>\n<footer><p>Made by speedfit ").text(input.code_version).raw(" on ");
    page.text(format::moment(input.generated_at)).raw(".</p></footer>\n</body>\n</html>\n");
    Ok(page.finish())
}

#[cfg(test)]
mod tests;
