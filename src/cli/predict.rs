//! `speedfit predict`: the travel time of a trip, from published parameters alone.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::{ArgGroup, Args};

use super::context::Context;
use super::error::{Failure, Hinted};
use super::exit::Exit;
use super::pick::{RunChoice, open_store, pick_run, store_failure};
use super::prediction;
use crate::bootstrap;
use crate::config::{self, Loaded};
use crate::domain::{GroupKey, PublishedGroup};
use crate::report::prediction::{PredictError, PredictionError, Question, answer};

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
    let question = options.question();
    let settings = &loaded.settings;
    let accepted_km = settings.distances_km();
    let answer = answer(&groups, &question, settings.fit.confidence, &accepted_km);
    let answer = answer.map_err(|error| failure(&options, &groups, error))?;
    if context.json() {
        context.print_json(&answer)?;
    } else {
        context.print(&prediction::text(&answer, context.width()))?;
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
        // The file is named on the command line: no store has failed.
        return read.map_err(|error| Failure::new(Exit::Usage, error).into());
    }
    let store = open_store(loaded).await?;
    let run = pick_run(&*store, &loaded.settings.scope, options.run).await?;
    let set = store.parameter_set(run.id).await.map_err(store_failure)?;
    let set = set.with_context(|| format!("run {} is gone from the store", run.id))?;
    Ok(PublishedGroup::of_set(set))
}

impl Options {
    fn question(&self) -> Question {
        Question {
            region: self.region.clone(),
            band: self.band.clone(),
            priority: self.priority.clone(),
            distances_km: self.distance_km.clone(),
            lengths_km: self.length.clone(),
            factors: self.factor.clone(),
            quantiles: self.quantile.clone(),
            targets_min: self.target_min.clone(),
        }
    }
}

/// The exit of a question without an answer.
fn failure(options: &Options, groups: &[PublishedGroup], error: PredictionError) -> anyhow::Error {
    let hint = match &error {
        PredictionError::NoRegion(region) => Some(where_it_may_be(options, region, groups)),
        PredictionError::Several { known, .. } | PredictionError::NoGroup { known, .. } => {
            Some(name_one(known))
        }
        PredictionError::Unusable { cause, .. } => Some(better_parameters(options, cause)),
        PredictionError::Impossible { lacks_lengths: true, .. } => {
            Some("give `--length CLASS=KM`, once for each class".to_owned())
        }
        PredictionError::Distance { .. } => Some(PredictionError::DISTANCE_HINT.to_owned()),
        PredictionError::Impossible { .. }
        | PredictionError::Senseless(_)
        | PredictionError::Target(_) => None,
    };
    let exit = match &error {
        PredictionError::Distance { .. }
        | PredictionError::Senseless(_)
        | PredictionError::Target(_) => Exit::Usage,
        _ => Exit::Refused,
    };
    let failure = Failure::new(exit, error);
    match hint {
        Some(hint) => Hinted::new(hint, failure).into(),
        None => failure.into(),
    }
}

/// Groups that a hint lists at the most.
const MAX_LISTED: usize = 8;

fn where_it_may_be(options: &Options, region: &str, groups: &[PublishedGroup]) -> String {
    let names = groups.iter().map(|group| group.key.region.as_str());
    let meant = names.clone().find(|name| name.to_lowercase() == region.to_lowercase());
    match meant.or_else(|| config::nearest(region, names)) {
        Some(name) => format!("did you mean `{name}`?"),
        None if groups.is_empty() => "the set has no parameters at all".to_owned(),
        None if options.parameters.is_some() => "column `region` names those there are".to_owned(),
        None => "`speedfit show current` lists the regions".to_owned(),
    }
}

fn name_one(known: &[GroupKey]) -> String {
    let told = |key: &GroupKey| {
        let parts = [("--band", &key.band), ("--priority", &key.priority)];
        let parts = parts.iter().filter(|(_, name)| !name.is_empty());
        let parts: Vec<String> = parts.map(|(flag, name)| format!("{flag} '{name}'")).collect();
        if parts.is_empty() { "neither flag".to_owned() } else { parts.join(" ") }
    };
    let mut names: Vec<String> = known.iter().take(MAX_LISTED).map(told).collect();
    if known.len() > MAX_LISTED {
        names.push(format!("{} more", known.len() - MAX_LISTED));
    }
    format!("name one: {}", names.join(", "))
}

/// What to do about parameters from which nothing can be predicted.
fn better_parameters(options: &Options, error: &PredictError) -> String {
    let hint = match (error, &options.parameters) {
        (PredictError::NoSpread, None) => "a run with `speedfit run` publishes the spread too",
        (_, Some(_)) => "name a file that `speedfit fit` or `speedfit export` has written",
        (_, None) => "the set may be of another version of speedfit: run again",
    };
    hint.to_owned()
}
