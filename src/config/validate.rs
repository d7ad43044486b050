//! Checks on values and on values together, after all layers are merged.

use jiff::Timestamp;

use crate::domain::WeekBands;

use super::choices::{Criterion, Errors, Factor, Loss, SourceKind, Spread};
use super::operations;
use super::server;
use super::settings::{AUTO, Auto, Fit, Settings};
use super::values::{BoundSetting, ModelName};

/// What is wrong, and the keys concerned.
#[derive(Debug, PartialEq)]
pub(super) struct Problem {
    pub(super) message: String,
    pub(super) keys: Vec<String>,
}

pub(super) type Check = Result<(), Problem>;

pub(super) fn ensure(holds: bool, keys: &[&str], message: impl FnOnce() -> String) -> Check {
    if holds {
        return Ok(());
    }
    let keys = keys.iter().map(|key| (*key).to_owned()).collect();
    Err(Problem { message: message(), keys })
}

/// Characters of a scope's name at the most: it is a column in the store.
const MAX_SCOPE_CHARS: usize = 100;
/// A terabyte: far above what the embedded database is for, within what it can count.
const MAX_SIZE_MB: u32 = 1_000_000;
/// A century: what lies before is a mistyped number.
const MAX_WINDOW_DAYS: u32 = 36_500;
/// Far more than any fit needs, far less than a hang.
const MAX_ITERATIONS: u64 = 100_000;
/// More threads than any machine has cores for.
const MAX_WORKERS: usize = 1024;

/// The first problem, in the order of the settings file.
pub(super) fn validate(settings: &Settings) -> Check {
    names(settings)?;
    server::validate(settings)?;
    window(settings)?;
    accept(settings)?;
    groups(settings)?;
    fit(settings)?;
    judge(settings)?;
    gate(settings)?;
    operations::validate(settings)
}

fn names(settings: &Settings) -> Check {
    let scope = &settings.scope;
    let scope_is_fit = scope.trim() == scope
        && (1..=MAX_SCOPE_CHARS).contains(&scope.chars().count())
        && !scope.chars().any(char::is_control);
    ensure(scope_is_fit, &["scope"], || {
        format!("`scope` must be a name of 1 to {MAX_SCOPE_CHARS} characters")
    })?;
    filled(!settings.embedded.path.as_os_str().is_empty(), "embedded.path")?;
    let max_size_mb = settings.embedded.max_size_mb;
    ensure(max_size_mb <= MAX_SIZE_MB, &["embedded.max_size_mb"], || {
        format!("`embedded.max_size_mb` must be at most {MAX_SIZE_MB}, not {max_size_mb}")
    })?;
    let has_file = !settings.file.path.as_os_str().is_empty();
    ensure(
        has_file || settings.source.kind != SourceKind::File,
        &["source.kind", "file.path"],
        || "`file.path` is empty, while `source.kind` is `file`".to_owned(),
    )?;
    filled(!settings.output.dir.as_os_str().is_empty(), "output.dir")?;
    columns(settings)
}

pub(super) fn filled(holds: bool, key: &str) -> Check {
    ensure(holds, &[key], || format!("`{key}` must not be empty"))
}

/// Columns without which there are no records; an empty name leaves any other out.
const REQUIRED_COLUMNS: [&str; 3] = ["columns.region", "columns.distance", "columns.travel_time"];

fn columns(settings: &Settings) -> Check {
    let names = settings.columns.names();
    for (nth, (key, column)) in names.iter().enumerate() {
        let is_left_out = column.trim().is_empty();
        filled(!is_left_out || !REQUIRED_COLUMNS.contains(key), key)?;
        let same = names[..nth].iter().find(|(_, earlier)| earlier == column && !is_left_out);
        if let Some((other, _)) = same {
            return ensure(false, &[other, key], || {
                format!("`{other}` and `{key}` both name the column `{column}`")
            });
        }
    }
    lengths(settings)
}

/// Each class and each column once, and no column of another setting.
fn lengths(settings: &Settings) -> Check {
    let key = "columns.lengths";
    let lengths = &settings.columns.lengths;
    for (nth, length) in lengths.iter().enumerate() {
        let (class, column) = (length.class(), length.column());
        ensure(lengths[..nth].iter().all(|other| other.class() != class), &[key], || {
            format!("`{key}` names the class `{class}` twice")
        })?;
        ensure(lengths[..nth].iter().all(|other| other.column() != column), &[key], || {
            format!("`{key}` names the column `{column}` twice")
        })?;
        let names = settings.columns.names();
        if let Some((other, _)) = names.iter().find(|(_, named)| *named == column) {
            return ensure(false, &[other, key], || {
                format!("`{other}` and `{key}` both name the column `{column}`")
            });
        }
    }
    Ok(())
}

