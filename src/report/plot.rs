//! One group's drawing: observed quantiles by distance, and the curve.
//!
//! Colours are names for the style sheet: `style.css` maps each to its value for screen, print and
//! dark mode.

use std::io;

use plotters::prelude::{
    ChartBuilder, Circle, Color, DrawingAreaErrorKind, IntoDrawingArea, LineSeries, PathElement,
    RGBColor, SVGBackend, TRANSPARENT,
};

use super::{DistanceBin, GroupPlot};

/// Drawn at about twice the size at which it is shown, since coordinates are whole pixels.
const WIDTH_PX: u32 = 640;
const HEIGHT_PX: u32 = 400;
/// plotters writes 1/1.24 of the size that it is given: 22 px, as the style sheet says.
const FONT_PX: i32 = 27;
/// More would not be told apart at this width.
const MAX_BINS: usize = 24;
const MAX_CURVE_POINTS: usize = 80;
/// No vehicle drives farther in km, or longer in minutes; beyond it a value is a mistake.
const MAX_DRAWN: f64 = 1e5;

/// Grid lines.
pub(super) const GRID: RGBColor = RGBColor(0xDD, 0xDD, 0xDD);
/// Axes and texts.
pub(super) const AXIS: RGBColor = RGBColor(0x55, 0x55, 0x55);
/// Observed medians, and the span from the 10th to the 90th percentile.
pub(super) const OBSERVED: RGBColor = RGBColor(0x33, 0x44, 0x55);
/// The fitted curve.
pub(super) const CURVE: RGBColor = RGBColor(0x1F, 0x6F, 0xB2);
/// The curve that was current before.
pub(super) const PREVIOUS: RGBColor = RGBColor(0xC7, 0x70, 0x00);

type DrawError = DrawingAreaErrorKind<io::Error>;

/// A finished SVG element.
#[derive(Debug)]
pub(super) struct Drawing(String);

impl Drawing {
    /// The element's text.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

/// What can be drawn of a plot: finite, in range, thinned, in km and minutes.
struct Visible {
    bins: Vec<(f64, [f64; 3])>,
    curve: Vec<(f64, f64)>,
    previous: Vec<(f64, f64)>,
}

impl Visible {
    fn of(plot: &GroupPlot) -> Self {
        let previous = plot.previous.as_deref().unwrap_or_default();
        Self {
            bins: thinned(plot.bins.iter().filter_map(bin_min).collect(), MAX_BINS),
            curve: curve_min(&plot.curve),
            previous: curve_min(previous),
        }
    }

