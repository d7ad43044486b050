//! Rows of the driver into batches of records.
//!
//! The hot loop of the reading: a value is looked at once and goes straight into its column.

use jiff::tz::TimeZone;
use tiberius::time::DateTime2;
use tiberius::{ColumnData, TokenRow};

use super::kinds::Wanted;
use super::layout::Layout;
use super::lengths::{LengthDecoder, number_of};
use super::text::{TextBuffer, WholeTexts, text_of, whole_of};
use super::wall_clock::{WallClock, shown};
use crate::adapters::file::{DistanceUnit, Fault, Field, FieldColumn, TimeUnit, timestamp_us};
use crate::domain::record::RecordRef;
use crate::domain::{IncidentId, RecordBatch, Selection};
use crate::ports::ReadQuery;

const DAY_US: i64 = 86_400_000_000;
const MINUTE_US: i64 = 60_000_000;
/// Days from 0001-01-01 and from 1900-01-01 to 1970-01-01.
const DAYS_FROM_YEAR_1: i64 = 719_162;
const DAYS_FROM_1900: i64 = 25_567;

/// Turns rows into records, and leaves out those that were not asked for.
#[derive(Debug, Clone)]
pub(super) struct Decoder {
    columns: Columns,
    distance_unit: DistanceUnit,
    time_unit: TimeUnit,
    clock: WallClock,
    /// Bounds of the window, microseconds since 1970-01-01 UTC.
    from_us: i64,
    to_us: i64,
    selection: Selection,
    lengths: LengthDecoder,
    /// Where texts of numbers are written: of ids and of the other texts.
    id_room: TextBuffer,
    texts: [WholeTexts; 3],
}

/// Where each field stands in a row, and what the column is called.
#[derive(Debug, Clone)]
struct Columns {
    /// Beyond the end of every row where there is no such column.
    places: [usize; Field::COUNT],
    names: [String; Field::COUNT],
}

impl Decoder {
    pub(super) fn new(
        layout: &Layout,
        units: (DistanceUnit, TimeUnit),
        zone: &TimeZone,
        query: &ReadQuery,
    ) -> Self {
        let mut places = [usize::MAX; Field::COUNT];
        let mut names = [const { String::new() }; Field::COUNT];
        for (at, column) in layout.columns.iter().enumerate() {
            places[column.field as usize] = at;
            names[column.field as usize].push_str(column.name.as_str());
        }
        let (from_us, to_us) = query.window.bounds_us();
        Self {
            columns: Columns { places, names },
            distance_unit: units.0,
            time_unit: units.1,
            clock: WallClock::new(zone.clone()),
            from_us,
            to_us,
            selection: query.selection.clone(),
            lengths: LengthDecoder::new(layout),
            id_room: TextBuffer::EMPTY,
            texts: [const { WholeTexts::NONE }; 3],
        }
    }

    /// A batch for rows.
    pub(super) fn empty_batch(&self) -> RecordBatch {
        let mut batch = RecordBatch::of_classes(&self.lengths.classes);
        batch.occurred_at_us.reserve_exact(RecordBatch::MAX_ROWS);
        batch.distance_km.reserve_exact(RecordBatch::MAX_ROWS);
        batch.travel_time_s.reserve_exact(RecordBatch::MAX_ROWS);
        batch.weight.reserve_exact(RecordBatch::MAX_ROWS);
        batch
    }

    /// Appends a row, where it was asked for.
    pub(super) fn push(&mut self, row: &TokenRow<'static>, batch: &mut RecordBatch) {
        let mut fault = Fault::default();
        let columns = &self.columns;
        let occurred_at_us = columns.time(row, &mut self.clock, &mut fault);
        if occurred_at_us.is_some_and(|at| at < self.from_us || at >= self.to_us) {
            return;
        }
        let [regions, parents, priorities] = &mut self.texts;
        let region = columns.text(row, Field::Region, regions, &mut fault);
        if !self.selection.is_all() && !region.is_some_and(|r| self.selection.contains(r)) {
            return;
        }
        let incident_id = columns.id(row, &mut self.id_room, &mut fault);
        let distance = columns.number(row, Field::Distance, &mut fault);
        let travel_time = columns.number(row, Field::TravelTime, &mut fault);
        let record = RecordRef {
            incident_id,
            region,
            parent_region: columns.text(row, Field::ParentRegion, parents, &mut fault),
            priority: columns.text(row, Field::Priority, priorities, &mut fault),
            occurred_at_us,
            distance_km: distance.map(|x| self.distance_unit.to_km(x)),
            travel_time_s: travel_time.map(|x| self.time_unit.to_s(x)),
            weight: columns.number(row, Field::Weight, &mut fault),
            lengths_km: &[],
            fault: None,
        };
        let lengths_km = self.lengths.read(row, &mut fault);
        let fault = fault.at(|| match incident_id {
            Some(id) => format!("incident `{id}`"),
            None => "a row without an id".to_owned(),
        });
        batch.push(RecordRef { fault: fault.get(), lengths_km, ..record });
    }
}

