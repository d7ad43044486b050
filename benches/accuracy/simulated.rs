//! Whether intervals hold the truth where regions are known to be awkward, by regions drawn from a
//! curve of one's own: `cargo bench --bench accuracy -- bounds [REGIONS]`, and
//! `cargo bench --bench accuracy -- shrinkage [SEEDS] [REGIONS] [kwh|power] [LARGE]`.

use std::fmt::Write as _;
use std::time::Instant;

use speedfit::fit::models;
use speedfit::fit::simulate::{Spread, TripLengths, draw};
use speedfit::fit::{Curve, Estimate, FitOptions, Identification, Observations, fit};
use speedfit::job::pool::PoolMode;

use super::incidents;

/// A generator of normal numbers with a seed: Marsaglia's polar method on a linear congruence.
struct Normal(u64);

impl Normal {
    fn uniform(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> f64 {
        loop {
            let (x, y) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = x * x + y * y;
            if square > 0.0 && square < 1.0 {
                return x * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }
}

fn number(arguments: &[String], at: usize, default: u64) -> Result<u64, String> {
    let given = arguments.get(at).map(|text| text.parse().map_err(|_| format!("`{text}`?")));
    given.unwrap_or(Ok(default))
}

fn holds((low, high): (Option<f64>, Option<f64>), truth: f64) -> bool {
    low.is_none_or(|low| low <= truth) && high.is_none_or(|high| truth <= high)
}

/// Trips of one length: acceleration and cruise speed can hardly be told apart.
pub(crate) fn bounds(arguments: &[String]) -> Result<String, String> {
    let n_regions = number(arguments, 0, 200)?;
    let truth = |name: &str| Some(if name == "cruise_speed_kmh" { 70.0 } else { 0.7 });
    let curve = Curve::from_parameters("kwh", truth).ok_or("no curve")?;
    let model = models::by_name("kwh").ok_or("no model")?;
    let mut text =
        "| half-width, km | acceleration at its bound | speed not identified | intervals \
                    of the speed | open to one side | hold the truth |\n|--:|--:|--:|--:|--:|--:|\n"
            .to_owned();
    for half_width in [0.0005, 0.05, 0.25, 0.5] {
        let (min_km, max_km) = (5.0 - half_width, 5.0 + half_width);
        let lengths = TripLengths { median_km: 5.0, sigma_log: half_width / 7.0, min_km, max_km };
        let (mut at_bound, mut silent, mut told, mut open, mut right) = (0, 0, 0, 0, 0);
        for seed in 0..n_regions {
            let samples = draw(&curve, &Spread::Normal { sigma_log: 0.25 }, &lengths, 200, seed);
            let report =
                fit(&*model, &Observations::new(samples), &FitOptions::default(), &|| false);
            let [a, v, ..] = &report.estimates[..] else { continue };
            at_bound += u32::from(a.identification == Identification::AtBound);
            silent += u32::from(v.identification == Identification::NotIdentified);
            if v.identification == Identification::Ok {
                told += 1;
                open += u32::from(v.interval.0.is_none() || v.interval.1.is_none());
                right += u32::from(holds(v.interval, 70.0));
            }
        }
        // Writing to a string does not fail.
        let _ =
            writeln!(text, "| {half_width} | {at_bound} | {silent} | {told} | {open} | {right} |");
    }
    Ok(text)
}

/// Names of a model's parameters, their common values and how much regions differ from them.
type CommonCurve = ([&'static str; 2], [f64; 2], [f64; 2]);

fn common_curve(model: &str) -> Result<CommonCurve, String> {
    Ok(match model {
        "kwh" => (
            ["acceleration_km_min2", "cruise_speed_kmh"],
            [0.39_f64.ln(), 45_f64.ln()],
            [0.25, 0.15],
        ),
        "power" => (["power_coefficient", "power_exponent"], [3.2_f64.ln(), 0.6], [0.2, 0.08]),
        other => return Err(format!("no truth for `{other}`")),
    })
}

/// Regions of 4 to 39 records about a common curve, and `LARGE` more of 400, with the default settings;
/// what is scored are the small ones.
pub(crate) fn shrinkage(arguments: &[String]) -> Result<String, String> {
    let (n_seeds, n_regions) = (number(arguments, 0, 8)?, number(arguments, 1, 60)?);
    let model = arguments.get(2).map_or("kwh", String::as_str);
    let n_large = number(arguments, 3, 0)?;
    let (names, centre, deviations) = common_curve(model)?;
    let value = |j: usize, x: f64| if names[j] == "power_exponent" { x } else { x.exp() };
    let mut text = format!(
        "| seed | bias of {} | of {} | hold the truth, % | % | time at 5 km: bias, % | error, % | s |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|\n",
        names[0], names[1]
    );
    let mut sums = [0.0; 6];
    for seed in 0..n_seeds {
        let mut chance = Normal(seed.wrapping_mul(7919) + 17);
        let mut csv = "region,distance_km,travel_time_s\n".to_owned();
        let mut truths = Vec::new();
        for region in 0..n_regions + n_large {
            let at = [0, 1].map(|j| centre[j] + deviations[j] * chance.next());
            let of = |name: &str| names.iter().position(|n| *n == name).map(|j| value(j, at[j]));
            let curve = Curve::from_parameters(model, of).ok_or("no curve")?;
            let n_small = [4, 8, 15, 25, 39][(chance.uniform() * 5.0) as usize % 5];
            let n = if region < n_regions { n_small } else { 400 };
            let lengths =
                TripLengths { median_km: 1.57, sigma_log: 0.6, min_km: 0.2, max_km: 12.0 };
            let spread = Spread::Normal { sigma_log: 0.3 };
            for s in draw(&curve, &spread, &lengths, n, seed * (n_regions + n_large) + region) {
                let _ = writeln!(csv, "r{region:05},{},{}", s.distance_km, s.travel_time_s);
            }
            if region < n_regions {
                truths.push((at, curve));
            }
        }
        let path = std::env::temp_dir().join(format!("shrinkage-{}.csv", std::process::id()));
        std::fs::write(&path, csv).map_err(|why| why.to_string())?;
        let plan = incidents::plan(model, FitOptions::default(), PoolMode::Small)?;
        let begun = Instant::now();
        let fitted = incidents::fitted(&plan, &incidents::source(&path.display().to_string()))?;
        let seconds = begun.elapsed().as_secs_f64();
        let _ = std::fs::remove_file(&path);
        let mut row = [0.0; 6];
        for (group, (at, curve)) in fitted.groups.iter().zip(&truths) {
            let rows = &group.pooled.as_ref().ok_or("a group was not pooled")?.estimates;
            for j in [0, 1] {
                let found: &Estimate = &rows[j].estimate;
                let truth = value(j, at[j]);
                let is_plain = names[j] == "power_exponent";
                row[j] += if is_plain { found.value - truth } else { (found.value / truth).ln() };
                row[2 + j] += 100.0 * f64::from(u8::from(holds(found.interval, truth)));
            }
            let own = group.curve().ok_or("a group has no curve")?;
            let off = 100.0 * (own.ln_median_min(5.0) - curve.ln_median_min(5.0));
            row[4] += off;
            row[5] += off * off;
        }
        let n = truths.len() as f64;
        row.iter_mut().for_each(|x| *x /= n);
        row[5] = row[5].sqrt();
        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x / n_seeds as f64);
        let [a, v, a_held, v_held, bias, error] = row;
        let _ = writeln!(
            text,
            "| {seed} | {a:+.3} | {v:+.3} | {a_held:.0} | {v_held:.0} | {bias:+.1} | {error:.1} | {seconds:.1} |"
        );
    }
    let [a, v, a_held, v_held, bias, error] = sums;
    let _ = writeln!(
        text,
        "| mean | {a:+.3} | {v:+.3} | {a_held:.0} | {v_held:.0} | {bias:+.1} | {error:.1} | |"
    );
    Ok(text)
}