fn window(settings: &Settings) -> Check {
    let window = &settings.window;
    let has_ends = !window.from.is_open() || !window.to.is_open();
    ensure(window.days == 0 || !has_ends, &["window.days", "window.from", "window.to"], || {
        "`window.days` and `window.from` or `window.to` exclude each other".to_owned()
    })?;
    ensure(window.days <= MAX_WINDOW_DAYS, &["window.days"], || {
        format!("`window.days` must be at most {MAX_WINDOW_DAYS}, not {}", window.days)
    })?;
    let ends = &["window.from", "window.to"];
    match settings.window(Timestamp::UNIX_EPOCH) {
        Ok(span) => ensure(!span.is_empty(), ends, || {
            format!(
                "`window.to` ({}) must be later than `window.from` ({})",
                window.to, window.from
            )
        }),
        Err(error) => ensure(false, ends, || format!("`window` leaves the calendar: {error}")),
    }
}

fn accept(settings: &Settings) -> Check {
    let accept = &settings.accept;
    let (time, distance, speed) = (
        (accept.min_time_s, accept.max_time_s),
        (accept.min_distance_km, accept.max_distance_km),
        (accept.min_speed_kmh, accept.max_speed_kmh),
    );
    range(["accept.min_time_s", "accept.max_time_s"], time)?;
    range(["accept.min_distance_km", "accept.max_distance_km"], distance)?;
    range(["accept.min_speed_kmh", "accept.max_speed_kmh"], speed)?;
    let named =
        accept.known_regions.iter().all(|region| !region.is_empty() && region.trim() == region);
    ensure(named, &["accept.known_regions"], || {
        "`accept.known_regions` holds an empty name or one with blanks around it".to_owned()
    })
}

/// `0 <= min < max`.
fn range(keys: [&str; 2], (min, max): (f64, f64)) -> Check {
    let [min_key, max_key] = keys;
    ensure(min >= 0.0, &[min_key], || format!("`{min_key}` must not be negative, as {min} is"))?;
    ensure(min < max, &keys, || format!("`{min_key}` ({min}) must be below `{max_key}` ({max})"))
}

fn groups(settings: &Settings) -> Check {
    let keys = &["groups.bands"];
    let names: Vec<_> = settings.groups.bands.iter().map(|b| b.band().name.as_str()).collect();
    ensure(!names.contains(&WeekBands::OTHER), keys, || {
        format!("`groups.bands` names a band `{}`, which is the rest of the week", WeekBands::OTHER)
    })?;
    match names.iter().enumerate().find(|(nth, name)| names[..*nth].contains(name)) {
        Some((_, name)) => {
            ensure(false, keys, || format!("`groups.bands` names the band `{name}` twice"))
        }
        None => Ok(()),
    }
}

fn fit(settings: &Settings) -> Check {
    let fit = &settings.fit;
    ensure((1..=MAX_ITERATIONS).contains(&fit.max_iterations), &["fit.max_iterations"], || {
        format!("`fit.max_iterations` must be 1 to {MAX_ITERATIONS}, not {}", fit.max_iterations)
    })?;
    ensure(fit.workers <= MAX_WORKERS, &["fit.workers"], || {
        format!("`fit.workers` must be at most {MAX_WORKERS}, not {}", fit.workers)
    })?;
    let factor = fit.imprecise_factor;
    ensure(factor == 0.0 || factor > 1.0, &["fit.imprecise_factor"], || {
        format!("`fit.imprecise_factor` must be 0 or above 1, not {factor}")
    })?;
    ensure(fit.confidence > 0.0 && fit.confidence < 1.0, &["fit.confidence"], || {
        format!("`fit.confidence` must be between 0 and 1, not {}", fit.confidence)
    })?;
    law(fit)?;
    choice(&settings.auto)?;
    let holdout = &settings.holdout;
    ensure((0.0..1.0).contains(&holdout.share), &["holdout.share"], || {
        format!("`holdout.share` must be 0 to below 1, not {}", holdout.share)
    })?;
    let needs_holdout = fit.model.as_str() == AUTO && settings.auto.criterion == Criterion::Holdout;
    ensure(!needs_holdout || holdout.share > 0.0, &["auto.criterion", "holdout.share"], || {
        "`auto.criterion` is `holdout`, but `holdout.share` is 0".to_owned()
    })?;
    factors(settings)
}

fn factors(settings: &Settings) -> Check {
    let (key, factors) = ("fit.factors", &settings.fit.factors);
    let twice = factors.iter().enumerate().find(|(nth, f)| factors[..*nth].contains(f));
    ensure(twice.is_none(), &[key], || format!("`{key}` names a factor twice"))?;
    let has_bands = !settings.groups.bands.is_empty();
    ensure(has_bands || !settings.has_factor(Factor::Band), &[key, "groups.bands"], || {
        format!("`{key}` names `band`, while `groups.bands` is empty")
    })?;
    let is_split = settings.groups.by_priority;
    ensure(
        !is_split || !settings.has_factor(Factor::Priority),
        &[key, "groups.by_priority"],
        || format!("`{key}` names `priority`, by which `groups.by_priority` splits already"),
    )
}