/// What is done with every value is inlined: a call costs as much as the rest of it.
impl Columns {
    #[inline(always)]
    fn value<'a>(
        &self,
        row: &'a TokenRow<'static>,
        field: Field,
    ) -> Option<&'a ColumnData<'static>> {
        row.get(self.places[field as usize])
    }

    #[inline(always)]
    fn text<'a>(
        &self,
        row: &'a TokenRow<'static>,
        field: Field,
        texts: &'a mut WholeTexts,
        fault: &mut Fault,
    ) -> Option<&'a str> {
        let value = self.value(row, field)?;
        let text = match whole_of(value) {
            Some(number) => Ok(number.map(|number| texts.of(number))),
            None => text_of(value, texts.room()),
        };
        text.unwrap_or_else(|other| self.unread(other, field, fault))
    }

    /// A number stays one: hardly any id is ever shown.
    #[inline(always)]
    fn id<'a>(
        &self,
        row: &'a TokenRow<'static>,
        room: &'a mut TextBuffer,
        fault: &mut Fault,
    ) -> Option<IncidentId<'a>> {
        let value = self.value(row, Field::IncidentId)?;
        if let Some(number) = whole_of(value) {
            return number.map(IncidentId::Number);
        }
        let text = text_of(value, room);
        text.unwrap_or_else(|other| self.unread(other, Field::IncidentId, fault))
            .map(IncidentId::Text)
    }

    #[inline(always)]
    fn number(&self, row: &TokenRow<'static>, field: Field, fault: &mut Fault) -> Option<f64> {
        match self.value(row, field)? {
            ColumnData::F64(number) => *number,
            other => self.other_number(other, field, fault),
        }
    }

    fn other_number(
        &self,
        value: &ColumnData<'static>,
        field: Field,
        fault: &mut Fault,
    ) -> Option<f64> {
        number_of(value, self.of(field), fault)
    }

    /// When it occurred, microseconds since 1970-01-01 UTC.
    fn time(
        &self,
        row: &TokenRow<'static>,
        clock: &mut WallClock,
        fault: &mut Fault,
    ) -> Option<i64> {
        let value = self.value(row, Field::OccurredAt)?;
        let wall_us = match value {
            ColumnData::DateTime2(at) => datetime2_us((*at)?),
            ColumnData::DateTime(at) => {
                let at = (*at)?;
                // To the millisecond, as SQL Server shows the thirds of 10 ms that it counts.
                let ms = (i64::from(at.seconds_fragments()) * 10 + 1) / 3;
                Some(days_us(at.days().into(), DAYS_FROM_1900) + ms * 1000)
            }
            ColumnData::SmallDateTime(at) => {
                let at = (*at)?;
                // Its second half counts minutes, whatever the driver calls it.
                let minutes = i64::from(at.seconds_fragments());
                Some(days_us(at.days().into(), DAYS_FROM_1900) + minutes * MINUTE_US)
            }
            ColumnData::Date(date) => Some(days_us((*date)?.days().into(), DAYS_FROM_YEAR_1)),
            ColumnData::DateTimeOffset(at) => {
                let at_us = datetime2_us((*at)?.datetime2());
                return at_us.or_else(|| self.unread(value, Field::OccurredAt, fault));
            }
            ColumnData::String(text) => {
                let text = text.as_deref().map(str::trim).filter(|text| !text.is_empty())?;
                let at_us = timestamp_us(text, clock.zone());
                return at_us.or_else(|| self.no_time(text, fault));
            }
            _ => return self.unread(value, Field::OccurredAt, fault),
        };
        match wall_us.and_then(|wall_us| clock.at_us(wall_us)) {
            Some(at_us) => Some(at_us),
            None => match wall_us.and_then(shown) {
                Some(wall) => self.no_time(&wall.to_string(), fault),
                None => self.unread(value, Field::OccurredAt, fault),
            },
        }
    }

    fn of(&self, field: Field) -> FieldColumn<'_> {
        FieldColumn { field, name: &self.names[field as usize] }
    }

    #[cold]
    fn no_time(&self, text: &str, fault: &mut Fault) -> Option<i64> {
        fault.value(text, self.of(Field::OccurredAt), "a time stamp");
        None
    }

    /// Notes a value of a type that the column did not have when it was described.
    #[cold]
    fn unread<T>(&self, value: &ColumnData<'static>, field: Field, fault: &mut Fault) -> Option<T> {
        let wanted = match Wanted::of(field) {
            Wanted::Text => "a text",
            Wanted::Number => "a number",
            Wanted::Time => "a time stamp",
        };
        fault.value(&format!("{value:?}"), self.of(field), wanted);
        None
    }
}

fn days_us(days: i64, days_to_1970: i64) -> i64 {
    (days - days_to_1970) * DAY_US
}

/// Microseconds since 1970-01-01; finer ticks are cut off.
fn datetime2_us(at: DateTime2) -> Option<i64> {
    let increments = i64::try_from(at.time().increments()).ok()?;
    let us = match at.time().scale() {
        7 => increments / 10,
        scale => increments.checked_mul(10_i64.checked_pow(6_u32.checked_sub(scale.into())?)?)?,
    };
    Some(days_us(at.date().days().into(), DAYS_FROM_YEAR_1) + us)
}
