//! Digits to which fits of London's trips agree with SciPy's and statsmodels', from the comparisons
//! that the tests make.

#[path = "../../tests/it/reference/agreement.rs"]
mod agreement;
#[path = "../../tests/it/reference/golden.rs"]
mod golden;
#[path = "../../tests/it/reference/trips.rs"]
mod trips;

use std::fmt::Write as _;
use std::path::Path;

use agreement::{Agreement, agreement, fitted};
use golden::read;

/// Tables that `scripts/reference_fits.py` wrote.
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/golden");
const TABLES: [&str; 3] = ["least_squares.csv", "robust.csv", "likelihood.csv"];

const HEAD: &str = "\
| fit | fits | objective: least | median | parameters: least | median | standard errors: least | median | in another minimum |
|---|--:|--:|--:|--:|--:|--:|--:|--:|
";

/// One kind of digits.
type Count = fn(&Agreement) -> f64;

/// The table of all kinds of fits; wants the file that the references were fitted to.
pub(crate) fn run(arguments: &[String]) -> Result<String, String> {
    let [file] = arguments else {
        return Err("scipy: name London's clean file".to_owned());
    };
    let regions = trips::regions(Path::new(file))?;
    let mut kinds: Vec<(String, Vec<Agreement>)> = Vec::new();
    for table in TABLES {
        for golden in read(&Path::new(FOLDER).join(table))? {
            let trips = regions.get(&golden.region);
            let trips = trips.ok_or_else(|| format!("no trips of {}", golden.region))?;
            let found = agreement(&golden, trips, &fitted(&golden, trips)?);
            match kinds.iter_mut().find(|(title, _)| *title == golden.title()) {
                Some((_, all)) => all.push(found),
                None => kinds.push((golden.title(), vec![found])),
            }
        }
    }
    Ok(kinds.iter().fold(HEAD.to_owned(), |text, (title, all)| text + &row(title, all)))
}

/// Parameters and errors are compared where both have found the same minimum.
fn row(title: &str, all: &[Agreement]) -> String {
    let same: Vec<&Agreement> = all.iter().filter(|a| a.is_same_minimum()).collect();
    let all_of: Vec<&Agreement> = all.iter().collect();
    let counts: [(&[&Agreement], Count); 3] =
        [(&all_of, |a| a.objective), (&same, |a| a.values), (&same, |a| a.errors)];
    let mut text = format!("| {title} | {}", all.len());
    for (of, count) in counts {
        let mut digits: Vec<f64> = of.iter().map(|a| count(a)).collect();
        digits.sort_by(f64::total_cmp);
        let (least, middle) = (digits.first(), digits.get(digits.len() / 2));
        for value in [least, middle] {
            // Writing to a string does not fail.
            let _ = write!(text, " | {:.1}", value.copied().unwrap_or(f64::NAN));
        }
    }
    text + &format!(" | {} |\n", all.len() - same.len())
}
