//! The trips of an incident file by region, as a fit takes them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use flate2::read::GzDecoder;
use speedfit::fit::Sample;

/// Name of the group that pools all regions, in references.
pub(crate) const ALL: &str = "*ALL*";

/// Samples of every region of a clean, packed file, and of all of them together.
pub(crate) fn regions(file: &Path) -> Result<BTreeMap<String, Vec<Sample>>, String> {
    let told = |what: &dyn std::fmt::Display| format!("{}: {what}", file.display());
    let packed = File::open(file).map_err(|e| told(&e))?;
    let mut regions = BTreeMap::<String, Vec<Sample>>::new();
    let mut reader = csv::Reader::from_reader(GzDecoder::new(packed));
    for row in reader.records() {
        let row = row.map_err(|e| told(&e))?;
        let sample = Sample {
            distance_km: row[4].parse().map_err(|e| told(&e))?,
            travel_time_s: row[5].parse().map_err(|e| told(&e))?,
            weight: 1.0,
        };
        regions.entry(row[1].to_owned()).or_default().push(sample);
    }
    let all = regions.values().flatten().copied().collect();
    regions.insert(ALL.to_owned(), all);
    Ok(regions)
}