    /// Upper ends of the axes, with a little room.
    fn extent(&self) -> Option<(f64, f64)> {
        let bins = self.bins.iter().map(|&(x, [_, _, p90])| (x, p90));
        let points = bins.chain(self.curve.iter().copied()).chain(self.previous.iter().copied());
        let (x, y) = points.reduce(|(x, y), (px, py)| (x.max(px), y.max(py)))?;
        // A floor of 100 m and 0.1 min keeps the axes from collapsing on a single point.
        Some((x.max(0.1) * 1.03, y.max(0.1) * 1.05))
    }
}

fn drawable(value: f64) -> bool {
    (0.0..=MAX_DRAWN).contains(&value)
}

fn bin_min(bin: &DistanceBin) -> Option<(f64, [f64; 3])> {
    let quantiles = [bin.p10_s, bin.p50_s, bin.p90_s].map(|s| s / 60.0);
    let fits = drawable(bin.distance_km) && quantiles.iter().all(|&q| drawable(q));
    fits.then_some((bin.distance_km, quantiles))
}

fn curve_min(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let points = points.iter().map(|&(km, s)| (km, s / 60.0));
    thinned(points.filter(|&(x, y)| drawable(x) && drawable(y)).collect(), MAX_CURVE_POINTS)
}

/// At most `max` of the items (`max` > 1), evenly chosen, first and last among them.
fn thinned<T: Copy>(items: Vec<T>, max: usize) -> Vec<T> {
    if items.len() <= max {
        return items;
    }
    (0..max).map(|i| items[i * (items.len() - 1) / (max - 1)]).collect()
}

/// Draws the plot, or `None` where nothing of it can be drawn.
///
/// # Errors
/// What plotters reports.
pub(super) fn draw(plot: &GroupPlot) -> Result<Option<Drawing>, DrawError> {
    let visible = Visible::of(plot);
    let Some(extent) = visible.extent() else {
        return Ok(None);
    };
    let mut svg = String::new();
    draw_into(&mut svg, &visible, extent)?;
    Ok(Some(Drawing(compact(&svg))))
}

fn draw_into(svg: &mut String, visible: &Visible, extent: (f64, f64)) -> Result<(), DrawError> {
    let root = SVGBackend::with_string(svg, (WIDTH_PX, HEIGHT_PX)).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin(6)
        .margin_right(12)
        .x_label_area_size(62)
        .y_label_area_size(68)
        .build_cartesian_2d(0.0..extent.0, 0.0..extent.1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(AXIS)
        .x_labels(8)
        .y_labels(9)
        .x_label_formatter(&tick)
        .y_label_formatter(&tick)
        .x_desc("distance, km")
        .y_desc("travel time, min")
        .label_style(("sans-serif", FONT_PX, &AXIS))
        .draw()?;
    let observed = OBSERVED.stroke_width(2);
    chart.draw_series(
        visible
            .bins
            .iter()
            .map(|&(x, [p10, _, p90])| PathElement::new(vec![(x, p10), (x, p90)], observed)),
    )?;
    chart
        .draw_series(LineSeries::new(visible.previous.iter().copied(), PREVIOUS.stroke_width(3)))?;
    chart.draw_series(LineSeries::new(visible.curve.iter().copied(), CURVE.stroke_width(4)))?;
    chart.draw_series(
        visible.bins.iter().map(|&(x, [_, p50, _])| Circle::new((x, p50), 6, OBSERVED.filled())),
    )?;
    root.present()
}

/// A tick's label: `0`, `2.5`, `0.05`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "plotters passes a reference")]
fn tick(value: &f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Takes out what is the default anyway or stands in the style sheet: a third of the size.
/// Texts are escaped and hold no quote, so that no replacement can meet one.
fn compact(svg: &str) -> String {
    let body = svg.split_once('>').map_or(svg, |(_, body)| body);
    let mut text = format!(
        "<svg class=\"plot\" viewBox=\"0 0 {WIDTH_PX} {HEIGHT_PX}\" aria-hidden=\"true\">{body}"
    );
    let font = format!(
        " font-family=\"sans-serif\" font-size=\"{}\" fill=\"#555555\"",
        f64::from(FONT_PX) / 1.24
    );
    let defaults = [
        " opacity=\"1\"",
        font.as_str(),
        " fill=\"none\"",
        " stroke=\"none\"",
        " stroke-width=\"1\"",
        "\n",
    ];
    for default in defaults {
        text = text.replace(default, "");
    }
    text.replace(" \"/>", "\"/>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::GroupKey;

    fn plot(n_bins: usize) -> GroupPlot {
        let bins = (1..=n_bins).map(|i| DistanceBin {
            distance_km: i as f64 * 0.4,
            n: 40,
            p10_s: 100.0 + 30.0 * i as f64,
            p50_s: 130.0 + 40.0 * i as f64,
            p90_s: 180.0 + 55.0 * i as f64,
        });
        let curve = (0..200).map(|i| (f64::from(i) * 0.05, f64::from(i).sqrt() * 60.0)).collect();
        GroupPlot { key: GroupKey::region("A"), bins: bins.collect(), curve, previous: None }
    }

    #[test]
    fn a_drawing_is_small_and_repeatable() {
        let full = plot(60);
        let svg = draw(&full).unwrap().unwrap();
        assert!(svg.as_str().len() <= 6000, "{} bytes", svg.as_str().len());
        assert_eq!(svg.as_str(), draw(&full).unwrap().unwrap().as_str());
        assert_eq!(svg.as_str().matches("<circle").count(), MAX_BINS);
    }

    #[test]
    fn what_is_not_finite_is_left_out() {
        let mut dirty = plot(3);
        dirty.bins[0].p90_s = f64::NAN;
        dirty.bins[1].distance_km = f64::INFINITY;
        dirty.curve = vec![(f64::NAN, 1.0), (1.0, 60.0), (2.0, 1e300), (3.0, 90.0)];
        let svg = draw(&dirty).unwrap().unwrap();
        assert_eq!(svg.as_str().matches("<circle").count(), 1);
        assert!(!svg.as_str().contains("NaN") && !svg.as_str().contains("inf"));
    }

    #[test]
    fn nothing_to_draw_is_no_drawing() {
        let mut empty = plot(0);
        empty.curve.clear();
        assert!(draw(&empty).unwrap().is_none());
        empty.curve.push((0.0, 0.0));
        assert!(draw(&empty).unwrap().is_some());
    }

    #[test]
    fn thinning_keeps_both_ends() {
        assert_eq!(thinned((0..100).collect(), 4), [0, 33, 66, 99]);
        assert_eq!(thinned(vec![1, 2], 4), [1, 2]);
    }
}
