//! Fits against independent ones: SciPy and statsmodels, polished in 80-bit numbers.
//!
//! `scripts/reference_fits.py` writes the references to `tests/it/golden`; the table of digits is
//! `cargo bench --bench accuracy -- scipy FILE`, from these same comparisons.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod agreement;
mod golden;
pub(crate) mod trips;

use std::path::Path;

use agreement::{Agreement, agreement, fitted};
use golden::read;

use crate::support::program::incidents;

/// What the fits of a table must reach, in digits.
struct Least {
    objective: f64,
    values: f64,
    errors: f64,
    /// Fits that may be of another minimum, as good to `objective` digits; of these nothing else is
    /// compared.
    n_elsewhere: usize,
}

/// Fits everything in a table, and expects so many digits of each and no contradiction.
fn check(table: &str, n_expected: usize, least: &Least) {
    let Some(folder) = incidents() else { return };
    let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/golden").join(table);
    let goldens = read(&goldens).unwrap();
    let regions = trips::regions(&folder.join("lfb_incidents_2017.clean.csv.gz")).unwrap();
    let (mut complaints, mut elsewhere) = (Vec::new(), Vec::new());
    for golden in &goldens {
        let samples = &regions[&golden.region];
        let found = agreement(golden, samples, &fitted(golden, samples).unwrap());
        let line = format!("{}, {}: {found:?}", golden.region, golden.title());
        let is_near = found.objective >= least.objective;
        if is_near && !found.is_same_minimum() {
            elsewhere.push(line);
        } else if !(is_near && reaches(&found, least)) {
            complaints.push(line);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    assert!(elsewhere.len() <= least.n_elsewhere, "{}", elsewhere.join("\n"));
    assert_eq!(goldens.len(), n_expected);
}

fn reaches(found: &Agreement, least: &Least) -> bool {
    found.values >= least.values && found.errors >= least.errors && found.contradictions.is_empty()
}

#[test]
fn least_squares_agrees() {
    let least = Least { objective: 14.0, values: 10.5, errors: 10.0, n_elsewhere: 0 };
    check("least_squares.csv", 6 * 34, &least);
}

#[test]
fn robust_losses_agree() {
    let least = Least { objective: 4.5, values: 10.0, errors: 10.0, n_elsewhere: 3 };
    check("robust.csv", 8 * 34, &least);
}

#[test]
fn likelihoods_agree() {
    let least = Least { objective: 5.0, values: 5.5, errors: 4.5, n_elsewhere: 7 };
    check("likelihood.csv", 4 * 34 + 6, &least);
}
