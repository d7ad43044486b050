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
