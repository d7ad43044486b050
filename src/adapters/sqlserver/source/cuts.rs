//! Points at which a column's span is cut, in the column's own type.

use tiberius::ColumnData;
use tiberius::time::{Date, DateTime, DateTime2, DateTimeOffset, Time};

/// Ticks of `datetime` (1/300 s), minutes of `smalldatetime` and ticks of 100 ns in a day.
const DAY_FRAGMENTS: i128 = 86_400 * 300;
const DAY_MINUTES: i128 = 1440;
const DAY_TICKS: i128 = 864_000_000_000;

/// Points inside the span from `low` to `high`, ascending, that cut it into about `n_pieces` of the
/// same length; none where the two are not of one type that can be cut.
pub(super) fn cut(
    low: &ColumnData<'static>,
    high: &ColumnData<'static>,
    n_pieces: usize,
) -> Vec<ColumnData<'static>> {
    match (place(low), place(high)) {
        (Some(Place::Real(low)), Some(Place::Real(high))) => cut_real(low, high, n_pieces),
        (Some(low), Some(high)) => cut_whole(low, high, n_pieces),
        _ => Vec::new(),
    }
}

/// Where a value stands on its type's line.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Place {
    Whole(i128),
    Real(f64),
    Days(i128),
    Fragments(i128),
    Ticks(i128),
    UtcTicks(i128),
}

fn place(value: &ColumnData<'_>) -> Option<Place> {
    Some(match *value {
        ColumnData::U8(Some(n)) => Place::Whole(n.into()),
        ColumnData::I16(Some(n)) => Place::Whole(n.into()),
        ColumnData::I32(Some(n)) => Place::Whole(n.into()),
        ColumnData::I64(Some(n)) => Place::Whole(n.into()),
        ColumnData::F32(Some(x)) => Place::Real(x.into()),
        ColumnData::F64(Some(x)) => Place::Real(x),
        ColumnData::Date(Some(date)) => Place::Days(date.days().into()),
        ColumnData::DateTime(Some(at)) => Place::Fragments(
            i128::from(at.days()) * DAY_FRAGMENTS + i128::from(at.seconds_fragments()),
        ),
        // Its second half counts minutes, whatever the driver calls it.
        ColumnData::SmallDateTime(Some(at)) => Place::Fragments(
            i128::from(at.days()) * DAY_FRAGMENTS
                + i128::from(at.seconds_fragments()) * (DAY_FRAGMENTS / DAY_MINUTES),
        ),
        ColumnData::DateTime2(Some(at)) => Place::Ticks(ticks(at)?),
        ColumnData::DateTimeOffset(Some(at)) => Place::UtcTicks(ticks(at.datetime2())?),
        _ => return None,
    })
}

fn ticks(at: DateTime2) -> Option<i128> {
    let finer = 10_i128.checked_pow(7_u32.checked_sub(at.time().scale().into())?)?;
    Some(i128::from(at.date().days()) * DAY_TICKS + i128::from(at.time().increments()) * finer)
}

fn cut_real(low: f64, high: f64, n_pieces: usize) -> Vec<ColumnData<'static>> {
    let step = (high - low) / n_pieces as f64;
    let mut points: Vec<f64> = (1..n_pieces).map(|n| low + step * n as f64).collect();
    points.dedup();
    points.retain(|point| point.is_finite() && low < *point);
    points.into_iter().map(|point| ColumnData::F64(Some(point))).collect()
}

fn cut_whole(low: Place, high: Place, n_pieces: usize) -> Vec<ColumnData<'static>> {
    let (Some((from, make)), Some((to, _))) = (maker(low), maker(high)) else { return Vec::new() };
    let n_pieces = n_pieces as i128;
    let mut points: Vec<i128> = (1..n_pieces).map(|n| from + (to - from) * n / n_pieces).collect();
    points.dedup();
    points.retain(|point| from < *point);
    points.into_iter().filter_map(make).collect()
}

type Maker = fn(i128) -> Option<ColumnData<'static>>;

/// A place's number, and what makes a value of such a number.
fn maker(place: Place) -> Option<(i128, Maker)> {
    Some(match place {
        Place::Real(_) => return None,
        Place::Whole(n) => (n, |n| Some(ColumnData::I64(Some(n.try_into().ok()?)))),
        Place::Days(n) => (n, |n| Some(ColumnData::Date(Some(Date::new(n.try_into().ok()?))))),
        Place::Fragments(n) => (n, |n| {
            let days = n.div_euclid(DAY_FRAGMENTS).try_into().ok()?;
            let fragments = n.rem_euclid(DAY_FRAGMENTS).try_into().ok()?;
            Some(ColumnData::DateTime(Some(DateTime::new(days, fragments))))
        }),
        Place::Ticks(n) => (n, |n| Some(ColumnData::DateTime2(Some(datetime2(n)?)))),
        Place::UtcTicks(n) => {
            (n, |n| Some(ColumnData::DateTimeOffset(Some(DateTimeOffset::new(datetime2(n)?, 0)))))
        }
    })
}

fn datetime2(ticks: i128) -> Option<DateTime2> {
    let date = Date::new(ticks.div_euclid(DAY_TICKS).try_into().ok()?);
    Some(DateTime2::new(date, Time::new(ticks.rem_euclid(DAY_TICKS).try_into().ok()?, 7)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_cut_into_pieces_of_one_length() {
        let check = |low: ColumnData<'static>, high: ColumnData<'static>, expected: &str| {
            assert_eq!(format!("{:?}", cut(&low, &high, 4)), expected);
        };
        let int = |n| ColumnData::I32(Some(n));
        check(int(-4), int(4), "[I64(Some(-2)), I64(Some(0)), I64(Some(2))]");
        check(int(1), int(2), "[]");
        check(int(7), int(7), "[]");
        check(int(1), int(3), "[I64(Some(2))]");
        check(ColumnData::I32(None), int(3), "[]");
        check(int(1), ColumnData::F64(Some(2.0)), "[]");
        let real = |x| ColumnData::F64(Some(x));
        check(real(0.0), real(2.0), "[F64(Some(0.5)), F64(Some(1.0)), F64(Some(1.5))]");
        check(real(1.0), real(1.0), "[]");
        check(real(f64::MIN), real(f64::MAX), "[]");
        let date = |days| ColumnData::Date(Some(Date::new(days)));
        check(
            date(10),
            date(14),
            "[Date(Some(Date(11))), Date(Some(Date(12))), Date(Some(Date(13)))]",
        );
        let small =
            |days| ColumnData::SmallDateTime(Some(tiberius::time::SmallDateTime::new(days, 720)));
        let cuts = cut(&small(0), &small(1), 2);
        assert_eq!(cuts, [ColumnData::DateTime(Some(DateTime::new(1, 0)))]);
        let at = |days, increments, scale| {
            ColumnData::DateTime2(Some(DateTime2::new(
                Date::new(days),
                Time::new(increments, scale),
            )))
        };
        let cuts = cut(&at(0, 0, 0), &at(1, 0, 3), 2);
        assert_eq!(cuts, [at(0, 432_000_000_000, 7)]);
    }

    #[test]
    fn whole_numbers_at_the_ends_of_their_type_are_cut_too() {
        let cuts = cut(&ColumnData::I64(Some(i64::MIN)), &ColumnData::I64(Some(i64::MAX)), 2);
        assert_eq!(cuts, [ColumnData::I64(Some(-1))]);
    }
}
