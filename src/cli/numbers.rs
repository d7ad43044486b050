//! Numbers for people: enough digits to act on, none to be misled by.

use jiff::Timestamp;

/// A count with thin groups of three: `205 064`.
pub(super) fn count(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

/// Four significant digits, without exponent where that stays readable.
pub(super) fn figure(value: f64) -> String {
    let size = value.abs();
    if value == 0.0 {
        "0".to_owned()
    } else if (1e-4..1e6).contains(&size) {
        let decimals = (3 - size.log10().floor() as i32).clamp(0, 7) as usize;
        format!("{value:.decimals$}")
    } else {
        format!("{value:.3e}")
    }
}

/// The interval of a value: `±12` where it is as wide to both sides as far as it is shown, else
/// `0.33–0.46`; `≥48.9` where it is open above. The last digit shown is worth at most a third of the
/// half of it. `None` where there is none, or where it is a point.
pub(super) fn interval(value: f64, low: Option<f64>, high: Option<f64>) -> Option<String> {
    let width = match (low, high) {
        (Some(low), Some(high)) => high - low,
        (Some(end), None) | (None, Some(end)) => 2.0 * (value - end).abs(),
        (None, None) => return None,
    };
    if width <= 0.0 || !width.is_finite() {
        return None;
    }
    let decimals = (-(width / 6.0).log10().floor() as i32).clamp(0, 7) as usize;
    Some(match (low, high) {
        (Some(low), Some(high)) => {
            let [below, above] =
                [value - low, high - value].map(|side| format!("{side:.decimals$}"));
            let is_zero = below.bytes().all(|byte| matches!(byte, b'0' | b'.'));
            if below == above && !is_zero {
                format!("±{below}")
            } else {
                format!("{}–{}", end(low, decimals), end(high, decimals))
            }
        }
        (Some(low), None) => format!("≥{}", end(low, decimals)),
        (None, high) => format!("≤{}", end(high.unwrap_or(value), decimals)),
    })
}

/// An end of an interval: two digits at least, an exponent where many would be needed.
fn end(value: f64, decimals: usize) -> String {
    let size = value.abs();
    if value != 0.0 && !(1e-4..1e5).contains(&size) {
        return format!("{value:.0e}");
    }
    let needed = if size > 0.0 && size < 1.0 { (1.0 - size.log10().floor()) as usize } else { 0 };
    let decimals = decimals.max(needed);
    format!("{value:.decimals$}")
}

/// A share as a percentage.
pub(super) fn percent(share: f64) -> String {
    format!("{:.1} %", share * 100.0)
}

/// How long ago, in the largest unit of which there are two: `90 s ago`, `3 h ago`, `12 days ago`.
pub(super) fn age(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.duration_since(at).as_secs();
    let units = [("days", 86_400), ("h", 3600), ("min", 60)];
    match units.into_iter().find(|(_, unit_s)| seconds >= 2 * unit_s) {
        Some((unit, unit_s)) => format!("{} {unit} ago", seconds / unit_s),
        None if seconds < 0 => "in the future".to_owned(),
        None => format!("{seconds} s ago"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_short() {
        let now: Timestamp = "2026-03-01T03:00:00Z".parse().unwrap();
        let check = |at: &str, expected: &str| assert_eq!(age(at.parse().unwrap(), now), expected);
        check("2026-03-01T02:59:59.5Z", "0 s ago");
        check("2026-03-01T02:58:01Z", "119 s ago");
        check("2026-03-01T02:58:00Z", "2 min ago");
        check("2026-03-01T01:00:00Z", "2 h ago");
        check("2026-02-28T03:00:01Z", "23 h ago");
        check("2026-02-01T03:00:00Z", "28 days ago");
        check("2026-03-01T03:00:05Z", "in the future");
    }

    #[test]
    fn intervals_are_short() {
        let check = |value: f64, low: Option<f64>, high: Option<f64>, expected: &str| {
            assert_eq!(interval(value, low, high).as_deref().unwrap_or("none"), expected);
        };
        check(51.3, Some(39.4), Some(63.2), "±12");
        check(51.3, Some(50.9), Some(51.7), "±0.4");
        check(0.3888, Some(0.3304), Some(0.459), "0.33–0.46");
        check(114.3, Some(98.1), Some(133.2), "98–133");
        check(74.7, Some(0.01287), Some(434_032.0), "0.013–4e5");
        check(1.139, Some(0.781), Some(1.502), "±0.4");
        check(0.43, Some(0.0), Some(1.2), "0.0–1.2");
        check(0.3173, Some(0.3011), Some(0.3357), "0.301–0.336");
        check(50.5, Some(48.9), None, "≥48.9");
        check(50.5, None, Some(52.44), "≤52.4");
        check(50.5, None, None, "none");
        check(50.5, Some(50.5), Some(50.5), "none");
        check(1e-9, Some(1e-10), Some(1e-8), "1e-10–1e-8");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(count(0), "0");
        assert_eq!(count(205_064), "205 064");
        assert_eq!(count(1_000), "1 000");
        assert_eq!(figure(39.2156), "39.22");
        assert_eq!(figure(0.68201), "0.6820");
        assert_eq!(figure(-1234.6), "-1235");
        assert_eq!(figure(1.0e-9), "1.000e-9");
        assert_eq!(figure(0.0), "0");
        assert_eq!(percent(0.9001), "90.0 %");
    }
}
