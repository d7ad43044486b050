//! How far two numbers agree, in digits: what tests of accuracy and their tables count.

/// Log relative error, `−log10 |found − expected| / |expected|`, between zero and `most`; about zero
/// the error itself counts. What is not finite agrees with nothing.
pub(crate) fn digits(found: f64, expected: f64, most: f64) -> f64 {
    let size = if expected == 0.0 { 1.0 } else { expected.abs() };
    let error = (found - expected).abs() / size;
    if error.is_finite() { (-error.log10()).clamp(0.0, most) } else { 0.0 }
}

#[test]
fn digits_are_counted_between_none_and_most() {
    assert_eq!(digits(0.0, 2.0, 11.0), 0.0);
    assert_eq!(digits(9.0, 2.0, 11.0), 0.0);
    assert_eq!(digits(f64::NAN, 2.0, 11.0), 0.0);
    assert_eq!(digits(2.0, 2.0, 11.0), 11.0);
    assert_eq!(digits(0.0, 0.0, 11.0), 11.0);
    assert!((digits(2.002, 2.0, 11.0) - 3.0).abs() < 1e-9);
    assert!((digits(1e-5, 0.0, 11.0) - 5.0).abs() < 1e-9);
}
