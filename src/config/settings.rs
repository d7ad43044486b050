//! The typed settings, one struct per section of `config/default.toml`.
//!
//! Meaning, unit and default of every key stand in that file; here stand the types.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan as _};
use serde::{Deserialize, Serialize};

use crate::domain::{Limits, Splits, WeekBands, Window};

use super::choices::{
    ChoicePer, Covariance, Criterion, DistanceUnit, Errors, Factor, FileFormat, Intervals,
    LogFormat, Loss, NotIdentified, PoolingMode, RepeatedIds, SourceKind, Spread, StoreKind,
    TimeUnit,
};
use super::operations::{Http, Metrics, Notify, Retention, Schedule};
use super::server::{Server, SqlServer};
use super::values::{
    BandSetting, BoundSetting, Delimiter, LengthSetting, LogLevel, ModelName, Moment, RuleName,
    SchemaName,
};
use super::whole::Whole;

/// Models that `fit.model` may name.
pub const MODELS: &[&str] =
    &["constant", "linear", "power", "sqrt", "kwh", "kwh_intercept", "road_class"];

/// What `fit.model` says where the model is to be chosen.
pub const AUTO: &str = "auto";

/// Declares a section: a struct that is read whole and refuses unknown keys.
macro_rules! section {
    ($(#[$meta:meta])* $name:ident { $($(#[$fmeta:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name { $($(#[$fmeta])* pub $field: $type,)+ }
    };
}

section! {
    /// Every setting.
    Settings {
        /// Name of the job.
        scope: String,
        /// Zone of time stamps without offset, of dates and of bands.
        #[serde(with = "super::values::zone")]
        time_zone: TimeZone,
        /// Where records come from.
        source: Source,
        /// Where runs and parameters are kept.
        store: Store,
        /// What is read of a SQL Server.
        sqlserver: SqlServer,
        /// The embedded database.
        embedded: Embedded,
        /// The file with records.
        file: File,
        /// Names and units of the source's columns.
        columns: Columns,
        /// The span that a run reads.
        window: WindowSettings,
        /// Which records enter a fit.
        accept: Accept,
        /// What groups are split by, beside the region.
        groups: Groups,
        /// How groups are fitted.
        fit: Fit,
        /// How `fit.model = "auto"` chooses.
        auto: Auto,
        /// How groups are drawn toward others.
        pooling: Pooling,
        /// How fits are scored on later records.
        holdout: Holdout,
        /// What may be published, group by group.
        judge: Judge,
        /// What the records and the set as a whole must be like.
        gate: Gate,
        /// What a run leaves in the file system.
        output: Output,
        /// When runs happen by themselves.
        schedule: Schedule,
        /// How long runs and their sets are kept.
        retention: Retention,
        /// What a webhook is told.
        notify: Notify,
        /// Where metrics and traces go.
        metrics: Metrics,
        /// How the HTTP API listens.
        http: Http,
        /// What is logged.
        log: Log,
    }
}

/// `[source]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Kind of source.
    pub kind: SourceKind,
    /// Where the server is and how to log in, where it is one.
    #[serde(flatten)]
    pub server: Server,
    /// Whether a readable secondary will do.
    pub read_only_intent: bool,
}

/// `[store]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Store {
    /// Kind of store.
    pub kind: StoreKind,
    /// Where the server is and how to log in, where it is one.
    #[serde(flatten)]
    pub server: Server,
    /// Schema of the database that is speedfit's own.
    pub schema: SchemaName,
}

section! {
    /// `[embedded]`
    Embedded {
        /// The database's file.
        path: PathBuf,
        /// Quota of that file, MB of 2^20 bytes; 0 leaves it to the disk.
        max_size_mb: u32,
    }
}

section! {
    /// `[file]`
    File {
        /// The file; not empty where `source.kind` is `file`.
        path: PathBuf,
        /// Its format.
        format: FileFormat,
        /// Separator of a CSV file.
        delimiter: Delimiter,
    }
}

section! {
    /// `[columns]`
    Columns {
        /// Column with the incident's id.
        incident_id: String,
        /// Column with the region.
        region: String,
        /// Column with the region's parent.
        parent_region: String,
        /// Column with the time of the incident.
        occurred_at: String,
        /// Column with the priority class.
        priority: String,
        /// Column with the distance.
        distance: String,
        /// Column with the travel time.
        travel_time: String,
        /// Column with the number of like records.
        weight: String,
        /// Columns with lengths by class of road; empty takes those that follow the contract.
        lengths: Vec<LengthSetting>,
        /// Unit of the distance.
        distance_unit: DistanceUnit,
        /// Unit of the travel time.
        time_unit: TimeUnit,
    }
}

