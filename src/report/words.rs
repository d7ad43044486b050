//! The names of tables and files in an analyst's words.

use std::borrow::Cow;

use crate::domain::{GroupOutcome, ParameterStatus, RefusalReason, RunStatus, SourceLevel};
use crate::fit::models::{RoadClass, WithFactors};

/// A short label of a parameter; `None` for a name that only the settings know.
pub(super) fn parameter_label(name: &str) -> Option<Cow<'static, str>> {
    Some(Cow::Borrowed(match name {
        "acceleration_km_min2" => "Acceleration",
        "cruise_speed_kmh" => "Cruise speed",
        "intercept_min" => "Fixed time",
        "power_coefficient" => "Power factor",
        "power_exponent" => "Power exponent",
        "sqrt_coefficient_min" => "Root factor",
        "sigma_log" => "Spread",
        "spread_b0" => "Spread b0",
        "spread_b1" => "Spread b1",
        "spread_b2" => "Spread b2",
        "tail_dof" => "Tail",
        _ => return named_label(name).map(Cow::Owned),
    }))
}

/// A label of a parameter that the records or settings name.
fn named_label(name: &str) -> Option<String> {
    let speed = RoadClass::class_of(name).map(|class| format!("Speed, {class}"));
    speed.or_else(|| {
        let level = name.strip_prefix(WithFactors::PREFIX)?;
        Some(format!("Factor, {}", level.replacen('_', " ", 1)))
    })
}

/// What a parameter means.
pub(super) fn parameter_meaning(name: &str) -> Option<&'static str> {
    Some(match name {
        "acceleration_km_min2" => "how briskly the vehicle gains speed at the start of a trip",
        "cruise_speed_kmh" => "the speed it reaches on trips long enough to reach it",
        "intercept_min" => "time that every trip takes before it moves, such as turnout",
        "power_coefficient" => "minutes that one kilometre takes",
        "power_exponent" => "how travel time grows with distance; 1 is proportional",
        "sqrt_coefficient_min" => "minutes per square root of a kilometre",
        "sigma_log" => {
            "how far single trips scatter about the curve, on the logarithm: \
             0.3 is roughly 30 % either way"
        }
        "spread_b0" => "scatter that fades with distance, constant part",
        "spread_b1" => "scatter that fades with distance, proportional part",
        "spread_b2" => "scatter that stays on the longest trips, as a variance",
        "tail_dof" => "degrees of freedom of the error; small means more extreme trips",
        _ if RoadClass::class_of(name).is_some() => "the mean speed on roads of that class",
        _ if name.starts_with(WithFactors::PREFIX) => {
            "times of that level as a multiple of those at the reference level"
        }
        _ => return None,
    })
}

/// What an outcome means.
pub(super) fn outcome_meaning(outcome: GroupOutcome) -> &'static str {
    match outcome {
        GroupOutcome::Fitted => "its own records were fitted",
        GroupOutcome::Pooled => "shrunk toward its parent, since its own records are few",
        GroupOutcome::Fallback => "served by a level above it",
        GroupOutcome::CarriedOver => "keeps the parameters of the set that was current before",
        GroupOutcome::Failed => "has no parameters",
        GroupOutcome::Cancelled => "the run was stopped before the group was done",
    }
}

/// An outcome's label.
pub(super) fn outcome_label(outcome: GroupOutcome) -> &'static str {
    match outcome {
        GroupOutcome::Fitted => "fitted",
        GroupOutcome::Pooled => "pooled",
        GroupOutcome::Fallback => "fallback",
        GroupOutcome::CarriedOver => "carried over",
        GroupOutcome::Failed => "failed",
        GroupOutcome::Cancelled => "cancelled",
    }
}

/// Where a fallback's parameters come from; `None` for a group's own records.
pub(super) fn source_label(level: SourceLevel) -> Option<&'static str> {
    match level {
        SourceLevel::Group | SourceLevel::None => None,
        SourceLevel::Region => Some("from the region"),
        SourceLevel::Parent => Some("from the parent region"),
        SourceLevel::All => Some("from all records"),
        SourceLevel::Standard => Some("from the RAND/ISO line"),
        SourceLevel::Previous => Some("from an earlier run"),
    }
}

/// A label for a status that needs one; `None` for an ordinary estimate.
pub(super) fn status_label(status: ParameterStatus) -> Option<&'static str> {
    match status {
        ParameterStatus::Ok => None,
        ParameterStatus::AtBound => Some("at bound"),
        ParameterStatus::NotIdentified => Some("not identified"),
        ParameterStatus::Imprecise => Some("imprecise"),
        ParameterStatus::Pooled => Some("pooled"),
        ParameterStatus::Fixed => Some("fixed"),
        ParameterStatus::CarriedOver => Some("carried over"),
        ParameterStatus::Fallback => Some("fallback"),
    }
}

/// What a status means.
pub(super) fn status_meaning(status: ParameterStatus) -> &'static str {
    match status {
        ParameterStatus::Ok => "estimated from the group's records, with an interval",
        ParameterStatus::AtBound => "on the edge of its permitted range, so there is no interval",
        ParameterStatus::NotIdentified => {
            "the records cannot tell it; use it inside the range of the data only"
        }
        ParameterStatus::Imprecise => {
            "its interval is wider than the factor that the settings allow"
        }
        ParameterStatus::Pooled => "shrunk toward the parent",
        ParameterStatus::Fixed => "set by the settings",
        ParameterStatus::CarriedOver => "taken from the set that was current before",
        ParameterStatus::Fallback => "taken from a level above the group",
    }
}

/// What the status of a run means for the application that reads the parameters.
pub(super) fn run_sentence(status: Option<RunStatus>) -> &'static str {
    match status {
        None => "Not recorded in a ledger; nothing was published.",
        Some(RunStatus::Requested) => "Asked for, not started yet.",
        Some(RunStatus::Running) => "Still at work; nothing is published yet.",
        Some(RunStatus::Done) => "Everything was published.",
        Some(RunStatus::Partial) => {
            "Published; some groups keep what they had before, or have nothing."
        }
        Some(RunStatus::Refused) => "Nothing was published; what was current stays.",
        Some(RunStatus::Cancelled) => "Stopped before the end; nothing was published.",
        Some(RunStatus::Failed) => "Ended by an error; nothing was published.",
        Some(RunStatus::Abandoned) => "Died without a word; nothing was published.",
    }
}

/// Why records were refused.
pub(super) fn reason_label(reason: RefusalReason) -> &'static str {
    match reason {
        RefusalReason::Unreadable => "could not be read",
        RefusalReason::UnreadableTime => "travel time could not be read",
        RefusalReason::UnreadableDistance => "distance could not be read",
        RefusalReason::NullField => "region, distance, time or date missing",
        RefusalReason::NonFinite => "distance, time or weight not a number",
        RefusalReason::TimeNotPositive => "travel time zero or negative",
        RefusalReason::TimeTooShort => "travel time too short",
        RefusalReason::TimeTooLong => "travel time too long",
        RefusalReason::DistanceTooShort => "distance too short",
        RefusalReason::DistanceTooLong => "distance too long",
        RefusalReason::SpeedImplausible => "implausible speed",
        RefusalReason::OutsideWindow => "outside the window",
        RefusalReason::UnknownRegion => "unknown region",
        RefusalReason::WeightNotPositive => "weight zero or negative",
        RefusalReason::WeightOutOfRange => "weight too large or too small",
        RefusalReason::LengthInvalid => "length by class of road missing or not a length",
        RefusalReason::RepeatedId => "incident recorded twice",
    }
}