/// What is minimised, and within which ranges.
fn law(fit: &Fit) -> Check {
    let is_plain = fit.loss == Loss::LeastSquares;
    let keys = &["fit.loss", "fit.errors", "fit.spread"];
    let fits = is_plain || (fit.errors == Errors::Normal && fit.spread == Spread::Constant);
    ensure(fits, keys, || {
        format!("`fit.loss` `{}` needs normal errors and a constant spread", fit.loss)
    })?;
    let dof = fit.tail_dof;
    ensure(dof == 0.0 || (1.0..=200.0).contains(&dof), &["fit.tail_dof"], || {
        format!("`fit.tail_dof` must be 0 or 1 to 200, not {dof}")
    })?;
    bounds("fit.bounds", &fit.bounds)
}

fn choice(auto: &Auto) -> Check {
    let names: Vec<&str> = auto.models.iter().map(ModelName::as_str).collect();
    let keys = &["auto.models"];
    ensure(!names.is_empty() && !names.contains(&AUTO), keys, || {
        "`auto.models` must name at least one model, and no `auto`".to_owned()
    })?;
    match names.iter().enumerate().find(|(nth, name)| names[..*nth].contains(name)) {
        Some((_, name)) => ensure(false, keys, || format!("`auto.models` names `{name}` twice")),
        None => Ok(()),
    }
}

fn judge(settings: &Settings) -> Check {
    let judge = &settings.judge;
    range(
        ["judge.min_cruise_speed_kmh", "judge.max_cruise_speed_kmh"],
        (judge.min_cruise_speed_kmh, judge.max_cruise_speed_kmh),
    )?;
    ensure(judge.max_time_change > 0.0, &["judge.max_time_change"], || {
        format!("`judge.max_time_change` must be above 0, not {}", judge.max_time_change)
    })?;
    let distances = &judge.reference_distances_km;
    let plausible = !distances.is_empty() && distances.iter().all(|d| d.is_finite() && *d > 0.0);
    ensure(plausible, &["judge.reference_distances_km"], || {
        "`judge.reference_distances_km` must hold at least one distance, all above 0".to_owned()
    })?;
    for (key, share) in [
        ("judge.min_share_published", judge.min_share_published),
        ("judge.min_share_groups", judge.min_share_groups),
    ] {
        ensure((0.0..=1.0).contains(&share), &[key], || {
            format!("`{key}` must be 0 to 1, not {share}")
        })?;
    }
    for (key, limit) in [
        ("judge.max_change_std_errors", judge.max_change_std_errors),
        ("judge.max_score_drop", judge.max_score_drop),
    ] {
        ensure(limit >= 0.0, &[key], || format!("`{key}` must not be negative, as {limit} is"))?;
    }
    let ratio = judge.max_interval_ratio;
    ensure(ratio == 0.0 || ratio > 1.0, &["judge.max_interval_ratio"], || {
        format!("`judge.max_interval_ratio` must be 0 or above 1, not {ratio}")
    })?;
    bounds("judge.bounds", &judge.bounds)
}

fn gate(settings: &Settings) -> Check {
    let gate = &settings.gate;
    for (key, share) in [
        ("gate.max_unreadable", gate.max_unreadable),
        ("gate.max_refused_values", gate.max_refused_values),
        ("gate.max_refused_values_rise", gate.max_refused_values_rise),
        ("gate.max_zero_values", gate.max_zero_values),
        ("gate.max_refused_others", gate.max_refused_others),
        ("gate.max_refused_others_rise", gate.max_refused_others_rise),
        ("gate.max_groups_without_fit", gate.max_groups_without_fit),
        ("gate.max_regions_changed", gate.max_regions_changed),
        ("gate.max_repeated_rows", gate.max_repeated_rows),
    ] {
        ensure((0.0..=1.0).contains(&share), &[key], || {
            format!("`{key}` must be 0 to 1, not {share}")
        })?;
    }
    for (key, factor) in [
        ("gate.max_row_factor", gate.max_row_factor),
        ("gate.max_distribution_factor", gate.max_distribution_factor),
    ] {
        let is_factor = factor == 0.0 || (factor > 1.0 && factor.is_finite());
        ensure(is_factor, &[key], || format!("`{key}` must be 0 or above 1, not {factor}"))?;
    }
    for (key, days) in
        [("gate.warn_age_days", gate.warn_age_days), ("gate.max_age_days", gate.max_age_days)]
    {
        ensure(days >= 0.0, &[key], || format!("`{key}` must not be negative, as {days} is"))?;
    }
    Ok(())
}

/// Each parameter once, each range not empty.
fn bounds(key: &'static str, bounds: &[BoundSetting]) -> Check {
    for (nth, bound) in bounds.iter().enumerate() {
        let (name, min, max) = (&bound.name, bound.min, bound.max);
        ensure(min.is_finite() && max.is_finite() && min <= max, &[key], || {
            format!("`{key}`: the range of `{name}`, {min} to {max}, is empty")
        })?;
        ensure(bounds[..nth].iter().all(|other| other.name != *name), &[key], || {
            format!("`{key}` names `{name}` twice")
        })?;
    }
    Ok(())
}