section! {
    /// `[window]`; see [`Settings::window`].
    WindowSettings {
        /// First moment inside.
        from: Moment,
        /// First moment after.
        to: Moment,
        /// The last days before the run's start instead; 0 is off.
        days: u32,
    }
}

section! {
    /// `[accept]`; see [`Limits`].
    Accept {
        /// Seconds.
        min_time_s: f64,
        /// Seconds.
        max_time_s: f64,
        /// Kilometres.
        min_distance_km: f64,
        /// Kilometres.
        max_distance_km: f64,
        /// Kilometres per hour.
        min_speed_kmh: f64,
        /// Kilometres per hour.
        max_speed_kmh: f64,
        /// What becomes of repeats.
        repeated_ids: RepeatedIds,
        /// Names of known regions; empty takes every name.
        known_regions: Vec<String>,
    }
}

section! {
    /// `[groups]`
    Groups {
        /// Whether each priority class is fitted on its own.
        by_priority: bool,
        /// Parts of the week that are fitted on their own.
        bands: Vec<BandSetting>,
        /// Groups of a run at the most.
        max_groups: Whole<1, 1_000_000>,
    }
}

section! {
    /// `[fit]`
    Fit {
        /// One of [`MODELS`], or [`AUTO`].
        model: ModelName,
        /// What multiplies it.
        factors: Vec<Factor>,
        /// What a residual costs.
        loss: Loss,
        /// Law of the errors.
        errors: Errors,
        /// Degrees of freedom of Student's t; 0 where they are estimated.
        tail_dof: f64,
        /// How wide ln T scatters.
        spread: Spread,
        /// What standard errors come from.
        covariance: Covariance,
        /// How intervals are made.
        intervals: Intervals,
        /// Ranges of parameters.
        bounds: Vec<BoundSetting>,
        /// What becomes of a parameter that the records do not tell.
        not_identified: NotIdentified,
        /// Iterations per start.
        max_iterations: u64,
        /// Threads; 0 is one per core. Results do not depend on it.
        workers: usize,
        /// Probability that an interval is to cover.
        confidence: f64,
        /// Beyond this factor above or below the estimate an interval makes a parameter imprecise; 0
        /// makes none so.
        imprecise_factor: f64,
    }
}

section! {
    /// `[auto]`
    Auto {
        /// Models to choose among, each of [`MODELS`]; at least one.
        models: Vec<ModelName>,
        /// What decides.
        criterion: Criterion,
        /// For whom one choice is made.
        per: ChoicePer,
    }
}

section! {
    /// `[pooling]`
    Pooling {
        /// Which groups are drawn toward others.
        mode: PoolingMode,
        /// Records under which a group is small.
        min_records: u64,
    }
}

section! {
    /// `[holdout]`
    Holdout {
        /// Share of the records that is held out, the latest; 0 is none.
        share: f64,
        /// Fewest records of a group on either side.
        min_records: u64,
    }
}

section! {
    /// `[judge]`
    Judge {
        /// Fewest records of a group that is published.
        min_records: u64,
        /// Kilometres per hour.
        min_cruise_speed_kmh: f64,
        /// Kilometres per hour.
        max_cruise_speed_kmh: f64,
        /// Largest change of the median time against the current set, as a share.
        max_time_change: f64,
        /// Distances at which the change is looked at, km; at least one.
        reference_distances_km: Vec<f64>,
        /// Smallest share of the records that must stand behind groups that pass.
        min_share_published: f64,
        /// Smallest share of the groups that must pass.
        min_share_groups: f64,
        /// Ranges that published parameters must lie in.
        bounds: Vec<BoundSetting>,
        /// Largest change of a parameter against the current set, in standard errors of the change; 0
        /// is no limit.
        max_change_std_errors: f64,
        /// Widest interval of a speed: its upper end over its lower; 0 is no limit.
        max_interval_ratio: f64,
        /// By how much the mean log score on later records may be worse than that of the current set;
        /// 0 is no limit.
        max_score_drop: f64,
    }
}

section! {
    /// `[gate]`
    Gate {
        /// Rules that are not asked.
        skip: Vec<RuleName>,
        /// Fewest rows of which a share says something.
        min_rows: u64,
        /// Largest share of rows that cannot be read.
        max_unreadable: f64,
        /// Largest share of rows refused for their distance, time or speed.
        max_refused_values: f64,
        /// By how much it may exceed the published set's.
        max_refused_values_rise: f64,
        /// Largest share of rows with a distance or time of zero.
        max_zero_values: f64,
        /// Largest share of rows refused for anything else.
        max_refused_others: f64,
        /// By how much it may exceed the published set's.
        max_refused_others_rise: f64,
        /// Largest share of groups without records of this run behind them.
        max_groups_without_fit: f64,
        /// Largest factor between the numbers of records; 0 is no limit.
        max_row_factor: f64,
        /// Largest share of records in regions that are not as they were.
        max_regions_changed: f64,
        /// Largest factor between distances, times and speeds; 0 is no limit.
        max_distribution_factor: f64,
        /// Largest share of rows that repeat another.
        max_repeated_rows: f64,
        /// Age of the newest record from which on it is said, days; 0 is never.
        warn_age_days: f64,
        /// Age of the newest record from which on nothing is published, days; 0 is no limit.
        max_age_days: f64,
    }
}

