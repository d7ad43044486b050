//! `speedfit predict`: the travel time of a trip, from published parameters alone.

use std::path::PathBuf;

use anyhow::{Context as _, anyhow};
use clap::{ArgGroup, Args};

use super::context::Context;
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::pick::{RunChoice, open_store, pick_run, store_failure};
use super::prediction::Answer;
use crate::bootstrap;
use crate::config::{self, Loaded};
use crate::domain::{GroupKey, ParameterRow, PublishedGroup};
use crate::fit::predict::{Ask, PredictError, Predictor, Published, Route};

/// Predict the travel time of a trip: median, quantiles, and the chance of arriving in time.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("way").required(true))]
pub(super) struct Options {
    /// Region of the trip.
    #[arg(long, value_name = "NAME")]
    region: String,

    /// Length of the trip, km; several trips are separated by commas.
    #[arg(long, value_name = "KM", value_delimiter = ',', group = "way")]
    #[arg(allow_negative_numbers = true)]
    distance_km: Vec<f64>,

    /// Length of one trip on a class of road, for model `road_class`; may be repeated.
    #[arg(long, value_name = "CLASS=KM", value_parser = class_and_km, group = "way")]
    length: Vec<(String, f64)>,

    /// Times in minutes to arrive within, separated by commas.
    #[arg(long, value_name = "MIN", value_delimiter = ',', allow_negative_numbers = true)]
    target_min: Vec<f64>,

    /// Shares of trips whose longest time is asked for, separated by commas.
    #[arg(long, value_name = "SHARE", value_delimiter = ',', default_value = "0.9")]
    #[arg(allow_negative_numbers = true)]
    quantile: Vec<f64>,

    /// Band of the week, where the groups are split by bands.
    #[arg(long, value_name = "NAME")]
    band: Option<String>,

    /// Priority class, where the groups are split by priority.
    #[arg(long, value_name = "CLASS")]
    priority: Option<String>,

    /// Covariate that applies, for example `night` for `factor_night`; may be repeated.
    #[arg(long, value_name = "NAME")]
    factor: Vec<String>,

    /// Run whose parameters are used: its number, `current` or `last`.
    #[arg(long, value_name = "RUN", default_value = "current", conflicts_with = "parameters")]
    run: RunChoice,

    /// File of parameters instead of the store: .csv, .json (also .gz) or .parquet.
    #[arg(long, value_name = "FILE")]
    parameters: Option<PathBuf>,

    /// File of groups beside it; one in JSON tells correlations.
    #[arg(long, value_name = "FILE", requires = "parameters")]
    groups: Option<PathBuf>,
}

fn class_and_km(text: &str) -> Result<(String, f64), String> {
    let (class, km) = text.split_once('=').ok_or("there is no `=` between class and length")?;
    let km = km.trim().parse().map_err(|_| format!("`{km}` is no length in km"))?;
    Ok((class.trim().to_owned(), km))
}

pub(super) async fn run(options: Options, context: &Context) -> anyhow::Result<Exit> {
    let loaded = context.load(Vec::new())?;
    let groups = read(&options, &loaded).await?;
    let group = pick_group(&options, &groups)?;
    let parameters = group.parameters.iter().map(published).collect();
    let (model, confidence) = (group.model.as_deref(), loaded.settings.fit.confidence);
    let predictor = Predictor::new(model, parameters, &group.detail.correlations, confidence);
    let predictor = predictor.map_err(|error| unusable(&options, group, error))?;
    let factors = options.factor.iter().map(|name| full_name(name, &predictor)).collect();
    let mut answer = Answer::new(group, &predictor, confidence, factors);
    for route in routes(&options) {
        let ask = Ask {
            route,
            factors: answer.factors.clone(),
            quantiles: options.quantile.clone(),
            targets_s: options.target_min.iter().map(|minutes| 60.0 * minutes).collect(),
        };
        let prediction = predictor.predict(&ask).map_err(|error| {
            let by_distance = options.length.is_empty();
            refused(group, by_distance, error)
        })?;
        answer.add(&ask.route, prediction);
    }
    if context.json() {
        context.print_json(&answer)?;
    } else {
        context.print(&answer.text(context.width()))?;
    }
    Ok(Exit::Done)
}

/// The groups that have parameters, of the store or of files.
async fn read(options: &Options, loaded: &Loaded) -> anyhow::Result<Vec<PublishedGroup>> {
    if let Some(path) = &options.parameters {
        let (path, groups) = (path.clone(), options.groups.clone());
        let read = move || bootstrap::read_published(&path, groups.as_deref());
        let read =
            tokio::task::spawn_blocking(read).await.context("reading the file broke down")?;
        return read.map_err(store_failure);
    }
    let store = open_store(loaded).await?;
    let run = pick_run(&*store, &loaded.settings.scope, options.run).await?;
    let set = store.parameter_set(run.id).await.map_err(store_failure)?;
    let set = set.with_context(|| format!("run {} is gone from the store", run.id))?;
    Ok(PublishedGroup::of_set(set))
}

