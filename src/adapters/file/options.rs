//! How a record file is to be read: names of columns, units, time zone.

use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::format::Format;
use crate::domain::RefusalReason;
use crate::domain::record::road;

/// What a record consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Field {
    /// The client's name of the incident.
    IncidentId,
    /// The region that owns the record.
    Region,
    /// The region's parent.
    ParentRegion,
    /// When the incident occurred.
    OccurredAt,
    /// Priority class.
    Priority,
    /// Distance, in the unit of the options.
    Distance,
    /// Travel time, in the unit of the options.
    TravelTime,
    /// Number of like records that the row stands for.
    Weight,
}

impl Field {
    /// Number of fields.
    pub const COUNT: usize = 8;

    /// Every field, in the order of the contract's header, optional columns last.
    pub const ALL: [Self; Self::COUNT] = [
        Self::IncidentId,
        Self::Region,
        Self::OccurredAt,
        Self::Priority,
        Self::Distance,
        Self::TravelTime,
        Self::ParentRegion,
        Self::Weight,
    ];

    /// The name in settings.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::IncidentId => "incident_id",
            Self::Region => "region",
            Self::ParentRegion => "parent_region",
            Self::OccurredAt => "occurred_at",
            Self::Priority => "priority",
            Self::Distance => "distance",
            Self::TravelTime => "travel_time",
            Self::Weight => "weight",
        }
    }

    /// The field of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.as_str() == name)
    }

    /// The column's name in the contract of record files.
    #[must_use]
    pub fn default_column(self) -> &'static str {
        match self {
            Self::Distance => "distance_km",
            Self::TravelTime => "travel_time_s",
            other => other.as_str(),
        }
    }

    /// The reason for which a row is refused whose value cannot be read.
    pub(in crate::adapters) fn unreadable(self) -> RefusalReason {
        match self {
            Self::TravelTime => RefusalReason::UnreadableTime,
            Self::Distance => RefusalReason::UnreadableDistance,
            Self::IncidentId
            | Self::Region
            | Self::ParentRegion
            | Self::OccurredAt
            | Self::Priority
            | Self::Weight => RefusalReason::Unreadable,
        }
    }

    /// Whether a file without it is of no use.
    #[must_use]
    pub fn is_required(self) -> bool {
        matches!(self, Self::Region | Self::Distance | Self::TravelTime)
    }
}

/// Which column of the file holds which field. Starts from the contract's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ColumnMap {
    chosen: [Option<String>; Field::COUNT],
}

impl ColumnMap {
    /// Chooses the column of a field. From then on the file must have it. A blank name leaves a field
    /// out that is not required, whatever the file has.
    #[must_use]
    pub fn with(mut self, field: Field, column: &str) -> Self {
        let column = column.trim();
        if !column.is_empty() || !field.is_required() {
            self.chosen[field as usize] = Some(column.to_owned());
        }
        self
    }

    /// The column's name; empty where the field is left out.
    #[must_use]
    pub fn column(&self, field: Field) -> &str {
        self.chosen[field as usize].as_deref().unwrap_or_else(|| field.default_column())
    }

    /// Whether a file without the column is an error.
    #[must_use]
    pub fn is_needed(&self, field: Field) -> bool {
        let is_chosen = self.chosen[field as usize].as_ref().is_some_and(|name| !name.is_empty());
        field.is_required() || is_chosen
    }
}

/// Which columns hold lengths by class of road.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum LengthColumns {
    /// None is looked for.
    None,
    /// Those of the contract, `length_<class>_km`, in km whatever the unit of the distance; in the
    /// order in which they stand.
    #[default]
    Contract,
    /// Class and column; all must be there, in the unit of the distance.
    Named(Vec<(String, String)>),
}

/// A column with lengths that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::adapters) struct LengthColumn {
    /// Class of road.
    pub(in crate::adapters) class: String,
    /// The column's name.
    pub(in crate::adapters) name: String,
    /// Unit of its values.
    pub(in crate::adapters) unit: DistanceUnit,
}

impl LengthColumns {
    /// The columns to be read of those that there are, whose names `there` tells; of named ones, all.
    pub(in crate::adapters) fn wanted<'a>(
        &self,
        there: impl Iterator<Item = &'a str>,
        distance_unit: DistanceUnit,
    ) -> Vec<LengthColumn> {
        match self {
            Self::None => Vec::new(),
            Self::Contract => {
                let found = there.filter_map(|name| Some((road::class_of_column(name)?, name)));
                let column = |(class, name): (&str, &str)| LengthColumn {
                    class: class.to_owned(),
                    name: name.to_owned(),
                    unit: DistanceUnit::Km,
                };
                found.map(column).collect()
            }
            Self::Named(named) => {
                let column = |(class, name): &(String, String)| LengthColumn {
                    class: class.clone(),
                    name: name.clone(),
                    unit: distance_unit,
                };
                named.iter().map(column).collect()
            }
        }
    }
}

/// Unit of the distance column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DistanceUnit {
    /// Kilometres.
    #[default]
    Km,
    /// Metres.
    M,
    /// International miles of 1.609344 km.
    Mi,
}

impl DistanceUnit {
    /// The distance in kilometres.
    #[must_use]
    pub fn to_km(self, distance: f64) -> f64 {
        match self {
            Self::Km => distance,
            Self::M => distance / 1000.0,
            Self::Mi => distance * 1.609_344,
        }
    }
}

/// Unit of the travel-time column.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TimeUnit {
    /// Seconds.
    #[default]
    S,
    /// Minutes.
    Min,
    /// Hours.
    H,
}

impl TimeUnit {
    /// The time in seconds.
    #[must_use]
    pub fn to_s(self, time: f64) -> f64 {
        match self {
            Self::S => time,
            Self::Min => time * 60.0,
            Self::H => time * 3600.0,
        }
    }
}

/// A record file and how to read it.
#[derive(Debug, Clone)]
pub struct FileOptions {
    /// The file.
    pub path: PathBuf,
    /// Its format; `None` tells it from the name.
    pub format: Option<Format>,
    /// Which column holds what.
    pub columns: ColumnMap,
    /// Which columns hold lengths by class of road.
    pub lengths: LengthColumns,
    /// Unit of the distance column.
    pub distance_unit: DistanceUnit,
    /// Unit of the travel-time column.
    pub time_unit: TimeUnit,
    /// Time zone of time stamps without an offset.
    pub time_zone: TimeZone,
    /// What separates the fields of a CSV row.
    pub delimiter: u8,
}

impl FileOptions {
    /// A file that follows the contract: its names of columns, km, s, UTC, commas.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            format: None,
            columns: ColumnMap::default(),
            lengths: LengthColumns::default(),
            distance_unit: DistanceUnit::default(),
            time_unit: TimeUnit::default(),
            time_zone: TimeZone::UTC,
            delimiter: b',',
        }
    }
}