section! {
    /// `[output]`
    Output {
        /// Folder for the results of a run.
        dir: PathBuf,
        /// Whether the HTML report is written.
        report: bool,
        /// Whether `run_results.json` is written.
        results: bool,
        /// Object storage that the files of a run are copied to; empty copies nothing.
        upload_url: String,
    }
}

section! {
    /// `[log]`
    Log {
        /// What is logged.
        level: LogLevel,
        /// Form of the log.
        format: LogFormat,
    }
}

impl Settings {
    /// The span that a run reads which starts `now`; days are those of the time zone's calendar.
    ///
    /// # Errors
    /// A date outside the calendar; settings that were loaded have none.
    pub fn window(&self, now: Timestamp) -> Result<Window, jiff::Error> {
        let WindowSettings { from, to, days } = &self.window;
        if *days > 0 {
            let from = now.to_zoned(self.time_zone.clone()).checked_sub(i64::from(*days).days())?;
            return Ok(Window { from: Some(from.timestamp()), to: Some(now) });
        }
        Ok(Window { from: from.resolve(&self.time_zone)?, to: to.resolve(&self.time_zone)? })
    }

    /// What records must satisfy, for a run with this window.
    #[must_use]
    pub fn limits(&self, window: Window) -> Limits {
        let accept = &self.accept;
        Limits {
            min_time_s: accept.min_time_s,
            max_time_s: accept.max_time_s,
            min_distance_km: accept.min_distance_km,
            max_distance_km: accept.max_distance_km,
            min_speed_kmh: accept.min_speed_kmh,
            max_speed_kmh: accept.max_speed_kmh,
            window,
            needs_time: !self.groups.bands.is_empty(),
            // The models' to say.
            needs_lengths: false,
            known_regions: (!accept.known_regions.is_empty())
                .then(|| accept.known_regions.iter().cloned().collect()),
            max_groups: self.groups.max_groups.count().get(),
        }
    }

    /// Lengths of trips that are fitted, and so predicted, km.
    #[must_use]
    pub fn distances_km(&self) -> RangeInclusive<f64> {
        self.accept.min_distance_km..=self.accept.max_distance_km
    }

    /// What groups are split by, beside the region.
    #[must_use]
    pub fn splits(&self) -> Splits {
        let is_factor = self.has_factor(Factor::Band);
        Splits {
            bands: self.week_bands().filter(|_| !is_factor),
            by_priority: self.groups.by_priority,
        }
    }

    /// The bands of the week, where there are any: groups are split by them unless they are a
    /// factor.
    #[must_use]
    pub fn week_bands(&self) -> Option<WeekBands> {
        let bands: Vec<_> = self.groups.bands.iter().map(|b| b.band().clone()).collect();
        (!bands.is_empty()).then(|| WeekBands::new(bands, self.time_zone.clone()))
    }

    /// Whether that multiplies the model.
    #[must_use]
    pub fn has_factor(&self, factor: Factor) -> bool {
        self.fit.factors.contains(&factor)
    }
}

impl Columns {
    /// The contract's names, in the order of [`Columns::names`].
    pub const CONTRACT: [&'static str; 8] = [
        "incident_id",
        "region",
        "parent_region",
        "occurred_at",
        "priority",
        "distance_km",
        "travel_time_s",
        "weight",
    ];

    /// Key and column, in the order of the settings file.
    #[must_use]
    pub fn names(&self) -> [(&'static str, &str); 8] {
        [
            ("columns.incident_id", &self.incident_id),
            ("columns.region", &self.region),
            ("columns.parent_region", &self.parent_region),
            ("columns.occurred_at", &self.occurred_at),
            ("columns.priority", &self.priority),
            ("columns.distance", &self.distance),
            ("columns.travel_time", &self.travel_time),
            ("columns.weight", &self.weight),
        ]
    }

    /// The columns that the user named: key and column where that is not the contract's name. Such
    /// a column must be there, while an optional one of the contract may be missing.
    pub fn user_set(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let named = self.names().into_iter().zip(Self::CONTRACT);
        named.filter(|((_, column), contract)| column != contract).map(|(named, _)| named)
    }
}