fn published(row: &ParameterRow) -> Published {
    Published { name: row.name.clone(), value: row.estimate, std_error: row.std_error }
}

fn routes(options: &Options) -> Vec<Route> {
    if options.length.is_empty() {
        return options.distance_km.iter().map(|km| Route::Distance(*km)).collect();
    }
    vec![Route::Classes(options.length.clone())]
}

/// The one group that is meant.
fn pick_group<'a>(
    options: &Options,
    groups: &'a [PublishedGroup],
) -> anyhow::Result<&'a PublishedGroup> {
    let of_region: Vec<_> = groups.iter().filter(|g| g.key.region == options.region).collect();
    if of_region.is_empty() {
        return Err(no_region(options, groups));
    }
    let is = |asked: &Option<String>, name: &str| asked.as_ref().is_none_or(|asked| asked == name);
    let mut meant = of_region
        .iter()
        .filter(|g| is(&options.band, &g.key.band) && is(&options.priority, &g.key.priority));
    match (meant.next(), meant.next()) {
        (Some(group), None) => Ok(group),
        (first, _) => Err(not_one(options, first.is_some(), &of_region)),
    }
}

/// Groups that a hint lists at the most.
const MAX_LISTED: usize = 8;

fn no_region(options: &Options, groups: &[PublishedGroup]) -> anyhow::Error {
    let region = options.region.as_str();
    let names = groups.iter().map(|group| group.key.region.as_str());
    let meant = names.clone().find(|name| name.to_lowercase() == region.to_lowercase());
    let hint = match meant.or_else(|| config::nearest(region, names)) {
        Some(name) => format!("did you mean `{name}`?"),
        None if groups.is_empty() => "the set has no parameters at all".to_owned(),
        None if options.parameters.is_some() => "column `region` names those there are".to_owned(),
        None => "`speedfit show current` lists the regions".to_owned(),
    };
    let what = anyhow!("region `{region}` has no parameters");
    Hinted::new(hint, Failure::new(Exit::Refused, what)).into()
}

fn not_one(options: &Options, several: bool, of_region: &[&PublishedGroup]) -> anyhow::Error {
    let region = &options.region;
    let what = if several {
        anyhow!("region `{region}` has more than one group")
    } else {
        anyhow!("region `{region}` has no group of that band and priority")
    };
    let told = |key: &GroupKey| {
        let parts = [("--band", &key.band), ("--priority", &key.priority)];
        let parts = parts.iter().filter(|(_, name)| !name.is_empty());
        let parts: Vec<String> = parts.map(|(flag, name)| format!("{flag} '{name}'")).collect();
        if parts.is_empty() { "neither flag".to_owned() } else { parts.join(" ") }
    };
    let mut known: Vec<String> =
        of_region.iter().take(MAX_LISTED).map(|group| told(&group.key)).collect();
    if of_region.len() > MAX_LISTED {
        known.push(format!("{} more", of_region.len() - MAX_LISTED));
    }
    let hint = format!("name one: {}", known.join(", "));
    Hinted::new(hint, Failure::new(Exit::Refused, what)).into()
}

/// `night` stands for `band_night` where only one covariate's level ends like that.
fn full_name(name: &str, predictor: &Predictor) -> String {
    let known = predictor.factors();
    let ending = format!("_{name}");
    let mut meant = known.iter().filter(|full| full.ends_with(&ending));
    match (known.iter().any(|full| full == name), meant.next(), meant.next()) {
        (false, Some(full), None) => full.clone(),
        _ => name.to_owned(),
    }
}

/// Parameters from which nothing can be predicted.
fn unusable(options: &Options, group: &PublishedGroup, error: PredictError) -> anyhow::Error {
    let hint = match (&error, &options.parameters) {
        (PredictError::NoSpread, None) => "a run with `speedfit run` publishes the spread too",
        (_, Some(_)) => "name a file that `speedfit fit` or `speedfit export` has written",
        (_, None) => "the set may be of another version of speedfit: run again",
    };
    let what = anyhow!(error).context(format!("cannot predict for `{}`", group.key));
    Hinted::new(hint, Failure::new(Exit::Refused, what)).into()
}

/// What was asked for and is not there, or makes no sense.
fn refused(group: &PublishedGroup, by_distance: bool, error: PredictError) -> anyhow::Error {
    match error {
        PredictError::Distance(_) | PredictError::Quantile(_) => {
            Failure::new(Exit::Usage, error).into()
        }
        PredictError::Target(s) => {
            let minutes = s / 60.0;
            let what = anyhow!("a target must be above 0 min and finite, not {minutes}");
            Failure::new(Exit::Usage, what).into()
        }
        error => {
            let lacks_lengths = matches!(&error, PredictError::Route(_)) && by_distance;
            let what = anyhow!(error).context(format!("cannot predict for `{}`", group.key));
            let failure = Failure::new(Exit::Refused, what);
            if lacks_lengths {
                return Hinted::new("give `--length CLASS=KM`, once for each class", failure)
                    .into();
            }
            failure.into()
        }
    }
}
