//! Numbers, moments and spans as people read them.

use jiff::Timestamp;

/// What stands where nothing is known.
pub(super) const UNKNOWN: &str = "—";

/// Three significant digits, thousands grouped: `31.4`, `0.682`, `1,234`, `1.2e-7`.
pub(super) fn number(value: f64) -> String {
    let size = value.abs();
    if !value.is_finite() {
        return UNKNOWN.to_owned();
    }
    let text = match size {
        _ if size == 0.0 => "0".to_owned(),
        _ if !(1e-4..1e9).contains(&size) => format!("{size:.1e}"),
        _ if size >= 999.5 => return signed(value, &grouped(&format!("{size:.0}"))),
        _ if size >= 99.95 => format!("{size:.0}"),
        _ if size >= 9.995 => format!("{size:.1}"),
        _ if size >= 0.9995 => format!("{size:.2}"),
        _ if size >= 0.0995 => format!("{size:.3}"),
        _ => format!("{size:.4}"),
    };
    signed(value, &text)
}

/// [`number`], or [`UNKNOWN`].
pub(super) fn optional(value: Option<f64>) -> String {
    value.map_or_else(|| UNKNOWN.to_owned(), number)
}

/// The ends of an interval; `≥ 48.9` where it is open above, `≤ 51.6` where it is open below, `None`
/// where it is open to both sides.
pub(super) fn interval(low: Option<f64>, high: Option<f64>) -> Option<String> {
    let [low, high] = [low, high].map(|end| end.filter(|end| end.is_finite()));
    match (low, high) {
        (Some(low), Some(high)) => Some(format!("{} – {}", number(low), number(high))),
        (Some(low), None) => Some(format!("≥ {}", number(low))),
        (None, Some(high)) => Some(format!("≤ {}", number(high))),
        (None, None) => None,
    }
}

/// A whole number, thousands grouped.
pub(super) fn count(value: u64) -> String {
    grouped(&value.to_string())
}

/// A share as a percentage: `4.2`, `100`, `<0.1`; without the sign, which stands in the heading.
pub(super) fn percentage(share: f64) -> String {
    let percent = share * 100.0;
    match percent {
        _ if !percent.is_finite() => UNKNOWN.to_owned(),
        _ if percent > 0.0 && percent < 0.05 => "<0.1".to_owned(),
        // A share short of the whole is not shown as the whole.
        _ if (99.95..100.0).contains(&percent) => ">99.9".to_owned(),
        _ if percent == 0.0 || percent >= 99.95 => format!("{percent:.0}"),
        _ => format!("{percent:.1}"),
    }
}

/// `part` of `whole` as a percentage, or [`UNKNOWN`] of nothing.
pub(super) fn percentage_of(part: u64, whole: u64) -> String {
    if whole == 0 { UNKNOWN.to_owned() } else { percentage(part as f64 / whole as f64) }
}

/// A moment to the second, in UTC.
pub(super) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

/// A bound of a window in UTC, which mostly falls on midnight: no more digits than it needs.
pub(super) fn bound(at: Timestamp) -> String {
    let day_us = 24 * 3600 * 1_000_000;
    let whole_day = at.as_microsecond().rem_euclid(day_us) == 0;
    at.strftime(if whole_day { "%Y-%m-%d" } else { "%Y-%m-%d %H:%M:%S" }).to_string()
}

/// A duration: `840 ms`, `12.3 s`, `4 min 05 s`, `2 h 10 min`.
pub(super) fn duration_ms(ms: f64) -> String {
    let seconds = (ms / 1000.0).round();
    match ms {
        _ if !ms.is_finite() || ms < 0.0 => UNKNOWN.to_owned(),
        _ if ms < 999.5 => format!("{ms:.0} ms"),
        _ if ms < 59_950.0 => format!("{:.1} s", ms / 1000.0),
        _ if seconds < 3600.0 => {
            format!("{:.0} min {:02.0} s", (seconds / 60.0).floor(), seconds % 60.0)
        }
        _ => {
            let minutes = (seconds / 60.0).round();
            format!("{:.0} h {:02.0} min", (minutes / 60.0).floor(), minutes % 60.0)
        }
    }
}

fn signed(value: f64, size: &str) -> String {
    // U+2212 aligns with digits; a hyphen does not.
    if value < 0.0 { format!("−{size}") } else { size.to_owned() }
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_carry_three_digits() {
        let check = |value: f64, expected: &str| assert_eq!(number(value), expected, "{value}");
        check(31.4159, "31.4");
        check(0.681_9, "0.682");
        check(9.996, "10.0");
        check(99.96, "100");
        check(999.6, "1,000");
        check(1_234_567.8, "1,234,568");
        check(0.0, "0");
        check(-2.5, "−2.50");
        check(0.099_6, "0.100");
        check(0.012_34, "0.0123");
        check(0.000_000_12, "1.2e-7");
        check(3.0e12, "3.0e12");
        check(f64::NAN, "—");
        check(f64::INFINITY, "—");
    }

    #[test]
    fn shares_never_round_to_all_or_nothing() {
        let check = |part: u64, whole: u64, expected: &str| {
            assert_eq!(percentage_of(part, whole), expected, "{part}/{whole}");
        };
        check(0, 10, "0");
        check(1, 1_000_000, "<0.1");
        check(42, 1000, "4.2");
        check(999_999, 1_000_000, ">99.9");
        check(10, 10, "100");
        check(0, 0, "—");
    }

    #[test]
    fn durations_choose_their_unit() {
        let check = |ms: f64, expected: &str| assert_eq!(duration_ms(ms), expected, "{ms}");
        check(0.2, "0 ms");
        check(999.6, "1.0 s");
        check(12_340.0, "12.3 s");
        check(59_990.0, "1 min 00 s");
        check(245_000.0, "4 min 05 s");
        check(7_800_000.0, "2 h 10 min");
        check(f64::NAN, "—");
    }

    #[test]
    fn moments_are_in_utc() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(moment(at("2026-02-01T03:00:01.5+01:00")), "2026-02-01 02:00:01 UTC");
        assert_eq!(bound(at("2026-02-01T00:00:00Z")), "2026-02-01");
        assert_eq!(bound(at("2026-02-01T00:00:00+01:00")), "2026-01-31 23:00:00");
    }

    #[test]
    fn intervals_may_be_open_to_one_side() {
        let check = |low: Option<f64>, high: Option<f64>, expected: Option<&str>| {
            assert_eq!(interval(low, high).as_deref(), expected);
        };
        check(Some(48.91), Some(51.6), Some("48.9 – 51.6"));
        check(Some(48.91), None, Some("≥ 48.9"));
        check(None, Some(51.6), Some("≤ 51.6"));
        check(Some(48.91), Some(f64::INFINITY), Some("≥ 48.9"));
        check(None, None, None);
        assert_eq!(count(30_096), "30,096");
        assert_eq!(count(7), "7");
    }
}
