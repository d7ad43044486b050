//! The section of plots: the first of them open, the rest folded, so that a long report stays
//! quick to read.

use std::collections::BTreeMap;

use crate::domain::results::GroupResult;
use crate::domain::{GroupKey, ParameterStatus};

use super::format::{count, number, optional};
use super::markup::Html;
use super::{GroupPlot, ReportError, ReportInput, groups, plot};

/// Plots shown at once; the rest is folded by as many.
const PLOTS_PER_SHEET: usize = 24;

pub(super) fn write(page: &mut Html, input: &ReportInput<'_>) -> Result<(), ReportError> {
    if input.plots.is_empty() {
        return Ok(());
    }
    let results: BTreeMap<&GroupKey, (usize, &GroupResult)> =
        input.results.results.iter().enumerate().map(|(i, r)| (&r.group.key, (i, r))).collect();
    page.raw("<section id=\"plots\">\n<h2>Plots</h2>\n");
    let any = |holds: fn(&GroupPlot) -> bool| input.plots.iter().any(holds);
    legend(page, any(|plot| !plot.bins.is_empty()), any(|plot| plot.previous.is_some()));
    for (sheet, plots) in input.plots.chunks(PLOTS_PER_SHEET).enumerate() {
        let first = sheet * PLOTS_PER_SHEET;
        if sheet > 0 {
            fold(page, first, plots);
        }
        page.raw("<div class=\"sheet\">\n");
        for (i, plot) in plots.iter().enumerate() {
            figure(page, first + i, plot, results.get(&plot.key).copied())?;
        }
        page.raw(if sheet > 0 { "</div></details>\n" } else { "</div>\n" });
    }
    page.raw("</section>\n");
    Ok(())
}

fn legend(page: &mut Html, with_observed: bool, with_previous: bool) {
    page.raw("<p class=\"legend\">");
    if with_observed {
        page.raw(concat!(
            "<span class=\"key observed\">observed median of trips of about that ",
            "distance; the line spans 80 % of them (10th to 90th percentile)</span> ",
        ));
    }
    page.raw("<span class=\"key curve\">fitted median</span>");
    if with_previous {
        page.raw(" <span class=\"key previous\">the set that was current before</span>");
    }
    page.raw("</p>\n<p class=\"hint\">Each plot has its own axes.");
    if !with_observed {
        page.raw(concat!(
            " The curves are those of the published parameters; the records behind them are not ",
            "kept, so that no observed times stand beside them.",
        ));
    }
    page.raw("</p>\n");
}

fn fold(page: &mut Html, first: usize, plots: &[GroupPlot]) {
    let (Some(from), Some(to)) = (plots.first(), plots.last()) else {
        return;
    };
    page.raw("<details><summary>Plot ").text(count(first as u64 + 1)).raw(": ");
    page.element("bdi", &from.key);
    if plots.len() > 1 {
        page.raw(" … ").text(count((first + plots.len()) as u64)).raw(": ");
        page.element("bdi", &to.key);
    }
    page.raw("</summary>\n");
}

fn figure(
    page: &mut Html,
    position: usize,
    plot: &GroupPlot,
    result: Option<(usize, &GroupResult)>,
) -> Result<(), ReportError> {
    let drawing = plot::draw(plot).map_err(|source| ReportError::Draw {
        group: plot.key.to_string(),
        source: Box::new(source),
    })?;
    page.raw("<figure").attribute("id", format_args!("p{position}")).raw("><figcaption>");
    if let Some((row, result)) = result {
        page.raw("<a").attribute("href", format_args!("#g{row}")).raw(">");
        page.element("bdi", &plot.key).raw("</a> ");
        groups::badge(page, result);
        page.raw("<small>").text(summary(result)).raw("</small>");
    } else {
        page.element("bdi", &plot.key);
    }
    page.raw("</figcaption>");
    match drawing {
        Some(drawing) => page.drawing(&drawing),
        None => page.raw("<p class=\"hint\">There is nothing to draw.</p>"),
    };
    page.raw("</figure>\n");
    Ok(())
}

/// `1,234 records · 50.2 km/h · mean error 71.4 s`.
fn summary(result: &GroupResult) -> String {
    let n = result.group.n_used;
    let mut parts = vec![format!("{} record{}", count(n), if n == 1 { "" } else { "s" })];
    let speed = result.parameters.iter().find(|row| row.name == "cruise_speed_kmh");
    let unsure = [ParameterStatus::NotIdentified, ParameterStatus::Imprecise];
    if let Some(row) = speed.filter(|row| !unsure.contains(&row.status)) {
        parts.push(format!("{} {}", number(row.estimate), row.unit));
    }
    if result.group.mae_s.is_some() {
        parts.push(format!("mean error {} s", optional(result.group.mae_s)));
    }
    parts.join(" · ")
}
